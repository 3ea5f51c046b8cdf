use std::time::Duration;

use exconn_exchange::ExchangeError;
use exconn_model::{ConnectorStatus, FailureKind, SyncCounts, Timestamp};
use exconn_store::StoreError;

use crate::schedule::LONGEST_REST;

/// How long an account that was refused is left alone: once an hour is too seldom to lock any account out.
pub(crate) const REFUSED_PAUSE: Duration = Duration::from_secs(3600);

/// Why a run did not come to its good end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncFailure {
    /// Exchange failed or its answer did.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listing that would remove more devices than is plausible.
    #[error("the listing would remove {} of {stored} known devices", counts.removed)]
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

    /// Earliest moment of another attempt, if Exchange named one or an account could be locked by trying.
    pub(crate) fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Exchange(ExchangeError::Throttled { after }) => Some(now.after((*after).min(LONGEST_REST))),
            Self::Exchange(ExchangeError::CredentialsHeld { until, .. }) => {
                Some((*until).min(now.after(LONGEST_REST)))
            }
            Self::Exchange(
                ExchangeError::CredentialsRefused { .. }
                | ExchangeError::PasswordExpired { .. }
                | ExchangeError::AccountLocked { .. },
            ) => Some(now.after(REFUSED_PAUSE)),
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
    (error.kind() != FailureKind::Throttled).then_some(ConnectorStatus::Disconnected)
}

/// Whether Exchange, or the directory that lists its devices, let us in before this happened to a listing, which may have
/// `begun` by then.
pub(crate) fn reached(error: &ExchangeError, begun: bool) -> bool {
    if error.kind() == FailureKind::Unreachable {
        return begun;
    }
    !matches!(
        error.kind(),
        FailureKind::Tls
            | FailureKind::CredentialsRefused
            | FailureKind::PasswordExpired
            | FailureKind::AccountLocked
            | FailureKind::SignInRefused
            | FailureKind::ClockSkew
            | FailureKind::ServiceUnknown
            | FailureKind::WrongEndpoint
    )
}

/// Whether the account was refused in a way that another password may mend.
pub(crate) fn is_refusal(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::CredentialsRefused | FailureKind::PasswordExpired | FailureKind::AccountLocked
    )
}

fn advice(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "Check the server's name, the network and that Exchange runs.",
        FailureKind::Tls => {
            "Check the certificate's name, dates and issuer; name an internal issuer with ca_file."
        }
        FailureKind::CredentialsRefused => {
            "Check the user name and the content of the file that holds the password or secret. exconn tries again in an \
             hour, or as soon as the file changes."
        }
        FailureKind::PasswordExpired => {
            "Set a new password and write it into password_file. exconn tries again in an hour, or as soon as the file \
             changes."
        }
        FailureKind::AccountLocked => {
            "Unlock or enable the account, or let it sign in from this machine at this hour. Then ask for a sync; exconn \
             tries again by itself in an hour, or as soon as password_file changes."
        }
        FailureKind::SignInRefused => {
            "User and password, or the application's secret, are not the reason: change what the answer names. exconn tries \
             again by itself."
        }
        FailureKind::ClockSkew => "Set this machine's clock by the domain's; Kerberos bears five minutes.",
        FailureKind::ServiceUnknown => {
            "Name the server in exchange.remoting.url by its full name, or register HTTP/that name with setspn."
        }
        FailureKind::WrongEndpoint => {
            "Check exchange.remoting.url: it usually ends in /PowerShell/ on a mailbox server."
        }
        FailureKind::NotPermitted => "Give the account what `exconn doctor --rights` prints.",
        FailureKind::Throttled => "exconn waits, as long as Exchange asked if it said so.",
        FailureKind::ProtocolViolated => {
            "Nothing was changed. If it happens again, look at proxies between exconn and Exchange."
        }
        FailureKind::EndedEarly => "Nothing was changed. exconn tries again by itself.",
        FailureKind::ImplausibleLoss => {
            "Nothing was changed, and the next sync decides again. If the devices are really gone, raise exchange.guard \
             for one sync."
        }
        FailureKind::Abandoned => "Look for the reason in the log of the process that ran the sync.",
        FailureKind::Internal => "Look for the reason in the log; exconn tries again by itself.",
    }
}
