use std::{path::PathBuf, time::Duration};

use exconn_model::{FailureKind, Timestamp};

/// Why Exchange could not be asked, or what was wrong with its answer. Each case is one that a person or the scheduler
/// acts on differently. The texts hold no secret; what the server wrote is shortened.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection, or it broke before an answer was complete.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// Host and port.
        endpoint: String,
        /// What the network said.
        reason: String,
    },
    /// The TLS handshake failed: unknown issuer, another name, expired.
    #[error("TLS with {endpoint} failed: {reason}")]
    Tls {
        /// Host and port.
        endpoint: String,
        /// What was wrong with the certificate or the handshake.
        reason: String,
    },
    /// User or password was refused.
    #[error("{endpoint} refused the user or the password")]
    CredentialsRefused {
        /// Host and port.
        endpoint: String,
    },
    /// The password was refused before and is left alone, since each further try would count towards locking the account
    /// out.
    #[error("{endpoint} refused this password; it is not tried again before {until} unless it changes")]
    CredentialsHeld {
        /// Host and port.
        endpoint: String,
        /// The next try.
        until: Timestamp,
    },
    /// User and password were accepted, but not the ticket that they brought, or none was to be had.
    #[error("{endpoint} refuses to sign in by ticket: {reason}")]
    TicketRefused {
        /// Host and port of who said it.
        endpoint: String,
        /// Why, and what to change.
        reason: String,
    },
    /// The password has expired, or must be changed first.
    #[error("{endpoint} says that the password has expired or must be changed")]
    PasswordExpired {
        /// Host and port of who said it.
        endpoint: String,
    },
    /// The account is locked, disabled or expired, or may not sign in now.
    #[error("{endpoint} does not let the account in: {reason}")]
    AccountLocked {
        /// Host and port of who said it.
        endpoint: String,
        /// What is wrong with the account.
        reason: String,
    },
    /// The clocks differ too much for Kerberos.
    #[error("the clock of {endpoint} differs too much from this machine's: {reason}")]
    ClockSkew {
        /// Host and port of who said it.
        endpoint: String,
        /// What is known of the difference.
        reason: String,
    },
    /// The application was not signed in for another reason than a wrong or expired secret: it, its tenant or its
    /// certificate is not known, or it is disabled. What is registered decides, so each try may go better.
    #[error("{endpoint} does not sign the application in: {reason}")]
    ApplicationRefused {
        /// Host and port.
        endpoint: String,
        /// What the sign-in service said.
        reason: String,
    },
    /// The domain knows no service of the name that the address leads to.
    #[error("the domain knows no service {principal}")]
    ServiceUnknown {
        /// The service principal name.
        principal: String,
    },
    /// The changes since a cookie cannot be told, for instance because another domain controller answers.
    #[error("the changes since the last sync cannot be told: {reason}")]
    CookieRefused {
        /// Why.
        reason: String,
    },
    /// The connection is configured to change nothing.
    #[error("this connection is read-only: it changes nothing at Exchange")]
    ReadOnly,
    /// The file that holds the password cannot be used.
    #[error("no password in {}: {reason}", path.display())]
    PasswordUnavailable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The address answers, but not as Exchange does.
    #[error("{url} does not answer as it should: {reason}")]
    WrongEndpoint {
        /// The address.
        url: String,
        /// How it answered.
        reason: String,
    },
    /// The account may not run a cmdlet, or not with a parameter that exconn needs.
    #[error("the account may not run {cmdlet}: {reason}")]
    NotPermitted {
        /// The cmdlet.
        cmdlet: String,
        /// What Exchange said.
        reason: String,
    },
    /// Exchange asks to wait.
    #[error("Exchange asks to wait {} ms", after.as_millis())]
    Throttled {
        /// How long.
        after: Duration,
    },
    /// The account has as many shells open at the server as it may.
    #[error(
        "the account has as many shells open at {endpoint} as it may{}: close its other sessions, give exconn an account of \
         its own, or raise PowerShellMaxConcurrency of its throttling policy",
        limit.map(|limit| format!(" ({limit})")).unwrap_or_default()
    )]
    ShellLimit {
        /// Host and port.
        endpoint: String,
        /// How many it may have, if the server said.
        limit: Option<u32>,
    },
    /// All of exconn's own runspaces at this organisation are busy.
    #[error("all {limit} runspaces of this connection were busy for {} s", waited.as_secs())]
    RunspacesBusy {
        /// How many there are.
        limit: usize,
        /// How long a free one was waited for.
        waited: Duration,
    },
    /// The answer broke the protocol or one of its bounds.
    #[error("the answer broke the protocol: {reason}")]
    ProtocolViolated {
        /// What was wrong.
        reason: String,
    },
    /// The listing did not come to its positive end.
    #[error("the listing ended early: {reason}")]
    EndedEarly {
        /// What ended it.
        reason: String,
    },
}

impl ExchangeError {
    /// The kind under which a run that met this error is kept.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::Tls { .. } => FailureKind::Tls,
            Self::CredentialsRefused { .. }
            | Self::CredentialsHeld { .. }
            | Self::PasswordUnavailable { .. } => FailureKind::CredentialsRefused,
            Self::TicketRefused { .. } | Self::ApplicationRefused { .. } => FailureKind::SignInRefused,
            Self::PasswordExpired { .. } => FailureKind::PasswordExpired,
            Self::AccountLocked { .. } => FailureKind::AccountLocked,
            Self::ClockSkew { .. } => FailureKind::ClockSkew,
            Self::ServiceUnknown { .. } => FailureKind::ServiceUnknown,
            Self::WrongEndpoint { .. } => FailureKind::WrongEndpoint,
            Self::NotPermitted { .. } | Self::ReadOnly => FailureKind::NotPermitted,
            Self::Throttled { .. } | Self::ShellLimit { .. } | Self::RunspacesBusy { .. } => {
                FailureKind::Throttled
            }
            Self::ProtocolViolated { .. } => FailureKind::ProtocolViolated,
            Self::EndedEarly { .. } | Self::CookieRefused { .. } => FailureKind::EndedEarly,
        }
    }
}
