use crate::{ConnectorId, RunId, SyncType, TenantId, Timestamp};

/// Where a run of a sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Asked for; waits for an agent.
    Queued,
    /// Leased by an agent.
    Running,
    /// Ended; its result is what readers see.
    Succeeded,
    /// Ended without a change.
    Failed,
    /// Ended without a change, because its result was implausible; a person decides.
    Held,
    /// Its connector was deleted.
    Cancelled,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Held, Self::Cancelled];

    /// The state's name in the API and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a run in this state is still to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// Why a run failed, as far as a person can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection, or it broke.
    Unreachable,
    /// The certificate or the TLS handshake was refused.
    Tls,
    /// User or password was refused.
    CredentialsRefused,
    /// The sign-in was refused for another reason than a wrong password or secret.
    SignInRefused,
    /// The password was right once and has expired, or must be changed.
    PasswordExpired,
    /// The account is locked, disabled or expired, or may not sign in now.
    AccountLocked,
    /// The clocks of this machine and of the domain differ too much for Kerberos.
    ClockSkew,
    /// The domain knows no service of this name.
    ServiceUnknown,
    /// The address answers, but it is not Exchange's remote PowerShell.
    WrongEndpoint,
    /// The account may not run a cmdlet.
    NotPermitted,
    /// Exchange asked to wait.
    Throttled,
    /// The answer broke the protocol or a bound.
    ProtocolViolated,
    /// The listing stopped before its end.
    EndedEarly,
    /// So many devices would go that a mistake is likelier.
    ImplausibleLoss,
    /// Agent after agent lost its lease on this run.
    Abandoned,
    /// exconn itself failed, for instance its disk was full.
    Internal,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::Unreachable,
        Self::Tls,
        Self::CredentialsRefused,
        Self::SignInRefused,
        Self::PasswordExpired,
        Self::AccountLocked,
        Self::ClockSkew,
        Self::ServiceUnknown,
        Self::WrongEndpoint,
        Self::NotPermitted,
        Self::Throttled,
        Self::ProtocolViolated,
        Self::EndedEarly,
        Self::ImplausibleLoss,
        Self::Abandoned,
        Self::Internal,
    ];

    /// The kind's name in the API and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::CredentialsRefused => "credentialsRefused",
            Self::SignInRefused => "signInRefused",
            Self::PasswordExpired => "passwordExpired",
            Self::AccountLocked => "accountLocked",
            Self::ClockSkew => "clockSkew",
            Self::ServiceUnknown => "serviceUnknown",
            Self::WrongEndpoint => "wrongEndpoint",
            Self::NotPermitted => "notPermitted",
            Self::Throttled => "throttled",
            Self::ProtocolViolated => "protocolViolated",
            Self::EndedEarly => "endedEarly",
            Self::ImplausibleLoss => "implausibleLoss",
            Self::Abandoned => "abandoned",
            Self::Internal => "internal",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How many devices a run saw and what that means against the stored ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncCounts {
    /// Devices that Exchange listed as present so far.
    pub seen: u64,
    /// Of those, not stored before.
    pub added: u64,
    /// Of those, stored with other values.
    pub changed: u64,
    /// Stored ones that a listing of changes named as removed, or that a complete listing did not name; the latter are known
    /// at the end only.
    pub removed: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// `Succeeded`, `Failed` or `Held`.
    pub state: RunState,
    /// Why, if it did not succeed.
    pub failure: Option<FailureKind>,
    /// What happened and what to do, for people. Holds no secret and no address of a person.
    pub detail: Option<String>,
    /// Earliest moment at which trying again makes sense.
    pub not_before: Option<Timestamp>,
}

/// One run of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRun {
    /// Identity.
    pub id: RunId,
    /// The tenant that owns the connector.
    pub tenant: TenantId,
    /// The connector that is synced.
    pub connector: ConnectorId,
    /// How much it looks at.
    pub kind: SyncType,
    /// Where it stands.
    pub state: RunState,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the present attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Leases given so far.
    pub attempt: u32,
    /// What it found so far.
    pub counts: SyncCounts,
    /// Why it failed.
    pub failure: Option<FailureKind>,
    /// What happened, for people.
    pub detail: Option<String>,
}
