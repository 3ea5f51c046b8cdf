//! The `[[exchange]]` entries: which organisations there are and how each is reached.

use std::time::Duration;

use exconn_exchange::{
    Account,
    remoting::{Authentication, RemotingConfig},
};
use exconn_model::{ConnectorType, GraphEnum};
use exconn_sync::{plan::Guard, schedule::Intervals};

use super::{ConfigError, reader::Reader};

/// One `[[exchange]]` entry.
#[derive(Debug)]
pub(crate) struct ConnectionConfig {
    pub(crate) name: String,
    pub(crate) connector_type: ConnectorType,
    pub(crate) server: Option<String>,
    pub(crate) intervals: Intervals,
    pub(crate) guard: Guard,
    pub(crate) remoting: RemotingConfig,
}

impl ConnectionConfig {
    /// What must stay the same for a deleted connector not to be created again.
    pub(crate) fn fingerprint(&self) -> String {
        let server = self.server.as_deref().unwrap_or_default();
        let account = self.remoting.authentication.account();
        [self.name.as_str(), self.connector_type.name(), server, &self.remoting.url, &account.username]
            .join("\n")
    }
}

impl Reader {
    pub(super) fn connection(&self, number: usize) -> Result<ConnectionConfig, ConfigError> {
        let path = |key: &str| format!("exchange.{number}.{key}");
        let not_yet = |key: String, reason| {
            let place = self.values.get(&key).map_or_else(String::new, |given| given.place.clone());
            ConfigError::NotYet { place, key, reason }
        };
        let name = self.required(&path("name"))?;
        let kind = self.choice(&path("type"))?.unwrap_or_else(|| "onPremises".to_owned());
        let connector_type = ConnectorType::from_name(&kind).unwrap_or(ConnectorType::OnPremises);
        if connector_type == ConnectorType::ServiceToService {
            return Err(not_yet(
                path("type"),
                "this version speaks remote PowerShell only; use onPremises, hosted or dedicated",
            ));
        }
        let method = self.choice(&path("remoting.authentication"))?.unwrap_or_else(|| "basic".to_owned());
        if method != "basic" {
            return Err(not_yet(
                path("remoting.authentication"),
                "this version signs in with basic only, over https or loopback",
            ));
        }
        let mut remoting = RemotingConfig::new(
            self.required(&path("remoting.url"))?,
            Authentication::Basic(Account {
                username: self.required(&path("remoting.username"))?,
                password_file: self.required(&path("remoting.password_file"))?.into(),
            }),
        );
        remoting.roots.file = self.path(&path("remoting.ca_file"));
        let timeout = self.duration(
            &path("remoting.operation_timeout"),
            remoting.operation_timeout,
            Duration::from_secs(1),
        )?;
        remoting.operation_timeout = timeout;
        remoting.request_timeout = timeout + Duration::from_secs(30);
        Ok(ConnectionConfig {
            name,
            connector_type,
            server: self.text(&path("server")),
            intervals: Intervals {
                delta: self.duration(
                    &path("delta_interval"),
                    Duration::from_secs(60),
                    Duration::from_secs(5),
                )?,
                full: self.duration(
                    &path("full_interval"),
                    Duration::from_secs(86_400),
                    Duration::from_secs(60),
                )?,
            },
            guard: Guard {
                max_loss_percent: self.number(&path("guard.max_loss_percent"), 30, 100)? as u8,
                max_loss_devices: self.number(&path("guard.max_loss_devices"), 10, u64::MAX)?,
            },
            remoting,
        })
    }
}
