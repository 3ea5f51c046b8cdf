use std::{sync::Arc, time::Duration};

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_model::{
    AuditActor, AuditEntry, AuditId, Clock, Connector, ConnectorChange, ConnectorDraft, ConnectorId,
    ConnectorStatus, ConnectorType, Entropy, FailureKind, MobileDevice, RunId, RunState, SyncRun, SyncType,
    TenantId, Timestamp,
};
use exconn_odata::query::Query;
use exconn_store::{ConnectionIdentity, SqliteOptions, SqliteStore, Store, SyncRequest};
use exconn_sync::{Agent, AgentSettings, Signals, plan::Guard, schedule::Intervals};
use exconn_testkit::{ManualClock, SeededEntropy, wait_until};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::scripted::{Listing, Scripted, device};

const TENANT: TenantId = TenantId(Uuid::from_u128(0x1eef_0000_0000_4000_8000_0000_0000_0001));
const BOUND: Duration = Duration::from_secs(20);

/// A store, an agent on it, and the Exchange that the agent asks.
struct World {
    exchange: Arc<Scripted>,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
    signals: Signals,
    agent: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl World {
    /// With an agent that starts at once.
    fn new(devices: u128) -> Self {
        let mut world = Self::idle(devices);
        world.start();
        world
    }

    fn idle(devices: u128) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap();
        Self {
            exchange: Scripted::with(devices),
            store: Arc::new(store),
            clock: Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000))),
            entropy: Arc::new(SeededEntropy::new(7)),
            signals: Signals::default(),
            agent: None,
            _folder: folder,
        }
    }

    fn start(&mut self) {
        let agent = Agent {
            tenant: TENANT,
            connection: ConnectionIdentity {
                name: "contoso".into(),
                server: Some("ex01.contoso.com".into()),
                connector_type: ConnectorType::OnPremises,
                fingerprint: "first".into(),
            },
            exchange: self.exchange.clone() as Arc<dyn Exchange>,
            store: self.store.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            settings: AgentSettings {
                intervals: Intervals { full: Duration::from_secs(86_400), delta: Duration::from_secs(60) },
                guard: Guard::default(),
                lease: Duration::from_secs(30),
                heartbeat: Duration::from_millis(20),
                owner: "test".into(),
                version: "0.1.0".into(),
                host_name: "agent01".into(),
            },
            signals: self.signals.clone(),
        };
        self.agent = Some(tokio::spawn(agent.run()));
    }

    async fn connector(&self) -> Connector {
        let query = Query { limit: 10, ..Query::default() };
        let page = self.store.connectors(TENANT, &query).await.unwrap();
        assert_eq!(page.items.len(), 1);
        page.items.into_iter().next().unwrap()
    }

    async fn devices(&self) -> Vec<MobileDevice> {
        let query = Query { limit: 1000, ..Query::default() };
        let mut devices = self.store.devices(TENANT, &query).await.unwrap().items;
        devices.sort_by_key(|device| device.observed.partnership);
        devices
    }

    fn entry(&self) -> AuditEntry {
        let id = AuditId(self.entropy.uuid());
        AuditEntry::new(id, TENANT, self.clock.now(), AuditActor::Application)
    }

    async fn latest(&self) -> Option<SyncRun> {
        let query = Query { limit: 1, ..Query::default() };
        let connector = self.store.connectors(TENANT, &query).await.unwrap().items.pop()?;
        self.store.runs(TENANT, connector.id, 1).await.unwrap().pop()
    }

    /// Waits for the end of the newest run, if there is one that is not `known`.
    async fn ended(&self, known: Option<RunId>) -> SyncRun {
        wait_until(BOUND, || async {
            matches!(self.latest().await, Some(run) if Some(run.id) != known && !run.state.is_open())
        })
        .await;
        self.latest().await.unwrap()
    }

    /// Asks for a sync and waits for its end.
    async fn sync(&self, kind: SyncType) -> SyncRun {
        let known = self.latest().await.map(|run| run.id);
        let id = self.connector().await.id;
        let run = RunId(self.entropy.uuid());
        let request = SyncRequest { kind, run, expected: None, now: self.clock.now() };
        self.store.request_sync(TENANT, id, request, None).await.unwrap();
        self.signals.wake(id);
        self.ended(known).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(agent) = &self.agent {
            agent.abort();
        }
    }
}

#[tokio::test]
async fn a_new_connection_gets_a_connector_and_its_devices() {
    let world = World::new(250);
    let run = world.ended(None).await;
    assert_eq!((run.state, run.kind, run.attempt), (RunState::Succeeded, SyncType::Full, 1));
    assert_eq!((run.counts.seen, run.counts.added, run.counts.removed), (250, 250, 0));
    let connector = world.connector().await;
    assert_eq!(connector.status, ConnectorStatus::Connected);
    assert_eq!(connector.last_sync, world.clock.now());
    assert_eq!(connector.exchange_alias.as_deref(), Some("contoso"));
    assert_eq!(connector.server_name.as_deref(), Some("ex01.contoso.com"));
    assert_eq!(connector.connector_server_name.as_deref(), Some("agent01"));
    assert_eq!(connector.exchange_organization.as_deref(), Some("Contoso"));
    assert_eq!(connector.version.as_deref(), Some("0.1.0"));
    let stored: Vec<_> = world.devices().await.into_iter().map(|device| device.observed).collect();
    assert_eq!(stored, *world.exchange.devices.lock().unwrap());
}

#[tokio::test]
async fn devices_appear_change_and_disappear_with_a_full_sync() {
    let world = World::new(100);
    world.ended(None).await;
    let before = world.devices().await;
    {
        let mut devices = world.exchange.devices.lock().unwrap();
        devices[3].access_state = Some("Blocked".into());
        devices.remove(7);
        devices.push(device(500));
    }
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.counts.seen, run.counts.added, run.counts.changed, run.counts.removed), (100, 1, 1, 1));
    let after = world.devices().await;
    assert_eq!(after[3].id, before[3].id, "a device keeps its id");
    assert_eq!(after[3].observed.access_state.as_deref(), Some("Blocked"));
    assert!(after.iter().all(|device| device.id != before[7].id));
}

#[tokio::test]
async fn a_listing_that_ends_badly_changes_nothing_and_the_next_one_recovers() {
    let world = World::new(200);
    world.ended(None).await;
    let before = world.devices().await;
    let synced_at = world.connector().await.last_sync;
    world.exchange.devices.lock().unwrap().truncate(195);
    let reason = || "cut".to_owned();
    for (error, kind) in [
        (
            ExchangeError::Unreachable { endpoint: "ex01:443".into(), reason: reason() },
            FailureKind::Unreachable,
        ),
        (ExchangeError::EndedEarly { reason: reason() }, FailureKind::EndedEarly),
        (ExchangeError::ProtocolViolated { reason: reason() }, FailureKind::ProtocolViolated),
        (ExchangeError::Throttled { after: Duration::from_secs(1) }, FailureKind::Throttled),
    ] {
        world.clock.advance(Duration::from_secs(5));
        world.exchange.script(Listing::Broken(150, error));
        let run = world.sync(SyncType::Full).await;
        assert_eq!((run.state, run.failure), (RunState::Failed, Some(kind)));
        assert!(run.detail.is_some_and(|detail| !detail.is_empty()));
        assert_eq!(world.devices().await, before, "{kind:?}");
        assert_eq!(world.connector().await.last_sync, synced_at);
        assert_eq!(world.connector().await.status, ConnectorStatus::Connected, "Exchange was reached");
    }
    world.clock.advance(Duration::from_secs(60));
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.state, run.counts.removed), (RunState::Succeeded, 5));
}

#[tokio::test]
async fn an_exchange_that_refuses_disconnects_and_keeps_devices() {
    let world = World::new(20);
    world.ended(None).await;
    world.exchange.refuse(ExchangeError::CredentialsRefused { endpoint: "ex01:443".into() });
    let run = world.sync(SyncType::Full).await;
    assert_eq!(run.failure, Some(FailureKind::CredentialsRefused));
    assert_eq!(world.connector().await.status, ConnectorStatus::Disconnected);
    assert_eq!(world.devices().await.len(), 20);
    assert_eq!(world.sync(SyncType::Full).await.state, RunState::Succeeded);
    assert_eq!(world.connector().await.status, ConnectorStatus::Connected);
}

#[tokio::test]
async fn an_implausible_loss_is_held() {
    let world = World::new(40);
    world.ended(None).await;
    world.exchange.devices.lock().unwrap().clear();
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.state, run.failure), (RunState::Held, Some(FailureKind::ImplausibleLoss)));
    assert_eq!(run.counts.removed, 40);
    assert_eq!(world.devices().await.len(), 40);
    let run = world.sync(SyncType::Delta).await;
    assert_eq!(run.state, RunState::Succeeded, "a held full sync does not stop deltas");
}

#[tokio::test]
async fn a_small_organisation_may_lose_everything() {
    let world = World::new(10);
    world.ended(None).await;
    world.exchange.devices.lock().unwrap().clear();
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.state, run.counts.removed), (RunState::Succeeded, 10));
    assert!(world.devices().await.is_empty());
}

#[tokio::test]
async fn a_delta_adds_what_is_new_and_removes_nothing() {
    let world = World::new(30);
    world.ended(None).await;
    {
        let mut devices = world.exchange.devices.lock().unwrap();
        devices.truncate(10);
        let mut newcomer = device(900);
        newcomer.first_sync = Some(world.clock.now());
        devices.push(newcomer);
    }
    world.clock.advance(Duration::from_secs(10));
    let run = world.sync(SyncType::Delta).await;
    assert_eq!((run.kind, run.state), (SyncType::Delta, RunState::Succeeded));
    assert_eq!((run.counts.seen, run.counts.added, run.counts.removed), (1, 1, 0));
    assert_eq!(world.devices().await.len(), 31);
    let scope = *world.exchange.scopes.lock().unwrap().last().unwrap();
    let last = Timestamp::from_unix_seconds(1_800_000_000);
    assert_eq!(scope, DeviceScope::FirstSyncedSince(last.before(Duration::from_secs(3600))));
}

#[tokio::test]
async fn a_delta_with_nothing_to_start_from_becomes_a_full_sync() {
    let world = World::new(5);
    world.exchange.script(Listing::Broken(2, ExchangeError::EndedEarly { reason: "cut".into() }));
    assert_eq!(world.ended(None).await.state, RunState::Failed);
    let run = world.sync(SyncType::Delta).await;
    assert_eq!((run.kind, run.state, run.counts.added), (SyncType::Full, RunState::Succeeded, 5));
}

#[tokio::test]
async fn progress_is_visible_while_exchange_keeps_us_waiting() {
    let mut world = World::idle(50);
    world.exchange.script(Listing::Gated(20));
    world.start();
    wait_until(BOUND, || async {
        matches!(world.latest().await, Some(run) if run.state == RunState::Running && run.counts.seen == 20)
    })
    .await;
    assert!(world.devices().await.is_empty(), "readers see nothing of a sync before its end");
    world.exchange.gate.add_permits(1);
    let run = world.ended(None).await;
    assert_eq!((run.state, run.attempt, run.counts.added), (RunState::Succeeded, 1, 50));
}

#[tokio::test]
async fn a_deleted_connector_ends_its_sync_and_is_not_created_again() {
    let mut world = World::idle(50);
    world.exchange.script(Listing::Gated(20));
    world.start();
    wait_until(BOUND, || async { world.latest().await.is_some_and(|run| run.counts.seen == 20) }).await;
    let id = world.connector().await.id;
    world.store.delete_connector(TENANT, id, None, world.clock.now(), world.entry()).await.unwrap();
    world.exchange.gate.add_permits(1);
    wait_until(BOUND, || async { !world.signals.is_served(id) }).await;
    assert_eq!(world.store.count_connectors(TENANT, None).await.unwrap(), 0);
    assert_eq!(world.store.count_devices(TENANT, None).await.unwrap(), 0);

    let id = ConnectorId(world.entropy.uuid());
    let change =
        ConnectorChange { exchange_alias: Some(Some("contoso".into())), ..ConnectorChange::default() };
    let draft = ConnectorDraft::default().with(change);
    let run = RunId(world.entropy.uuid());
    world.store.create_connector(TENANT, id, draft, run, world.clock.now(), world.entry()).await.unwrap();
    world.signals.wake(id);
    wait_until(BOUND, || async { world.signals.is_served(id) }).await;
    let run = world.ended(None).await;
    assert_eq!((run.connector, run.state, run.counts.added), (id, RunState::Succeeded, 50));
}
