use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use exconn_model::ConnectorId;
use tokio::sync::Notify;

/// Tells the agents of this process that there may be work. A signal only shortens a wait: whoever misses one finds the
/// work by its timer.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    agents: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    notify: Arc<Notify>,
    serves: Option<ConnectorId>,
}

impl Signals {
    /// Adds the agent of the connection `name`; the result is notified when it should look for work.
    pub(crate) fn register(&self, name: &str) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        self.lock().insert(name.to_owned(), Entry { notify: notify.clone(), serves: None });
        notify
    }

    /// Notes which connector an agent serves now.
    pub(crate) fn set_served(&self, name: &str, connector: Option<ConnectorId>) {
        if let Some(entry) = self.lock().get_mut(name) {
            entry.serves = connector;
        }
    }

    /// Wakes the agent that serves the connector; all of them if none does, since one may want to.
    pub fn wake(&self, connector: ConnectorId) {
        let agents = self.lock();
        let serving = agents.values().find(|entry| entry.serves == Some(connector));
        match serving {
            Some(entry) => entry.notify.notify_one(),
            None => agents.values().for_each(|entry| entry.notify.notify_one()),
        }
    }

    /// The name of the connection whose agent serves the connector.
    pub fn serving(&self, connector: ConnectorId) -> Option<String> {
        let agents = self.lock();
        agents.iter().find(|(_, entry)| entry.serves == Some(connector)).map(|(name, _)| name.clone())
    }

    /// Whether an agent of this process serves the connector.
    pub fn is_served(&self, connector: ConnectorId) -> bool {
        self.lock().values().any(|entry| entry.serves == Some(connector))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
