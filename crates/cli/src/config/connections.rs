//! The `[[exchange]]` entries: which organisations there are and how each is reached.

mod directory;
mod display;
mod online;
mod remoting;

use std::time::Duration;

use exconn_exchange::{directory::DirectoryConfig, online::OnlineConfig, remoting::RemotingConfig};
use exconn_model::{ConnectorType, GraphEnum};
use exconn_sync::{StatisticsSettings, plan::Guard, schedule::Intervals};

use super::{
    ConfigError,
    keys::{Key, Kind, key},
    reader::Reader,
};

/// The keys that every entry has.
const KEYS: &[Key] = &[
    key("exchange.*.name", Kind::Text, "The connection's name; becomes exchangeAlias. Required, unique"),
    key(
        "exchange.*.type",
        Kind::Choice(&["onPremises", "hosted", "dedicated", "serviceToService"]),
        "The connector's type: serviceToService is Exchange Online's admin interface, the others are remote PowerShell. Default: onPremises",
    ),
    key("exchange.*.server", Kind::Text, "The Exchange server's name; becomes serverName"),
    key(
        "exchange.*.read_only",
        Kind::Flag,
        "Whether exconn may change nothing at Exchange: no device is let in or kept out by it. Default: true",
    ),
    key("exchange.*.delta_interval", Kind::Duration, "Time between delta syncs, at least 5s. Default: 1m"),
    key("exchange.*.full_interval", Kind::Duration, "Time between full syncs, at least 1m. Default: 24h"),
    key(
        "exchange.*.statistics.per_hour",
        Kind::Number,
        "Mailboxes that may be asked for their devices' last syncs in an hour; 0 asks none. Default: 6000",
    ),
    key(
        "exchange.*.statistics.stale_after",
        Kind::Duration,
        "A device's last sync is asked for again after so long, at least 10m. Default: 24h",
    ),
    key(
        "exchange.*.statistics.max_concurrency",
        Kind::Number,
        "Mailboxes that are asked at the same time at most, 1 to 16; on premises each beyond the first takes a runspace of its own. Default: 1, with Exchange Online 2",
    ),
    key(
        "exchange.*.guard.max_loss_percent",
        Kind::Number,
        "A sync that loses a larger share of the devices is held. Default: 30",
    ),
    key(
        "exchange.*.guard.max_loss_devices",
        Kind::Number,
        "Losses up to this number are never held. Default: 10",
    ),
];

/// The keys of all entries.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(remoting::KEYS).chain(directory::KEYS).chain(online::KEYS)
}

/// One `[[exchange]]` entry.
#[derive(Debug)]
pub(crate) struct ConnectionConfig {
    pub(crate) name: String,
    pub(crate) connector_type: ConnectorType,
    pub(crate) server: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) intervals: Intervals,
    pub(crate) statistics: StatisticsSettings,
    pub(crate) guard: Guard,
    pub(crate) road: Road,
}

/// How an organisation is reached.
#[derive(Debug)]
pub(crate) enum Road {
    /// Remote PowerShell, and the directory if there is one.
    Remoting(Box<RemotingConfig>, Option<Box<DirectoryConfig>>),
    /// Exchange Online's admin interface.
    Online(Box<OnlineConfig>),
}

impl ConnectionConfig {
    /// What must stay the same for a deleted connector not to be created again, and for the cookie of the last sync to be
    /// good: another account may see other devices.
    pub(crate) fn fingerprint(&self) -> String {
        let (address, account) = match &self.road {
            Road::Remoting(remoting, directory) => {
                let controllers = directory.iter().flat_map(|directory| &directory.urls);
                let addresses: Vec<_> =
                    std::iter::once(&remoting.url).chain(controllers).map(String::as_str).collect();
                let of_remoting = remoting.authentication.account();
                let of_directory = directory.iter().map(|directory| directory.authentication.account());
                let accounts: Vec<_> = std::iter::once(of_remoting)
                    .chain(of_directory)
                    .map(|account| account.username.as_str())
                    .collect();
                (addresses.join(" "), accounts.join(" "))
            }
            Road::Online(online) => (online.tenant_id.to_string(), online.client_id.to_string()),
        };
        let server = self.server.as_deref().unwrap_or_default();
        [self.name.as_str(), self.connector_type.name(), server, &address, &account].join("\n")
    }
}

impl Reader {
    pub(super) fn connection(&self, number: usize) -> Result<ConnectionConfig, ConfigError> {
        let path = |key: &str| format!("exchange.{number}.{key}");
        let name = self.required(&path("name"))?;
        let kind = self.choice(&path("type"))?.unwrap_or_else(|| "onPremises".to_owned());
        let connector_type = ConnectorType::from_name(&kind).unwrap_or(ConnectorType::OnPremises);
        let read_only = self.flag(&path("read_only"), true)?;
        let (road, statistics) = if connector_type == ConnectorType::ServiceToService {
            self.refuse_section(number, "remoting", "serviceToService has no remote PowerShell")?;
            self.refuse_section(number, "directory", "Exchange Online has no directory to search by LDAP")?;
            let statistics = self.statistics(number, 2)?;
            let mut online = self.online(number, statistics.concurrency)?;
            online.read_only = read_only;
            (Road::Online(Box::new(online)), statistics)
        } else {
            self.refuse_section(number, "online", "only serviceToService is reached by it")?;
            // One runspace is enough for syncs, and what others use of the account's eighteen is not known here.
            let statistics = self.statistics(number, 1)?;
            let mut remoting = self.remoting(number)?;
            remoting.max_runspaces = statistics.concurrency;
            remoting.read_only = read_only;
            let account = remoting.authentication.account();
            let directory =
                self.has_section(number, "directory").then(|| self.directory(number, account)).transpose()?;
            (Road::Remoting(Box::new(remoting), directory.map(Box::new)), statistics)
        };
        Ok(ConnectionConfig {
            name,
            connector_type,
            server: self.text(&path("server")),
            read_only,
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
            statistics,
            guard: Guard {
                max_loss_percent: self.number(&path("guard.max_loss_percent"), 30, 0, 100)? as u8,
                max_loss_devices: self.number(&path("guard.max_loss_devices"), 10, 0, u64::MAX)?,
            },
            road,
        })
    }

    fn statistics(&self, number: usize, usual_concurrency: u64) -> Result<StatisticsSettings, ConfigError> {
        let path = |key: &str| format!("exchange.{number}.statistics.{key}");
        let default = StatisticsSettings::default();
        let per_hour = self.number(&path("per_hour"), default.mailboxes_per_hour.into(), 0, 1_000_000)?;
        Ok(StatisticsSettings {
            mailboxes_per_hour: per_hour as u32,
            max_age: self.duration(&path("stale_after"), default.max_age, Duration::from_secs(600))?,
            concurrency: self.number(&path("max_concurrency"), usual_concurrency, 1, 16)? as usize,
        })
    }

    /// Whether a section such as `directory` is given.
    fn has_section(&self, number: usize, section: &str) -> bool {
        self.values.first_below(&format!("exchange.{number}.{section}")).is_some()
    }

    /// A section that this type of connection does not look at is a mistake: silence would look like success.
    fn refuse_section(&self, number: usize, section: &str, reason: &'static str) -> Result<(), ConfigError> {
        match self.values.first_below(&format!("exchange.{number}.{section}")) {
            None => Ok(()),
            Some((key, given)) => {
                Err(ConfigError::NotHere { place: given.place.clone(), key: key.to_owned(), reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::load;

    const REMOTING: &str = "[[exchange]]\nname = \"a\"\nserver = \"ex01\"\n[exchange.remoting]\n\
        url = \"https://ex01/PowerShell/\"\nusername = \"svc\"\npassword_file = \"/p\"\n";
    const DIRECTORY: &str = "[exchange.directory]\nurl = \"ldaps://dc01\"\n";
    const ITS_ACCOUNT: &str = "username = \"reader\"\npassword_file = \"/q\"\n";

    fn fingerprint(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(Some(file.path()), |_| None).unwrap().connections[0].fingerprint()
    }

    #[test]
    fn another_road_or_account_is_another_connection() {
        let remoting = fingerprint(REMOTING);
        // What earlier versions wrote: a connector that was deleted must not come back with an update.
        assert_eq!(remoting, "a\nonPremises\nex01\nhttps://ex01/PowerShell/\nsvc");
        let directory = fingerprint(&[REMOTING, DIRECTORY].concat());
        let with_account = fingerprint(&[REMOTING, DIRECTORY, ITS_ACCOUNT].concat());
        assert!(remoting != directory && directory != with_account && remoting != with_account);
    }
}
