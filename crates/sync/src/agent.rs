use std::{pin::pin, sync::Arc, time::Duration};

use exconn_exchange::Exchange;
use exconn_model::{AuditActor, AuditEntry, AuditId, Clock, ConnectorId, Entropy, RunId, TenantId};
use exconn_store::{Binding, ConnectionIdentity, Store, StoreError, SyncHistory, SyncRequest};
use tokio::time::{sleep, timeout};

use crate::{
    Signals,
    failure::is_refusal,
    plan::Guard,
    schedule::{Intervals, Next, next},
    statistics::{Statistics, StatisticsSettings},
    worker::Worker,
};

/// The longest wait between two looks at the store, however little seems to happen.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The wait after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(2);
/// Leases after which a run that never ends is given up.
const MAX_ATTEMPTS: u32 = 5;

/// How an agent works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// How often the connector is synced.
    pub intervals: Intervals,
    /// How large a loss is plausible.
    pub guard: Guard,
    /// How mailboxes are asked for what they know of their devices.
    pub statistics: StatisticsSettings,
    /// How long a lease lasts without renewal.
    pub lease: Duration,
    /// How often a lease is renewed and progress shown; well below `lease`.
    pub heartbeat: Duration,
    /// Who leases: unique for each process.
    pub owner: String,
    /// Version of exconn, shown as the connector's `version`.
    pub version: String,
    /// Name of this machine, shown as `connectorServerName`.
    pub host_name: String,
}

/// What an agent may do until it looks at the store again.
struct Leisure {
    /// How long nothing is to do.
    wait: Duration,
    /// The connector whose statistics can be refreshed meanwhile: its latest sync succeeded.
    connector: Option<ConnectorId>,
}

/// Serves one configured connection: finds its connector, keeps it in sync, works off its queued runs.
///
/// Its only input is the store; a signal or a timer makes it look again, and the next look is the retry of whatever
/// failed.
#[derive(Debug)]
pub struct Agent {
    /// The tenant that the connector belongs to.
    pub tenant: TenantId,
    /// The configured connection.
    pub connection: ConnectionIdentity,
    /// How to ask its Exchange.
    pub exchange: Arc<dyn Exchange>,
    /// Where connectors, runs and devices are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for new ids.
    pub entropy: Arc<dyn Entropy>,
    /// How it works.
    pub settings: AgentSettings,
    /// Where it learns that there may be work.
    pub signals: Signals,
}

impl Agent {
    /// Serves until it is dropped. A run that is cut off by that is taken over when its lease ends.
    pub async fn run(self) {
        let signal = self.signals.register(&self.connection.name);
        let mut statistics = Statistics::new(self.settings.statistics, self.clock.now());
        loop {
            let Leisure { wait, connector } =
                self.activate().await.unwrap_or_else(|error| self.pause(&error));
            // Elapsed or notified: either way the next step is another look.
            let mut next_look = pin!(async { drop(timeout(wait, signal.notified()).await) });
            let has_come = match connector {
                Some(connector) => statistics.refresh(&self, connector, next_look.as_mut()).await,
                None => Ok(false),
            };
            match has_come {
                Ok(true) => {}
                Ok(false) => next_look.await,
                Err(error) => sleep(self.pause(&error).wait).await,
            }
        }
    }

    fn pause(&self, error: &StoreError) -> Leisure {
        tracing::error!(
            connection = self.connection.name,
            error = error as &dyn std::error::Error,
            "the store failed; the agent tries again"
        );
        Leisure { wait: STORE_PAUSE, connector: None }
    }

    /// Looks at the store once, does what is to do, and says how long nothing more will be.
    async fn activate(&self) -> Result<Leisure, StoreError> {
        let nothing = Leisure { wait: LONGEST_WAIT, connector: None };
        let Some(connector) = self.bind().await? else { return Ok(nothing) };
        while self.work(connector).await? {}
        let now = self.clock.now();
        let history = self.store.sync_history(self.tenant, connector).await?;
        match next(&history, self.settings.intervals, self.is_secret_renewed(&history), now) {
            Next::Request(kind) => {
                let run = RunId(self.entropy.uuid());
                let request = SyncRequest { kind, run, expected: None, now };
                self.store.request_sync(self.tenant, connector, request, None).await?;
                Ok(Leisure { wait: Duration::ZERO, connector: None })
            }
            Next::Wait(until) => {
                let is_well = history.last_success.is_some() && history.failures == 0;
                let connector = is_well.then_some(connector);
                Ok(Leisure { wait: until.since(now).min(LONGEST_WAIT), connector })
            }
            Next::RunIsOpen => Ok(nothing),
        }
    }

    /// Whether the latest run's account was refused, and its secret was written after that run began.
    fn is_secret_renewed(&self, history: &SyncHistory) -> bool {
        let began = history.last_started.filter(|_| history.failure.is_some_and(is_refusal));
        began.is_some_and(|began| self.exchange.secrets_changed_since(began))
    }

    async fn bind(&self) -> Result<Option<ConnectorId>, StoreError> {
        let (connector, run) = (ConnectorId(self.entropy.uuid()), RunId(self.entropy.uuid()));
        let now = self.clock.now();
        let audit = AuditEntry {
            subject: Some(self.connection.name.clone()),
            action: Some("createConnector".to_owned()),
            created: Some(connector.0),
            ..AuditEntry::new(AuditId(self.entropy.uuid()), self.tenant, now, AuditActor::Agent)
        };
        let binding = self.store.bind(self.tenant, &self.connection, connector, run, now, audit).await?;
        let bound = match binding {
            Binding::Bound(connector) => Some(connector),
            Binding::Created(connector) => {
                tracing::info!(target: "audit", actor = "agent", action = "createConnector",
                    created = %connector, subject = self.connection.name, outcome = "done");
                Some(connector)
            }
            Binding::Released => None,
        };
        self.signals.set_served(&self.connection.name, bound);
        Ok(bound)
    }

    /// Takes the next run to its end; false if there is none.
    async fn work(&self, connector: ConnectorId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let until = now.after(self.settings.lease);
        let owner = &self.settings.owner;
        let leased = self.store.lease_run(self.tenant, connector, owner, now, until, MAX_ATTEMPTS).await?;
        let Some(lease) = leased else { return Ok(false) };
        let worker = Worker {
            store: &*self.store,
            exchange: &*self.exchange,
            clock: &*self.clock,
            connection: &self.connection.name,
            settings: &self.settings,
        };
        match worker.run(&lease).await {
            Err(StoreError::LeaseLost) => {
                tracing::warn!(connection = self.connection.name, run = %lease.run.id, "the run's lease was lost");
                Ok(true)
            }
            other => other.map(|()| true),
        }
    }
}
