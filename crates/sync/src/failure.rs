use exconn_exchange::ExchangeError;
use exconn_model::{ConnectorStatus, FailureKind, SyncCounts, Timestamp};
use exconn_store::StoreError;

/// Why a run did not come to its good end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncFailure {
    /// Exchange failed or its answer did.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A complete listing that would remove more devices than is plausible.
    #[error("the listing is complete but misses {} of {stored} known devices", counts.removed)]
    ImplausibleLoss { counts: SyncCounts, stored: u64 },
}

impl SyncFailure {
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Exchange(error) => error.kind(),
            Self::Store(_) => FailureKind::Internal,
            Self::ImplausibleLoss { .. } => FailureKind::ImplausibleLoss,
        }
    }

    /// Earliest moment of another attempt, if Exchange named one.
    pub(crate) fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Exchange(ExchangeError::Throttled { after }) => Some(now.after(*after)),
            _ => None,
        }
    }

    /// What happened and what to do. Store failures say no more than their kind: the cause is in the log.
    pub(crate) fn detail(&self) -> String {
        format!("{self}. {}", advice(self.kind()))
    }
}

/// What a failure to ask Exchange about itself says of the connection; `None` leaves the status as it is.
pub(crate) fn status_after(error: &ExchangeError) -> Option<ConnectorStatus> {
    match error {
        ExchangeError::Throttled { .. } => None,
        _ => Some(ConnectorStatus::Disconnected),
    }
}

fn advice(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "Check the server's name, the network and that Exchange runs.",
        FailureKind::Tls => {
            "Check the certificate's name, dates and issuer; name an internal issuer with ca_file."
        }
        FailureKind::CredentialsRefused => "Check the user name and the content of password_file.",
        FailureKind::PasswordExpired => "Set a new password and write it into password_file.",
        FailureKind::AccountLocked => {
            "Unlock or enable the account, or let it sign in from this machine at this hour."
        }
        FailureKind::ClockSkew => "Set this machine's clock by the domain's; Kerberos bears five minutes.",
        FailureKind::ServiceUnknown => {
            "Name the server in exchange.remoting.url by its full name, or register HTTP/that name with setspn."
        }
        FailureKind::WrongEndpoint => {
            "Check exchange.remoting.url: it usually ends in /PowerShell/ on a mailbox server."
        }
        FailureKind::NotPermitted => {
            "Give the account a role that holds Get-MobileDevice, Get-OrganizationConfig and Get-ExchangeServer."
        }
        FailureKind::Throttled => "exconn waits as long as Exchange asked.",
        FailureKind::ProtocolViolated => {
            "Nothing was changed. If it happens again, look at proxies between exconn and Exchange."
        }
        FailureKind::EndedEarly => "Nothing was changed. exconn tries again by itself.",
        FailureKind::ImplausibleLoss => {
            "Nothing was changed. If the devices are really gone, raise exchange.guard for one sync."
        }
        FailureKind::Abandoned => "Look for the reason in the log of the process that ran the sync.",
        FailureKind::Internal => "Look for the reason in the log; exconn tries again by itself.",
    }
}
