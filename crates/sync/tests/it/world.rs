//! A store, an agent on it, and the Exchange that the agent asks.

use std::{sync::Arc, time::Duration};

use exconn_exchange::Exchange;
use exconn_model::{
    AuditActor, AuditEntry, AuditId, Clock, Connector, ConnectorType, Entropy, MobileDevice, RunId, SyncRun,
    SyncType, TenantId, Timestamp,
};
use exconn_odata::query::Query;
use exconn_store::{ConnectionIdentity, SqliteOptions, SqliteStore, Store, SyncRequest};
use exconn_sync::{Agent, AgentSettings, Signals, StatisticsSettings, plan::Guard, schedule::Intervals};
use exconn_testkit::{ManualClock, SeededEntropy, wait_until};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::scripted::Scripted;

pub(crate) const TENANT: TenantId = TenantId(Uuid::from_u128(0x1eef_0000_0000_4000_8000_0000_0000_0001));
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A store, an agent on it, and the Exchange that the agent asks.
pub(crate) struct World {
    pub(crate) exchange: Arc<Scripted>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) signals: Signals,
    pub(crate) statistics: StatisticsSettings,
    agent: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl World {
    /// With an agent that starts at once.
    pub(crate) fn new(devices: u128) -> Self {
        let mut world = Self::idle(devices);
        world.start();
        world
    }

    pub(crate) fn idle(devices: u128) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap();
        Self {
            exchange: Scripted::with(devices),
            store: Arc::new(store),
            clock: Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000))),
            entropy: Arc::new(SeededEntropy::new(7)),
            signals: Signals::default(),
            statistics: StatisticsSettings::default(),
            agent: None,
            _folder: folder,
        }
    }

    pub(crate) fn start(&mut self) {
        let agent = Agent {
            tenant: TENANT,
            connection: ConnectionIdentity {
                name: "contoso".into(),
                server: Some("ex01.contoso.com".into()),
                connector_type: ConnectorType::OnPremises,
                primary_smtp_address: None,
                fingerprint: "first".into(),
            },
            exchange: self.exchange.clone() as Arc<dyn Exchange>,
            store: self.store.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            settings: AgentSettings {
                intervals: Intervals { full: Duration::from_secs(86_400), delta: Duration::from_secs(60) },
                guard: Guard::default(),
                statistics: self.statistics,
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

    pub(crate) async fn connector(&self) -> Connector {
        let query = Query { limit: 10, ..Query::default() };
        let page = self.store.connectors(TENANT, &query).await.unwrap();
        assert_eq!(page.items.len(), 1);
        page.items.into_iter().next().unwrap()
    }

    pub(crate) async fn devices(&self) -> Vec<MobileDevice> {
        let query = Query { limit: 1000, ..Query::default() };
        let mut devices = self.store.devices(TENANT, &query).await.unwrap().items;
        devices.sort_by_key(|device| device.observed.partnership);
        devices
    }

    pub(crate) fn entry(&self) -> AuditEntry {
        let id = AuditId(self.entropy.uuid());
        AuditEntry::new(id, TENANT, self.clock.now(), AuditActor::Application)
    }

    pub(crate) async fn latest(&self) -> Option<SyncRun> {
        let query = Query { limit: 1, ..Query::default() };
        let connector = self.store.connectors(TENANT, &query).await.unwrap().items.pop()?;
        self.store.runs(TENANT, connector.id, 1).await.unwrap().pop()
    }

    /// Waits for the end of the newest run, if there is one that is not `known`.
    pub(crate) async fn ended(&self, known: Option<RunId>) -> SyncRun {
        wait_until(BOUND, || async {
            matches!(self.latest().await, Some(run) if Some(run.id) != known && !run.state.is_open())
        })
        .await;
        self.latest().await.unwrap()
    }

    /// Asks for a sync and waits for its end.
    pub(crate) async fn sync(&self, kind: SyncType) -> SyncRun {
        let known = self.latest().await.map(|run| run.id);
        self.request(kind).await;
        self.ended(known).await
    }

    /// Asks for a sync and wakes the agent.
    pub(crate) async fn request(&self, kind: SyncType) {
        let id = self.connector().await.id;
        let run = RunId(self.entropy.uuid());
        let request = SyncRequest { kind, run, expected: None, now: self.clock.now() };
        self.store.request_sync(TENANT, id, request, None).await.unwrap();
        self.signals.wake(id);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(agent) = &self.agent {
            agent.abort();
        }
    }
}
