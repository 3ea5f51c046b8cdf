use exconn_exchange::{DeviceListing, DeviceScope, Exchange, ExchangeError};
use exconn_model::{
    Clock, ConnectorChange, ConnectorId, ConnectorStatus, DeviceChange, DeviceId, Organization, RunOutcome,
    RunState, SyncCookie, SyncCounts, SyncType, Timestamp,
};
use exconn_store::{DeviceRow, LeasedRun, RunPatch, StageEnd, StagedChange, Store, StoreError};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use uuid::Uuid;

use crate::{
    AgentSettings,
    failure::{SyncFailure, reached, status_after},
    plan::{Verdict, judge},
};

/// Batches that wait between Exchange and the store. One more would only cost memory: either side is then the limit.
const BATCHES_AHEAD: usize = 2;

/// What a listing found; it is staged.
struct Found {
    counts: SyncCounts,
    cookie: Option<SyncCookie>,
    /// Whether what it did not name does not exist.
    complete: bool,
}

/// Runs leased syncs of one connection.
pub(crate) struct Worker<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) exchange: &'a dyn Exchange,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) connection: &'a str,
    pub(crate) settings: &'a AgentSettings,
}

impl Worker<'_> {
    /// Takes a leased run to its end and records how it ended.
    pub(crate) async fn run(&self, lease: &LeasedRun) -> Result<(), StoreError> {
        let mut observed = ConnectorChange::default();
        let failure = match self.sync(lease, &mut observed).await {
            Ok(counts) => {
                tracing::info!(connection = self.connection, run = %lease.run.id, ?counts, "sync succeeded");
                return Ok(());
            }
            Err((SyncFailure::Store(StoreError::LeaseLost), _)) => return Err(StoreError::LeaseLost),
            Err(failure) => failure,
        };
        let (failure, counts) = failure;
        tracing::warn!(
            connection = self.connection,
            run = %lease.run.id,
            kind = failure.kind().name(),
            error = &failure as &dyn std::error::Error,
            "sync failed"
        );
        let now = self.clock.now();
        let outcome = RunOutcome {
            state: if matches!(failure, SyncFailure::ImplausibleLoss { .. }) {
                RunState::Held
            } else {
                RunState::Failed
            },
            failure: Some(failure.kind()),
            detail: Some(failure.detail()),
            not_before: failure.not_before(now),
        };
        self.store.end_run(lease, outcome, counts, observed, now).await
    }

    /// Syncs; on failure says what was counted until then. `observed` is filled as far as Exchange was reached.
    async fn sync(
        &self,
        lease: &LeasedRun,
        observed: &mut ConnectorChange,
    ) -> Result<SyncCounts, (SyncFailure, SyncCounts)> {
        let nothing = SyncCounts::default();
        let organization = self.observe(lease, observed).await.map_err(|failure| (failure, nothing))?;
        let mut begun = false;
        let found = self.find(lease, &mut begun).await;
        let Found { counts, cookie, complete } = found.inspect_err(|(failure, _)| {
            if let SyncFailure::Exchange(error) = failure
                && !reached(error, begun)
            {
                observed.status = Some(ConnectorStatus::Disconnected);
            }
        })?;
        let end = StageEnd {
            remove_absent: complete,
            cookie,
            observed: ConnectorChange { last_sync: Some(self.clock.now()), ..observed.clone() },
            now: self.clock.now(),
        };
        if complete || counts.removed > 0 {
            let staged = self.store.staged(lease, complete).await;
            let (counts, stored) = staged.map_err(|error| (error.into(), counts))?;
            if judge(self.settings.guard, counts, stored) == Verdict::Hold {
                return Err((SyncFailure::ImplausibleLoss { counts, stored }, counts));
            }
        }
        tracing::debug!(organization = organization.name, "applying what was staged");
        self.store.apply_stage(lease, end).await.map_err(|error| (error.into(), counts))
    }

    /// Asks Exchange about itself, while the lease is kept.
    async fn observe(
        &self,
        lease: &LeasedRun,
        observed: &mut ConnectorChange,
    ) -> Result<Organization, SyncFailure> {
        let connector = self.store.connector(lease.run.tenant, lease.run.connector).await?;
        match self.keeping(lease, SyncCounts::default(), self.exchange.observe()).await? {
            Ok(organization) => {
                *observed = ConnectorChange {
                    status: Some(ConnectorStatus::Connected),
                    version: Some(Some(self.settings.version.clone())),
                    connector_server_name: Some(Some(self.settings.host_name.clone())),
                    exchange_organization: Some(Some(organization.name.clone())),
                    exchange_alias: connector
                        .exchange_alias
                        .is_none()
                        .then(|| Some(self.connection.to_owned())),
                    ..ConnectorChange::default()
                };
                Ok(organization)
            }
            Err(error) => {
                observed.status = status_after(&error);
                Err(error.into())
            }
        }
    }

    /// Stages what the run's listing finds; `begun` says whether it began at all. A delta that has nothing to start from
    /// becomes a full sync, visibly.
    async fn find(&self, lease: &LeasedRun, begun: &mut bool) -> Result<Found, (SyncFailure, SyncCounts)> {
        if lease.run.kind == SyncType::Delta {
            if let Some(cookie) = lease.cookie.clone() {
                match self.list(lease, DeviceScope::ChangedSince(cookie), begun).await {
                    Err((SyncFailure::Exchange(ExchangeError::CookieRefused { reason }), _)) => {
                        tracing::info!(connection = self.connection, reason, "the delta becomes a full sync");
                    }
                    found => return found,
                }
            }
            self.store.widen_run(lease).await.map_err(|error| (error.into(), SyncCounts::default()))?;
        }
        self.list(lease, DeviceScope::All, begun).await
    }

    /// Stages a listing from its start to its positive end.
    async fn list(
        &self,
        lease: &LeasedRun,
        scope: DeviceScope,
        begun: &mut bool,
    ) -> Result<Found, (SyncFailure, SyncCounts)> {
        *begun = false;
        let nothing = SyncCounts::default();
        let complete = scope == DeviceScope::All;
        let listing = self.keeping(lease, nothing, self.exchange.devices(scope)).await;
        let listing = listing.and_then(|listing| Ok(listing?)).map_err(|failure| (failure, nothing))?;
        *begun = true;
        self.store.begin_stage(lease).await.map_err(|error| (error.into(), nothing))?;
        let (counts, cookie) = self.stage(lease, listing).await?;
        Ok(Found { counts, cookie, complete })
    }

    /// Streams the listing into the stage up to its positive end.
    async fn stage(
        &self,
        lease: &LeasedRun,
        listing: Box<dyn DeviceListing>,
    ) -> Result<(SyncCounts, Option<SyncCookie>), (SyncFailure, SyncCounts)> {
        let mut counts = SyncCounts::default();
        let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
        let mut reader = JoinSet::new();
        reader.spawn(read(listing, sender));
        let mut renewed = self.clock.now();
        loop {
            let batch = timeout(self.settings.heartbeat, batches.recv()).await;
            let silent = batch.is_err();
            match batch {
                Ok(Some(Ok(batch))) => {
                    counts = self
                        .store
                        .stage(lease, rows(lease.run.connector, batch))
                        .await
                        .map_err(|error| (error.into(), counts))?;
                }
                Ok(Some(Err(error))) => return Err((error.into(), counts)),
                Ok(None) => break,
                Err(_) => {}
            }
            let now = self.clock.now();
            if silent || now.since(renewed) >= self.settings.heartbeat {
                self.renew(lease, counts, now).await.map_err(|error| (error.into(), counts))?;
                renewed = now;
            }
        }
        match reader.join_next().await {
            Some(Ok(Ended::Positively(cookie))) => Ok((counts, cookie)),
            _ => Err((ExchangeError::EndedEarly { reason: "its reader stopped".into() }.into(), counts)),
        }
    }

    /// Waits for `answer` and renews the lease meanwhile. The outer error is the store's.
    async fn keeping<T>(
        &self,
        lease: &LeasedRun,
        counts: SyncCounts,
        answer: impl Future<Output = T>,
    ) -> Result<T, SyncFailure> {
        let mut answer = std::pin::pin!(answer);
        loop {
            match timeout(self.settings.heartbeat, answer.as_mut()).await {
                Ok(answer) => return Ok(answer),
                Err(_) => self.renew(lease, counts, self.clock.now()).await?,
            }
        }
    }

    async fn renew(&self, lease: &LeasedRun, counts: SyncCounts, now: Timestamp) -> Result<(), StoreError> {
        self.store.renew(lease, RunPatch { now, until: now.after(self.settings.lease), counts }).await
    }
}

fn rows(connector: ConnectorId, batch: Vec<DeviceChange>) -> Vec<StagedChange> {
    let row = |change| match change {
        DeviceChange::Present(observed) => {
            StagedChange::Present(DeviceRow { id: device_id(connector, observed.partnership), observed })
        }
        DeviceChange::Removed(partnership) => StagedChange::Removed(partnership),
    };
    batch.into_iter().map(row).collect()
}

/// The id of a partnership as this connector sees it: the partnership's own, mixed with the connector's. The same
/// partnership seen through another connector has another id, and neighbours stay neighbours, which keeps the index of a
/// million devices from being written all over. The bits that make a GUID one of version 4 are left alone.
fn device_id(connector: ConnectorId, partnership: Uuid) -> DeviceId {
    const VERSION_AND_VARIANT: u128 = 0x0000_0000_0000_f000_c000_0000_0000_0000;
    DeviceId(Uuid::from_u128(partnership.as_u128() ^ (connector.0.as_u128() & !VERSION_AND_VARIANT)))
}

/// That a listing's reader came to the end that Exchange itself declared.
enum Ended {
    Positively(Option<SyncCookie>),
    OtherwiseOrUnheard,
}

/// Passes a listing on until it ends. The receiver's absence ends it too.
async fn read(
    mut listing: Box<dyn DeviceListing>,
    sender: mpsc::Sender<Result<Vec<DeviceChange>, ExchangeError>>,
) -> Ended {
    loop {
        let (message, last) = match listing.next().await {
            Ok(Some(batch)) => (Ok(batch), false),
            Ok(None) => return Ended::Positively(listing.cookie()),
            Err(error) => (Err(error), true),
        };
        if sender.send(message).await.is_err() || last {
            return Ended::OtherwiseOrUnheard;
        }
    }
}
