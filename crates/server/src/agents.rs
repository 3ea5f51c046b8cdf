use std::fmt::Debug;

use async_trait::async_trait;
use exconn_model::{AccessDecision, ConnectorId, FailureKind, ObservedDevice, Step};

/// What the API needs of the agents of this process.
#[async_trait]
pub trait AgentRegistry: Debug + Send + Sync {
    /// A run of this connector was queued: whoever serves it should look at once. Only shortens a wait.
    fn wake(&self, connector: ConnectorId);

    /// Whether an agent serves this connector now.
    fn is_served(&self, connector: ConnectorId) -> bool;

    /// Tries the connector's connection to Exchange step by step, reading only.
    async fn examine(&self, connector: ConnectorId) -> Result<Vec<Step>, AgentRefusal>;

    /// Refuses a decision about a device that Exchange cannot be told of, without asking Exchange.
    ///
    /// # Errors
    /// All but [`AgentRefusal::Exchange`] and [`AgentRefusal::Busy`].
    fn check_access(&self, connector: ConnectorId, device: &ObservedDevice) -> Result<(), AgentRefusal>;

    /// Has Exchange let a device in or keep it out.
    async fn set_access(
        &self,
        connector: ConnectorId,
        device: &ObservedDevice,
        decision: AccessDecision,
    ) -> Result<(), AgentRefusal>;
}

/// Why an agent did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentRefusal {
    /// No agent of this process serves the connector.
    #[error("no agent serves this connector now")]
    NotServed,
    /// The agent does the same for somebody else.
    #[error("the connection is being tested already")]
    Busy,
    /// The connection is configured to change nothing.
    #[error("the connection is read-only")]
    ReadOnly,
    /// The partnership has no mailbox that Exchange could be told.
    #[error("the mailbox of this device is not known")]
    NoMailbox,
    /// Exchange could not be asked, or refused.
    #[error("{detail}")]
    Exchange {
        /// What kind of failure.
        kind: FailureKind,
        /// What happened; holds no secret.
        detail: String,
    },
}

/// A process without agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAgents;

#[async_trait]
impl AgentRegistry for NoAgents {
    fn wake(&self, _: ConnectorId) {}

    fn is_served(&self, _: ConnectorId) -> bool {
        false
    }

    async fn examine(&self, _: ConnectorId) -> Result<Vec<Step>, AgentRefusal> {
        Err(AgentRefusal::NotServed)
    }

    fn check_access(&self, _: ConnectorId, _: &ObservedDevice) -> Result<(), AgentRefusal> {
        Err(AgentRefusal::NotServed)
    }

    async fn set_access(
        &self,
        _: ConnectorId,
        _: &ObservedDevice,
        _: AccessDecision,
    ) -> Result<(), AgentRefusal> {
        Err(AgentRefusal::NotServed)
    }
}
