use std::fmt::Debug;

use exconn_model::ConnectorId;

/// What the API needs to know of the agents of this process.
pub trait AgentRegistry: Debug + Send + Sync {
    /// A run of this connector was queued: whoever serves it should look at once. Only shortens a wait.
    fn wake(&self, connector: ConnectorId);

    /// Whether an agent serves this connector now.
    fn is_served(&self, connector: ConnectorId) -> bool;
}

/// A process without agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAgents;

impl AgentRegistry for NoAgents {
    fn wake(&self, _: ConnectorId) {}

    fn is_served(&self, _: ConnectorId) -> bool {
        false
    }
}
