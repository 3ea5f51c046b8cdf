use crate::{client::ClientError, config::ConfigError, service::ServiceError};

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The simulated organisation does not start.
    #[error(transparent)]
    Simulation(#[from] exconn_exchange_sim::SimError),
    #[error("the store failed: {0}")]
    Store(#[from] exconn_store::StoreError),
    /// Something around the command failed, for instance standard output.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// What was asked for came to a bad end; the text says which.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// 1 refused or failed, 2 wrong usage, 3 cannot reach.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Client(ClientError::Unreachable { .. }) => 3,
            Self::Client(ClientError::Usage(_)) => 2,
            _ => 1,
        }
    }
}
