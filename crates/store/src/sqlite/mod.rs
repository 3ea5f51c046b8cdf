//! The store in one SQLite file.

mod applications;
mod audit;
mod bindings;
mod bulk;
mod connectors;
mod device_values;
mod devices;
mod failure;
mod group;
mod history;
mod open;
mod pool;
mod query;
mod runs;
mod stage;
mod statistics;
mod writer;

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use exconn_model::{
    Application, ApplicationChange, ApplicationId, AuditEntry, Connector, ConnectorChange, ConnectorDraft,
    ConnectorId, Credential, DeviceId, DeviceOverview, MobileDevice, RunId, RunOutcome, SyncCounts, SyncRun,
    SyncType, TenantId, Timestamp,
};
use exconn_odata::query::{Filter, Query};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use self::{failure::failed, pool::Readers, stage::Stage, writer::Writer};
use crate::{
    Binding, ConnectionIdentity, DueMailbox, LeasedRun, MailboxAnswer, Page, RequestedSync, RunPatch,
    StageEnd, StagedChange, Store, StoreError, SyncHistory, SyncRequest,
};

pub use open::SqliteOptions;

/// Stages by run and fence: who lost a lease does not reach the stage of who has it now.
type Stages = HashMap<(RunId, i64), Arc<Mutex<Stage>>>;

/// A [`Store`] in `exconn.db` of a data directory, which this value holds for itself alone.
///
/// One thread writes; changes that wait for it at the same time share a commit. Readers have connections of their own and
/// see the last committed state. What a run stages lies
/// in a file of its own under `staging/` and is worthless once the process is gone.
#[derive(Debug)]
pub struct SqliteStore {
    folder: PathBuf,
    writer: Writer,
    readers: Readers,
    options: SqliteOptions,
    stages: Mutex<Stages>,
    /// Locked for as long as this value lives.
    _lock: File,
}

impl SqliteStore {
    /// Opens the database of a data directory, or creates it, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process holds the directory; [`StoreError::NewerSchema`] and
    /// [`StoreError::Corrupt`] for files that this version must not touch; [`StoreError::ReadOnly`] and
    /// [`StoreError::Full`] for the file system's refusals.
    pub fn open(directory: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let lock = open::lock(directory)?;
        let writer = open::writer(directory, &options)?;
        let readers = (0..=options.readers.max(1))
            .map(|_| open::reader(directory, &options))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            folder: directory.to_owned(),
            writer: Writer::start(writer)?,
            readers: Readers::new(readers, options.query_patience),
            options,
            stages: Mutex::default(),
            _lock: lock,
        })
    }

    /// Makes a change of a bounded number of rows, all or nothing and durable; see [`Writer::grouped`].
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.grouped(work).await
    }

    /// Runs one writing transaction and writes its audit entry with it.
    async fn write_audited<T, F>(&self, entry: AuditEntry, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let keep = self.options.audit_entries;
        self.write(move |tx| {
            let result = work(tx)?;
            audit::insert(tx, &entry, audit::Kind::Change, keep)?;
            Ok(result)
        })
        .await
    }

    /// Runs a query that may take long on the blocking pool.
    async fn query<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.query(work).await
    }

    /// Reads a few rows on the blocking pool; slow queries do not keep it waiting.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.blocking(work).await
    }

    fn stage_of(&self, lease: &LeasedRun) -> Result<Arc<Mutex<Stage>>, StoreError> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.get(&(lease.run.id, lease.fence)).cloned().ok_or(StoreError::LeaseLost)
    }

    fn drop_stage(&self, lease: &LeasedRun) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.remove(&(lease.run.id, lease.fence));
    }

    /// Drops what was staged under a lease that is lost: its owner hears of that here and comes back no more.
    fn unless_lost<T>(&self, lease: &LeasedRun, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(result, Err(StoreError::LeaseLost)) {
            self.drop_stage(lease);
        }
        result
    }

    /// Drops what this and earlier attempts of the same run staged.
    fn drop_earlier_stages(&self, lease: &LeasedRun) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.retain(|(run, fence), _| *run != lease.run.id || *fence > lease.fence);
    }

    /// Works on a run's stage on the blocking pool.
    async fn with_stage<T, F>(&self, lease: &LeasedRun, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Stage) -> Result<T, StoreError> + Send + 'static,
    {
        let stage = self.stage_of(lease)?;
        pool::blocking(move || work(&mut stage.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

/// Runs `work` in a transaction that begins as a writer: it cannot fail half-way because another one was faster.
fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let result = work(&transaction)?;
    transaction.commit().map_err(failed)?;
    Ok(result)
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_connector(
        &self,
        tenant: TenantId,
        id: ConnectorId,
        draft: ConnectorDraft,
        run: RunId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Connector, StoreError> {
        self.write_audited(audit, move |tx| {
            connectors::insert(tx, tenant, id, &draft)?;
            runs::insert(tx, tenant, id, SyncType::Full, run, now)?;
            connectors::get(tx, tenant, id)
        })
        .await
    }

    async fn connector(&self, tenant: TenantId, id: ConnectorId) -> Result<Connector, StoreError> {
        self.readers.inline(|connection| connectors::get(connection, tenant, id)).await
    }

    async fn connectors(&self, tenant: TenantId, query: &Query) -> Result<Page<Connector>, StoreError> {
        let query = query.clone();
        self.query(move |connection| connectors::list(connection, tenant, &query)).await
    }

    async fn count_connectors(&self, tenant: TenantId, filter: Option<&Filter>) -> Result<u64, StoreError> {
        let filter = filter.cloned();
        self.query(move |connection| connectors::count(connection, tenant, filter.as_ref())).await
    }

    async fn update_connector(
        &self,
        tenant: TenantId,
        id: ConnectorId,
        change: ConnectorChange,
        expected: Option<i64>,
        audit: AuditEntry,
    ) -> Result<Connector, StoreError> {
        self.write_audited(audit, move |tx| {
            connectors::check_revision(tx, tenant, id, expected)?;
            connectors::update(tx, tenant, id, change.clone())?;
            connectors::get(tx, tenant, id)
        })
        .await
    }

    async fn delete_connector(
        &self,
        tenant: TenantId,
        id: ConnectorId,
        expected: Option<i64>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let keep = self.options.audit_entries;
        let delete = move |tx: &Transaction<'_>| {
            connectors::check_revision(tx, tenant, id, expected)?;
            devices::delete_all(tx, id)?;
            runs::cancel_open(tx, id, now)?;
            connectors::delete(tx, tenant, id)?;
            audit::insert(tx, &audit, audit::Kind::Change, keep)
        };
        // It may have a million devices.
        self.writer.alone(move |connection| in_transaction(connection, delete)).await
    }

    async fn request_sync(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        request: SyncRequest,
        audit: Option<AuditEntry>,
    ) -> Result<RequestedSync, StoreError> {
        let SyncRequest { kind, run, expected, now } = request;
        let request = move |tx: &Transaction<'_>| {
            connectors::check_revision(tx, tenant, connector, expected)?;
            runs::request(tx, tenant, connector, kind, run, now)
        };
        match audit {
            Some(audit) => self.write_audited(audit, request).await,
            None => self.write(request).await,
        }
    }

    async fn runs(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        limit: u32,
    ) -> Result<Vec<SyncRun>, StoreError> {
        self.read(move |connection| {
            connectors::get(connection, tenant, connector)?;
            runs::latest(connection, tenant, connector, limit)
        })
        .await
    }

    async fn run(&self, tenant: TenantId, id: RunId) -> Result<SyncRun, StoreError> {
        self.readers.inline(|connection| runs::get(connection, tenant, id)).await
    }

    async fn device(&self, tenant: TenantId, id: DeviceId) -> Result<MobileDevice, StoreError> {
        self.readers.inline(|connection| devices::get(connection, tenant, id)).await
    }

    async fn devices(&self, tenant: TenantId, query: &Query) -> Result<Page<MobileDevice>, StoreError> {
        let query = query.clone();
        self.query(move |connection| devices::list(connection, tenant, &query)).await
    }

    async fn count_devices(&self, tenant: TenantId, filter: Option<&Filter>) -> Result<u64, StoreError> {
        let filter = filter.cloned();
        self.query(move |connection| devices::count(connection, tenant, filter.as_ref())).await
    }

    async fn device_overview(&self, tenant: TenantId) -> Result<DeviceOverview, StoreError> {
        self.query(move |connection| devices::overview(connection, tenant)).await
    }

    async fn bind(
        &self,
        tenant: TenantId,
        connection: &ConnectionIdentity,
        connector: ConnectorId,
        run: RunId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Binding, StoreError> {
        let wanted = connection.clone();
        // Almost always the binding stands already, and looking does not keep writers waiting.
        let standing = {
            let wanted = wanted.clone();
            self.read(move |connection| bindings::standing(connection, tenant, &wanted)).await?
        };
        if let Some(binding) = standing {
            return Ok(binding);
        }
        let keep = self.options.audit_entries;
        self.write(move |tx| {
            let binding = bindings::bind(tx, tenant, &wanted, connector, run, now)?;
            if let Binding::Created(_) = binding {
                audit::insert(tx, &audit, audit::Kind::Change, keep)?;
            }
            Ok(binding)
        })
        .await
    }

    async fn sync_history(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
    ) -> Result<SyncHistory, StoreError> {
        self.read(move |connection| {
            connectors::get(connection, tenant, connector)?;
            history::read(connection, connector)
        })
        .await
    }

    async fn lease_run(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
        max_attempts: u32,
    ) -> Result<Option<LeasedRun>, StoreError> {
        // Agents ask often and rarely find something; a write transaction each time would cost a disk flush.
        if !self.read(move |connection| runs::any_open(connection, connector)).await? {
            return Ok(None);
        }
        let owner = owner.to_owned();
        self.write(move |tx| runs::lease(tx, tenant, connector, &owner, now, until, max_attempts)).await
    }

    async fn widen_run(&self, lease: &LeasedRun) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write(move |tx| {
            runs::check_lease(tx, &lease)?;
            runs::widen(tx, lease.run.id)
        })
        .await
    }

    async fn renew(&self, lease: &LeasedRun, patch: RunPatch) -> Result<(), StoreError> {
        let owned = lease.clone();
        let renewed = self.write(move |tx| {
            runs::check_lease(tx, &owned)?;
            runs::renew(tx, owned.run.id, patch)
        });
        self.unless_lost(lease, renewed.await)
    }

    async fn begin_stage(&self, lease: &LeasedRun) -> Result<(), StoreError> {
        self.drop_earlier_stages(lease);
        let (folder, options, run) = (self.folder.clone(), self.options.clone(), lease.run.clone());
        let checked = lease.clone();
        self.readers.inline(move |connection| runs::check_lease(connection, &checked)).await?;
        let stage = pool::blocking(move || Stage::create(&folder, &options, &run)).await?;
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.insert((lease.run.id, lease.fence), Arc::new(Mutex::new(stage)));
        Ok(())
    }

    async fn stage(&self, lease: &LeasedRun, changes: Vec<StagedChange>) -> Result<SyncCounts, StoreError> {
        let checked = lease.clone();
        let holds = self.readers.inline(move |connection| runs::check_lease(connection, &checked)).await;
        self.unless_lost(lease, holds)?;
        self.with_stage(lease, move |stage| stage.add(&changes)).await
    }

    async fn staged(&self, lease: &LeasedRun, remove_absent: bool) -> Result<(SyncCounts, u64), StoreError> {
        self.with_stage(lease, move |stage| stage.outcome(remove_absent)).await
    }

    async fn apply_stage(&self, lease: &LeasedRun, end: StageEnd) -> Result<SyncCounts, StoreError> {
        let stage = self.stage_of(lease)?;
        let owned = lease.clone();
        // The stage's own connection writes, so the writer's turn must be taken for it.
        let applied = self
            .writer
            .alone(move |_| stage.lock().unwrap_or_else(PoisonError::into_inner).apply(&owned, end))
            .await;
        self.drop_stage(lease);
        applied
    }

    async fn end_run(
        &self,
        lease: &LeasedRun,
        outcome: RunOutcome,
        counts: SyncCounts,
        observed: ConnectorChange,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.drop_stage(lease);
        let lease = lease.clone();
        self.write(move |tx| {
            runs::check_lease(tx, &lease)?;
            connectors::update(tx, lease.run.tenant, lease.run.connector, observed.clone())?;
            runs::end(tx, &lease.run, &outcome, counts, now)
        })
        .await
    }

    async fn due_statistics(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueMailbox>, StoreError> {
        self.read(move |connection| {
            connectors::get(connection, tenant, connector)?;
            statistics::due(connection, connector, now, limit)
        })
        .await
    }

    async fn record_statistics(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        answer: MailboxAnswer,
    ) -> Result<(), StoreError> {
        self.write(move |tx| statistics::record(tx, tenant, connector, &answer)).await
    }

    async fn postpone_statistics(
        &self,
        tenant: TenantId,
        connector: ConnectorId,
        partnerships: Vec<Uuid>,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |tx| statistics::postpone(tx, tenant, connector, &partnerships, until)).await
    }

    async fn want_statistics(&self, tenant: TenantId, device: DeviceId) -> Result<(), StoreError> {
        self.write(move |tx| statistics::want(tx, tenant, device)).await
    }

    async fn create_application(
        &self,
        application: Application,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.write_audited(audit, move |tx| applications::insert(tx, &application)).await
    }

    async fn application(&self, tenant: TenantId, id: ApplicationId) -> Result<Application, StoreError> {
        self.readers.inline(|connection| applications::get(connection, tenant, id)).await
    }

    async fn applications(&self, tenant: TenantId) -> Result<Vec<Application>, StoreError> {
        self.read(move |connection| applications::all(connection, tenant)).await
    }

    async fn update_application(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        change: ApplicationChange,
        audit: AuditEntry,
    ) -> Result<Application, StoreError> {
        self.write_audited(audit, move |tx| {
            applications::update(tx, tenant, id, &change)?;
            applications::get(tx, tenant, id)
        })
        .await
    }

    async fn add_credential(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        credential: Credential,
        others_end: Option<Timestamp>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Application, StoreError> {
        self.write_audited(audit, move |tx| {
            applications::add_credential(tx, tenant, id, &credential, others_end, now)?;
            applications::get(tx, tenant, id)
        })
        .await
    }

    async fn delete_application(
        &self,
        tenant: TenantId,
        id: ApplicationId,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.write_audited(audit, move |tx| applications::delete(tx, tenant, id)).await
    }

    async fn record(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        let keep = self.options.audit_entries;
        self.write(move |tx| {
            entries.iter().try_for_each(|entry| audit::insert(tx, entry, audit::Kind::Event, keep))
        })
        .await
    }

    async fn record_change(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.write_audited(entry, |_| Ok(())).await
    }

    async fn audit(&self, tenant: TenantId, query: &Query) -> Result<Page<AuditEntry>, StoreError> {
        let query = query.clone();
        self.query(move |connection| audit::list(connection, tenant, &query)).await
    }

    async fn count_audit(&self, tenant: TenantId, filter: Option<&Filter>) -> Result<u64, StoreError> {
        let filter = filter.cloned();
        self.query(move |connection| audit::count(connection, tenant, filter.as_ref())).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.readers.inline(connectors::look).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        let folder = self.folder.clone();
        pool::blocking(move || {
            let bytes = |name: &str| fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len());
            Ok(bytes(open::DATABASE) + bytes("exconn.db-wal"))
        })
        .await
    }
}
