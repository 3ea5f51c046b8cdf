use std::fmt::Debug;

use async_trait::async_trait;
use exconn_model::{
    Application, ApplicationChange, ApplicationId, AuditEntry, Connector, ConnectorChange, ConnectorDraft,
    ConnectorId, ConnectorType, Credential, DeviceId, DeviceOverview, DeviceStatistics, FailureKind,
    MobileDevice, ObservedDevice, RunId, RunOutcome, SyncCookie, SyncCounts, SyncRun, SyncType, TenantId,
    Timestamp,
};
use exconn_odata::query::{Filter, Query};
use uuid::Uuid;

use crate::StoreError;

/// Applications that a tenant may have.
pub const MAX_APPLICATIONS: u32 = 1000;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its entities, at most as many as the query's limit.
    pub items: Vec<T>,
    /// Whether entities follow behind the last one.
    pub more: bool,
}

/// A request to sync a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// What to look at.
    pub kind: SyncType,
    /// The id that the run gets if one is queued.
    pub run: RunId,
    /// The revision in which the connector must be.
    pub expected: Option<i64>,
    /// Now.
    pub now: Timestamp,
}

/// What became of a request to sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedSync {
    /// A new run is queued.
    Queued(RunId),
    /// A queued run covers it, or one of the same kind is running.
    Covered(RunId),
}

/// A configured connection that looks for its connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionIdentity {
    /// The connection's name; becomes `exchangeAlias`.
    pub name: String,
    /// The connection's server; becomes `serverName`.
    pub server: Option<String>,
    /// The connection's type.
    pub connector_type: ConnectorType,
    /// The address by which the organisation was set up; becomes `primarySmtpAddress` of a connector that is created.
    pub primary_smtp_address: Option<String>,
    /// A digest of the connection's configuration. While it stays the same, a connector that was deleted is not created
    /// again.
    pub fingerprint: String,
}

/// The connector that serves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A connector with this `exchangeAlias`, or else with this `serverName`.
    Bound(ConnectorId),
    /// There was none; this one was created, with its first full sync queued.
    Created(ConnectorId),
    /// Its connector was deleted, and the configuration is still the same.
    Released,
}

/// A run and the right to work on it until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedRun {
    /// The run, with the attempt that this lease began.
    pub run: SyncRun,
    /// Grows with each lease of the run's connector; a write under an older number is refused.
    pub fence: i64,
    /// The connector's device generation when the lease began: the state that the sync starts from.
    pub generation: i64,
    /// Where the latest successful sync left the change feed. None before the first.
    pub cookie: Option<SyncCookie>,
}

/// A device on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The identity that it gets if its partnership is new.
    pub id: DeviceId,
    /// What Exchange said.
    pub observed: ObservedDevice,
}

/// What a listing said of one partnership, on its way into the store.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of a batch are present, and a box would cost each of them more"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StagedChange {
    /// It is there.
    Present(DeviceRow),
    /// It is gone.
    Removed(Uuid),
}

impl From<DeviceRow> for StagedChange {
    fn from(row: DeviceRow) -> Self {
        Self::Present(row)
    }
}

/// A mailbox whose statistics are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMailbox {
    /// The mailbox as Exchange's cmdlets take it.
    pub mailbox: String,
    /// Its partnerships that are due.
    pub partnerships: Vec<Uuid>,
    /// How often in a row it could not be asked.
    pub failures: u32,
}

/// What a mailbox answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxAnswer {
    /// The partnerships for which it was asked.
    pub asked: Vec<Uuid>,
    /// What it said, perhaps of others too.
    pub statistics: Vec<DeviceStatistics>,
    /// When it said so.
    pub learned: Timestamp,
    /// When it is to be asked again.
    pub next: Timestamp,
}

/// How a run that had staged devices ends well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageEnd {
    /// The devices that the listing did not name go. Only a complete listing of all devices may say so. Those that it named
    /// as removed go anyway.
    pub remove_absent: bool,
    /// Where the next delta goes on. It takes the place of the cookie that the lease began with, and of no other.
    pub cookie: Option<SyncCookie>,
    /// What was observed of Exchange and belongs into the connector; `last_sync` and `status` included.
    pub observed: ConnectorChange,
    /// Now.
    pub now: Timestamp,
}

/// A sign of life of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPatch {
    /// Now.
    pub now: Timestamp,
    /// The lease's new end.
    pub until: Timestamp,
    /// What the run found so far.
    pub counts: SyncCounts,
}

/// What the scheduler needs to know of a connector's past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncHistory {
    /// End of the latest successful full sync.
    pub last_full: Option<Timestamp>,
    /// End of the latest successful sync of any kind.
    pub last_success: Option<Timestamp>,
    /// End of the latest run, however it ended.
    pub last_finished: Option<Timestamp>,
    /// When the last attempt of the latest run began.
    pub last_started: Option<Timestamp>,
    /// Runs that failed or were held since the latest success.
    pub failures: u32,
    /// End of the latest full run, however it ended.
    pub last_full_finished: Option<Timestamp>,
    /// Full runs that failed or were held since the latest full success.
    pub full_failures: u32,
    /// The latest run's wish not to be repeated before this moment.
    pub not_before: Option<Timestamp>,
    /// Why the latest run failed, if it did.
    pub failure: Option<FailureKind>,
    /// A run is queued or running.
    pub open: bool,
}

/// Everything that exconn keeps. Each method is one transaction; a change that returned `Ok` survives a crash.
///
/// A change for which someone answers takes its audit entry and writes it in the same transaction: neither is there
/// without the other.
///
/// Methods that take a lease refuse with [`StoreError::LeaseLost`] once its fence is not the connector's latest, its run
/// is no longer running, or the connector is gone.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Adds a connector and queues its first full sync as `run`.
    async fn create_connector(
        &self,
        tenant: TenantId,
        id: ConnectorId,
        draft: ConnectorDraft,
        run: RunId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Connector, StoreError>;

    /// One connector.
    async fn connector(&self, tenant: TenantId, id: ConnectorId) -> Result<Connector, StoreError>;

    /// A page of connectors.
    async fn connectors(&self, tenant: TenantId, query: &Query) -> Result<Page<Connector>, StoreError>;

    /// How many connectors satisfy the condition.
    async fn count_connectors(&self, tenant: TenantId, filter: Option<&Filter>) -> Result<u64, StoreError>;

    /// Changes a connector and counts its revision up; refused if it is not in `expected`.
    async fn update_connector(
        &self,
        tenant: TenantId,
        id: ConnectorId,
        change: ConnectorChange,
        expected: Option<i64>,
        audit: AuditEntry,
    ) -> Result<Connector, StoreError>;

    /// Removes a connector with its devices and cancels its open runs; refused if it is not in `expected`.
    async fn delete_connector(
        &self,
        tenant: TenantId,
        id: ConnectorId,
        expected: Option<i64>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError>;

    /// Queues a sync, unless a queued full run or an open run of the same kind covers it. A full sync takes the
    /// place of a queued delta. Refused if the connector is not in the expected revision, which a sync leaves as it is. What the
    /// schedule asks for has no audit entry: nobody decided it.
    async fn request_sync(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        request: SyncRequest,
        audit: Option<AuditEntry>,
    ) -> Result<RequestedSync, StoreError>;

    /// The latest runs of a connector, newest first, at most `limit`.
    async fn runs(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        limit: u32,
    ) -> Result<Vec<SyncRun>, StoreError>;

    /// One run.
    async fn run(&self, tenant: TenantId, id: RunId) -> Result<SyncRun, StoreError>;

    /// One device.
    async fn device(&self, tenant: TenantId, id: DeviceId) -> Result<MobileDevice, StoreError>;

    /// A page of devices.
    async fn devices(&self, tenant: TenantId, query: &Query) -> Result<Page<MobileDevice>, StoreError>;

    /// How many devices satisfy the condition.
    async fn count_devices(&self, tenant: TenantId, filter: Option<&Filter>) -> Result<u64, StoreError>;

    /// Devices counted by access state.
    async fn device_overview(&self, tenant: TenantId) -> Result<DeviceOverview, StoreError>;

    /// Finds the connector of a configured connection, or creates it as `connector` with its first full sync as `run`.
    /// The audit entry is written only if it is created.
    async fn bind(
        &self,
        tenant: TenantId,
        connection: &ConnectionIdentity,
        connector: ConnectorId,
        run: RunId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Binding, StoreError>;

    /// What the scheduler needs to know of a connector's past.
    async fn sync_history(&self, tenant: TenantId, connector: ConnectorId)
    -> Result<SyncHistory, StoreError>;

    /// Leases the connector's next run until `until`: a queued one, or a running one whose lease has ended. A run that was
    /// leased `max_attempts` times without an end is closed as abandoned instead.
    async fn lease_run(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
        max_attempts: u32,
    ) -> Result<Option<LeasedRun>, StoreError>;

    /// Makes a leased delta run a full one, when there is nothing that a delta could start from.
    async fn widen_run(&self, lease: &LeasedRun) -> Result<(), StoreError>;

    /// Renews the lease and shows progress.
    async fn renew(&self, lease: &LeasedRun, patch: RunPatch) -> Result<(), StoreError>;

    /// Begins to stage the devices of a leased run, without those of an earlier attempt.
    async fn begin_stage(&self, lease: &LeasedRun) -> Result<(), StoreError>;

    /// Stages what a listing said; of a partnership that comes several times, the latest counts. Returns the counts so far,
    /// in which `removed` are the stored devices that the listing named as removed.
    async fn stage(&self, lease: &LeasedRun, changes: Vec<StagedChange>) -> Result<SyncCounts, StoreError>;

    /// What [`Self::apply_stage`] with this `remove_absent` would count, and how many devices of the connector are stored.
    async fn staged(&self, lease: &LeasedRun, remove_absent: bool) -> Result<(SyncCounts, u64), StoreError>;

    /// Makes the staged devices the stored ones, writes what was observed into the connector and ends the run as
    /// succeeded: all in one transaction, and only if the stored devices and the cookie are still those that the lease began
    /// with. Devices that are new or changed are due for statistics at once, before those whose statistics became stale.
    async fn apply_stage(&self, lease: &LeasedRun, end: StageEnd) -> Result<SyncCounts, StoreError>;

    /// Ends a run without touching devices, writes `observed` into the connector, and drops what was staged.
    async fn end_run(
        &self,
        lease: &LeasedRun,
        outcome: RunOutcome,
        counts: SyncCounts,
        observed: ConnectorChange,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Mailboxes of a connector's devices whose statistics are due, the longest due first, as far as `limit` devices reach.
    async fn due_statistics(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueMailbox>, StoreError>;

    /// Keeps what a mailbox said of its partnerships. It says more of their access than the listing before it; the next
    /// listing that brings another access is newer again. A running sync is not disturbed, and devices that are gone stay
    /// gone.
    async fn record_statistics(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        answer: MailboxAnswer,
    ) -> Result<(), StoreError>;

    /// Asks a mailbox that could not be asked no more before `until`, and counts the failure.
    async fn postpone_statistics(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        partnerships: Vec<Uuid>,
        until: Timestamp,
    ) -> Result<(), StoreError>;

    /// Makes a device's statistics due at once, because something was done about it. Nothing if its mailbox is not known.
    async fn want_statistics(&self, tenant: TenantId, device: DeviceId) -> Result<(), StoreError>;

    /// Registers an application with its first credentials; refused with [`StoreError::TooMany`] beyond
    /// [`MAX_APPLICATIONS`].
    async fn create_application(&self, application: Application, audit: AuditEntry)
    -> Result<(), StoreError>;

    /// One application.
    async fn application(&self, tenant: TenantId, id: ApplicationId) -> Result<Application, StoreError>;

    /// All applications of a tenant by name.
    async fn applications(&self, tenant: TenantId) -> Result<Vec<Application>, StoreError>;

    /// Changes an application.
    async fn update_application(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        change: ApplicationChange,
        audit: AuditEntry,
    ) -> Result<Application, StoreError>;

    /// Adds a credential, lets the application's others end no later than `others_end` if that is given, and drops those
    /// that have ended. Refused with [`StoreError::TooMany`] if more than [`exconn_model::MAX_CREDENTIALS`] remain.
    async fn add_credential(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        credential: Credential,
        others_end: Option<Timestamp>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Application, StoreError>;

    /// Removes an application with its credentials.
    async fn delete_application(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        audit: AuditEntry,
    ) -> Result<(), StoreError>;

    /// Adds entries to the audit that belong to no change: refusals and sign-ins. Together or not at all.
    async fn record(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError>;

    /// Adds the entry of a change that is made elsewhere, at Exchange. It is kept as long as those of changes here.
    async fn record_change(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// A page of the audit.
    async fn audit(&self, tenant: TenantId, query: &Query) -> Result<Page<AuditEntry>, StoreError>;

    /// How many entries of the audit satisfy the condition.
    async fn count_audit(&self, tenant: TenantId, filter: Option<&Filter>) -> Result<u64, StoreError>;

    /// Whether reading works. Slow queries under way do not keep it waiting, nor do they keep look-ups of one row.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Bytes that the database occupies.
    async fn size(&self) -> Result<u64, StoreError>;
}
