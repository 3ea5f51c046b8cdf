//! From the configuration of an organisation to the connection that an agent serves.

use std::sync::Arc;

use exconn_exchange::{
    Exchange, ReadOnly, directory::DirectoryExchange, online::OnlineExchange, remoting::RemotingExchange,
};
use exconn_store::ConnectionIdentity;

use crate::{
    config::{ConfigError, ConnectionConfig, Road},
    service::Connection,
    system::{SystemClock, SystemEntropy},
};

/// A connection whose files were read once, so that mistakes show at the start. It connects when it is asked.
pub(crate) fn connect(config: ConnectionConfig) -> Result<Connection, ConfigError> {
    let fingerprint = config.fingerprint();
    let primary_smtp_address = match &config.road {
        Road::Online(online) => online.primary_smtp_address.clone(),
        Road::Remoting(..) => None,
    };
    let identity = ConnectionIdentity {
        name: config.name,
        server: config.server,
        connector_type: config.connector_type,
        primary_smtp_address,
        fingerprint,
    };
    let exchange = drive(config.road)
        .map_err(|reason| ConfigError::Connection { name: identity.name.clone(), reason })?;
    Ok(Connection {
        identity,
        read_only: config.read_only,
        exchange: if config.read_only { Arc::new(ReadOnly::new(exchange)) } else { exchange },
        intervals: config.intervals,
        statistics: config.statistics,
        guard: config.guard,
    })
}

/// The driver for a road, or what is wrong with its configuration.
fn drive(road: Road) -> Result<Arc<dyn Exchange>, String> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    match road {
        Road::Online(online) => {
            let online = OnlineExchange::new(*online, entropy, clock).map_err(|error| error.to_string())?;
            Ok(Arc::new(online))
        }
        Road::Remoting(remoting, directory) => {
            let remoting = RemotingExchange::new(*remoting, entropy, clock.clone())
                .map_err(|error| error.to_string())?;
            let Some(directory) = directory else { return Ok(Arc::new(remoting)) };
            let sign_ins = remoting.sign_ins();
            let directory = DirectoryExchange::new(*directory, Arc::new(remoting), sign_ins, clock)
                .map_err(|error| error.to_string())?;
            Ok(Arc::new(directory))
        }
    }
}
