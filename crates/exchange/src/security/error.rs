use crate::ExchangeError;

/// Why a security context could not be established, or not go on. The texts hold no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecurityError {
    /// User or password was refused.
    #[error("{by} refused the user or the password")]
    CredentialsRefused {
        /// Host and port of the KDC.
        by: String,
    },
    /// The password has expired, or must be changed first.
    #[error("{by} says that the password has expired or must be changed")]
    PasswordExpired {
        /// Host and port of the KDC.
        by: String,
    },
    /// The account is locked, disabled or expired, or may not sign in now.
    #[error("{by} does not let the account in: {reason}")]
    AccountLocked {
        /// Host and port of the KDC.
        by: String,
        /// What is wrong with the account.
        reason: String,
    },
    /// The clocks differ too much for Kerberos.
    #[error("the clock of {by} differs too much: {reason}")]
    ClockSkew {
        /// Who said it: the KDC, or the service.
        by: String,
        /// What is known of the difference.
        reason: String,
    },
    /// The realm knows no such service.
    #[error("the domain knows no service {principal}")]
    ServiceUnknown {
        /// The service principal name.
        principal: String,
    },
    /// No KDC answered.
    #[error("cannot reach {kdc}: {reason}")]
    KdcUnreachable {
        /// The KDCs that were tried.
        kdc: String,
        /// What the network said of the last.
        reason: String,
    },
    /// The KDC or the service refused for a reason that lies in how both are set up.
    #[error("{by} refuses: {reason}")]
    Refused {
        /// Who.
        by: String,
        /// Why, and what to change.
        reason: String,
    },
    /// This build or mechanism cannot do what is asked for.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A token or a sealed message is not what it must be.
    #[error("{0}")]
    Broken(String),
}

impl SecurityError {
    /// What it means to whoever wants to talk to the service at this endpoint.
    pub(crate) fn at(self, endpoint: String) -> ExchangeError {
        match self {
            Self::CredentialsRefused { by } => ExchangeError::CredentialsRefused { endpoint: by },
            Self::PasswordExpired { by } => ExchangeError::PasswordExpired { endpoint: by },
            Self::AccountLocked { by, reason } => ExchangeError::AccountLocked { endpoint: by, reason },
            Self::ClockSkew { by, reason } => ExchangeError::ClockSkew { endpoint: by, reason },
            Self::ServiceUnknown { principal } => ExchangeError::ServiceUnknown { principal },
            Self::KdcUnreachable { kdc, reason } => ExchangeError::Unreachable { endpoint: kdc, reason },
            Self::Refused { by, reason } => ExchangeError::TicketRefused { endpoint: by, reason },
            Self::Unsupported(reason) => ExchangeError::TicketRefused { endpoint, reason: reason.to_owned() },
            Self::Broken(reason) => {
                ExchangeError::ProtocolViolated { reason: format!("{endpoint}: {reason}") }
            }
        }
    }
}
