use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use exconn_exchange::{DeviceAddress, Exchange, ExchangeError};
use exconn_model::{AccessDecision, ConnectorId, ObservedDevice, Step};
use exconn_server::{AgentRefusal, AgentRegistry};
use exconn_sync::Signals;
use tokio::{task::JoinSet, time::timeout};

/// The longest test of a connection, below what clients wait for an answer. Each wait of a driver is bounded; this bounds
/// their sum.
const LONGEST_TEST: Duration = Duration::from_secs(50);

/// What the API asks of the agents of this process, and the connections that they serve.
#[derive(Debug)]
pub(crate) struct Registry {
    signals: Signals,
    connections: Mutex<HashMap<String, Served>>,
    under_test: Mutex<HashSet<ConnectorId>>,
}

/// A connection that an agent serves.
#[derive(Clone, Debug)]
struct Served {
    exchange: Arc<dyn Exchange>,
    read_only: bool,
}

impl Served {
    /// The mailbox to tell Exchange of a decision about a device.
    fn writable_mailbox<'a>(&self, device: &'a ObservedDevice) -> Result<&'a str, AgentRefusal> {
        if self.read_only {
            Err(AgentRefusal::ReadOnly)
        } else {
            device.mailbox().ok_or(AgentRefusal::NoMailbox)
        }
    }
}

impl Registry {
    pub(crate) fn new(signals: Signals) -> Self {
        Self { signals, connections: Mutex::default(), under_test: Mutex::default() }
    }

    /// Adds a connection that an agent serves.
    pub(crate) fn add(&self, name: &str, exchange: Arc<dyn Exchange>, read_only: bool) {
        locked(&self.connections).insert(name.to_owned(), Served { exchange, read_only });
    }

    /// Gives back what the connections hold at their servers, side by side, and waits for at most `bound` for that.
    pub(crate) async fn close(&self, bound: Duration) {
        let connections = std::mem::take(&mut *locked(&self.connections));
        let mut closing = JoinSet::new();
        for Served { exchange, .. } in connections.into_values() {
            closing.spawn(async move { exchange.close().await });
        }
        // What is not given back in time is ended by its server.
        let _ = timeout(bound, closing.join_all()).await;
    }

    fn connection_of(&self, connector: ConnectorId) -> Result<Served, AgentRefusal> {
        let name = self.signals.serving(connector).ok_or(AgentRefusal::NotServed)?;
        locked(&self.connections).get(&name).cloned().ok_or(AgentRefusal::NotServed)
    }
}

#[async_trait]
impl AgentRegistry for Registry {
    fn wake(&self, connector: ConnectorId) {
        self.signals.wake(connector);
    }

    fn is_served(&self, connector: ConnectorId) -> bool {
        self.signals.is_served(connector)
    }

    async fn examine(&self, connector: ConnectorId) -> Result<Vec<Step>, AgentRefusal> {
        let Served { exchange, .. } = self.connection_of(connector)?;
        let _turn = Turn::take(&self.under_test, connector).ok_or(AgentRefusal::Busy)?;
        let mut steps = Vec::new();
        if timeout(LONGEST_TEST, exchange.examine(&mut steps)).await.is_err() {
            let seen = format!("the test did not end within {LONGEST_TEST:?}");
            let cure = "Look at the last step that ended: what follows it does not answer.".to_owned();
            steps
                .push(Step { name: "Time".into(), finding: exconn_exchange::Finding::Failed { seen, cure } });
        }
        Ok(steps)
    }

    fn check_access(&self, connector: ConnectorId, device: &ObservedDevice) -> Result<(), AgentRefusal> {
        self.connection_of(connector)?.writable_mailbox(device).map(drop)
    }

    async fn set_access(
        &self,
        connector: ConnectorId,
        device: &ObservedDevice,
        decision: AccessDecision,
    ) -> Result<(), AgentRefusal> {
        let served = self.connection_of(connector)?;
        let mailbox = served.writable_mailbox(device)?.to_owned();
        let address = DeviceAddress { mailbox, device_id: device.device_id.clone() };
        served.exchange.set_access(&address, decision).await.map_err(|error| match error {
            ExchangeError::ReadOnly => AgentRefusal::ReadOnly,
            error => AgentRefusal::Exchange { kind: error.kind(), detail: error.to_string() },
        })
    }
}

/// The turn of a connector under test; it ends with the value, also when the client goes away.
struct Turn<'a> {
    turns: &'a Mutex<HashSet<ConnectorId>>,
    connector: ConnectorId,
}

impl<'a> Turn<'a> {
    fn take(turns: &'a Mutex<HashSet<ConnectorId>>, connector: ConnectorId) -> Option<Self> {
        locked(turns).insert(connector).then_some(Self { turns, connector })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        locked(self.turns).remove(&self.connector);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
