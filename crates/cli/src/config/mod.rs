//! The configuration: file, environment, defaults.

mod keys;
mod schema;
mod source;

use std::{
    fmt, io,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use exconn_exchange::{
    Account,
    remoting::{Authentication, RemotingConfig},
};
use exconn_model::{ConnectorType, GraphEnum};
use exconn_server::{
    Cors, ThrottleLimits, TrustedProxies,
    auth::{IssuerError, TrustedIssuer},
};
use exconn_sync::{plan::Guard, schedule::Intervals};

use self::source::{Given, Values};

pub(crate) use schema::schema;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {path}: {source}")]
    File { path: String, source: io::Error },
    #[error("{place}: {reason}")]
    Syntax { place: String, reason: String },
    #[error("{place}: the key '{key}' is not known{}", nearest.map(|key| format!("; did you mean '{key}'?")).unwrap_or_default())]
    Unknown { place: String, key: String, nearest: Option<&'static str> },
    #[error("{place}: '{key}' cannot be '{given}'; it takes {accepted}")]
    Value { place: String, key: String, given: String, accepted: String },
    #[error("{place}: '{key}' is not available: {reason}")]
    NotYet { place: String, key: String, reason: &'static str },
    #[error("the key '{key}' is missing: {about}")]
    Missing { key: String, about: &'static str },
    #[error("'{key}' and '{other}' belong together: give both or none")]
    Pair { key: &'static str, other: &'static str },
    #[error("two [[exchange]] entries have the name '{0}'; names must differ")]
    SameName(String),
    #[error("the connection '{name}': {reason}")]
    Connection { name: String, reason: String },
    #[error("auth.issuers: {0}")]
    Issuer(#[from] IssuerError),
    #[error(
        "auth.mode 'none' lets everyone in, so nobody would look at tokens: leave auth.issuers out, or use 'builtin'"
    )]
    IssuersWithoutAuthentication,
}

/// What `serve` runs with.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) data: PathBuf,
    pub(crate) authenticated: bool,
    /// Whose tokens are accepted beside the built-in issuer's.
    pub(crate) issuers: Vec<TrustedIssuer>,
    /// Entries of the audit that are kept.
    pub(crate) audit_entries: u64,
    /// How much a caller may ask for; no bound where absent.
    pub(crate) throttle: Option<ThrottleLimits>,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// Whose pages may use the API.
    pub(crate) cors: Cors,
    pub(crate) connections: Vec<ConnectionConfig>,
}

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

/// Reads and checks the configuration.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let reader = Reader { values: Values::read(file, environment)? };
    reader.refuse_what_comes_later()?;
    let mut connections: Vec<ConnectionConfig> = Vec::new();
    for number in 0..reader.values.entries("exchange") {
        let connection = reader.connection(number)?;
        if connections.iter().any(|other| other.name == connection.name) {
            return Err(ConfigError::SameName(connection.name));
        }
        connections.push(connection);
    }
    let issuers = (0..reader.values.entries("auth.issuers"))
        .map(|number| reader.issuer(number))
        .collect::<Result<_, _>>()?;
    let tls = match (reader.path("tls.cert"), reader.path("tls.key")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(ConfigError::Pair { key: "tls.cert", other: "tls.key" }),
    };
    Ok(Config {
        listen: reader.address("listen")?.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8780))),
        public_url: reader.text("public_url"),
        trusted_proxies: reader.trusted_proxies()?,
        data: reader.path("data").unwrap_or_else(|| PathBuf::from("exconn-data")),
        authenticated: reader.choice("auth.mode")?.is_none_or(|mode| mode == "builtin"),
        issuers,
        audit_entries: reader.audit_entries()?,
        throttle: reader.throttle()?,
        tls,
        cors: reader.cors()?,
        connections,
    })
}

/// Reads a duration: a number with a unit, or several of them.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let unit = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(unit);
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => 0,
        };
        let length = number.parse::<u64>().ok().filter(|_| seconds > 0).and_then(|n| n.checked_mul(seconds));
        let sum = length.and_then(|length| total.checked_add(Duration::from_secs(length)));
        total = sum.ok_or_else(|| format!("'{text}' is not a duration; write 30s, 5m, 24h or 7d"))?;
        rest = behind.trim_start();
    }
    if total.is_zero() {
        Err(format!("'{text}' is no time at all; write 30s, 5m, 24h or 7d"))
    } else {
        Ok(total)
    }
}

struct Reader {
    values: Values,
}

impl Reader {
    fn text(&self, path: &str) -> Option<String> {
        self.values.get(path).map(|given| given.text.clone())
    }

    fn path(&self, path: &str) -> Option<PathBuf> {
        self.text(path).map(PathBuf::from)
    }

    fn required(&self, path: &str) -> Result<String, ConfigError> {
        let about = keys::find(path).map_or("", |key| key.about);
        let text = self.text(path).filter(|text| !text.is_empty());
        text.ok_or_else(|| ConfigError::Missing { key: path.to_owned(), about })
    }

    /// The texts of a list; `None` if it is not given.
    fn list(&self, path: &str) -> Option<Vec<String>> {
        let texts = self.values.get(path)?.text.split(',').map(str::trim);
        Some(texts.filter(|text| !text.is_empty()).map(str::to_owned).collect())
    }

    fn cors(&self) -> Result<Cors, ConfigError> {
        let Some(origins) = self.list("cors.origins") else { return Ok(Cors::default()) };
        Cors::parse(origins.iter().map(String::as_str)).map_err(|origin| {
            let accepted = "origins such as \"https://portal.contoso.com\", or \"*\" for all";
            self.refused_entry("cors.origins", origin, accepted)
        })
    }

    fn trusted_proxies(&self) -> Result<TrustedProxies, ConfigError> {
        let proxies = self.list("trusted_proxies").unwrap_or_default();
        TrustedProxies::parse(proxies.iter().map(String::as_str)).map_err(|proxy| {
            let accepted = "addresses such as \"10.0.0.5\" and networks such as \"10.0.0.0/8\"";
            self.refused_entry("trusted_proxies", proxy, accepted)
        })
    }

    /// What is wrong with an entry of a list.
    fn refused_entry(&self, key: &str, given: &str, accepted: &str) -> ConfigError {
        ConfigError::Value {
            place: self.values.get(key).map_or_else(String::new, |given| given.place.clone()),
            key: key.to_owned(),
            given: given.to_owned(),
            accepted: accepted.to_owned(),
        }
    }

    fn address(&self, path: &str) -> Result<Option<SocketAddr>, ConfigError> {
        self.parsed(path, |text| text.parse().ok())
    }

    fn choice(&self, path: &str) -> Result<Option<String>, ConfigError> {
        let keys::Kind::Choice(choices) = keys::find(path).map_or(keys::Kind::Text, |key| key.kind) else {
            return Ok(self.text(path));
        };
        self.parsed(path, |text| choices.contains(&text).then(|| text.to_owned()))
    }

    fn duration(&self, path: &str, default: Duration, least: Duration) -> Result<Duration, ConfigError> {
        let given = self.parsed(path, |text| duration(text).ok().filter(|given| *given >= least))?;
        Ok(given.unwrap_or(default))
    }

    fn number(&self, path: &str, default: u64, most: u64) -> Result<u64, ConfigError> {
        Ok(self.parsed(path, |text| text.parse().ok().filter(|given| *given <= most))?.unwrap_or(default))
    }

    fn parsed<T>(&self, path: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ConfigError> {
        let Some(given) = self.values.get(path) else { return Ok(None) };
        parse(&given.text).map(Some).ok_or_else(|| refused(path, given))
    }

    /// Keys of the contract that this version does not act on are errors: silence would look like success.
    fn refuse_what_comes_later(&self) -> Result<(), ConfigError> {
        let entries = self.values.entries("exchange").max(1);
        for key in keys::KEYS.iter().filter(|key| !key.refused.is_empty()) {
            for number in 0..entries {
                let path = key.path.replace('*', &number.to_string());
                if let Some(given) = self.values.get(&path) {
                    return Err(ConfigError::NotYet {
                        place: given.place.clone(),
                        key: path,
                        reason: key.refused,
                    });
                }
            }
        }
        Ok(())
    }

    fn throttle(&self) -> Result<Option<ThrottleLimits>, ConfigError> {
        if self.choice("throttle.mode")?.is_some_and(|mode| mode == "off") {
            return Ok(None);
        }
        let default = ThrottleLimits::default();
        let limit = |key: &str, default: u32| {
            let given = self.parsed(&format!("throttle.{key}"), |text| text.parse::<NonZeroU32>().ok());
            given.map(|given| given.map_or(default, NonZeroU32::get))
        };
        Ok(Some(ThrottleLimits {
            window: self.duration("throttle.window", default.window, Duration::from_secs(1))?,
            app_requests: limit("app_requests", default.app_requests)?,
            app_changes: limit("app_changes", default.app_changes)?,
            tenant_requests: limit("tenant_requests", default.tenant_requests)?,
            tenant_changes: limit("tenant_changes", default.tenant_changes)?,
        }))
    }

    fn audit_entries(&self) -> Result<u64, ConfigError> {
        const DEFAULT: u64 = 100_000;
        Ok(self
            .parsed("audit.keep", |text| text.parse().ok().filter(|keep| *keep >= 1000))?
            .unwrap_or(DEFAULT))
    }

    fn issuer(&self, number: usize) -> Result<TrustedIssuer, ConfigError> {
        let path = |key: &str| format!("auth.issuers.{number}.{key}");
        let audiences = self.required(&path("audience"))?;
        Ok(TrustedIssuer {
            issuer: self.required(&path("issuer"))?,
            audiences: audiences
                .split(',')
                .map(|one| one.trim().to_owned())
                .filter(|one| !one.is_empty())
                .collect(),
            tid: self.text(&path("tid")),
            tenant: self.parsed(&path("tenant"), |text| text.to_ascii_lowercase().parse().ok())?,
            ca_file: self.path(&path("ca_file")),
        })
    }

    fn connection(&self, number: usize) -> Result<ConnectionConfig, ConfigError> {
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
            Authentication::Basic(Account::new(
                self.required(&path("remoting.username"))?,
                self.required(&path("remoting.password_file"))?,
            )),
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

fn refused(path: &str, given: &Given) -> ConfigError {
    ConfigError::Value {
        place: given.place.clone(),
        key: path.to_owned(),
        given: given.text.clone(),
        accepted: keys::find(path)
            .map(|key| format!("{} ({})", key.kind.accepted(), key.about))
            .unwrap_or_default(),
    }
}

/// The effective configuration for people; secrets stay in their files.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "listen = \"{}\"", self.listen)?;
        if let Some(url) = &self.public_url {
            writeln!(f, "public_url = {url:?}")?;
        }
        writeln!(f, "trusted_proxies = {:?}", self.trusted_proxies.networks())?;
        writeln!(f, "data = {:?}", self.data)?;
        writeln!(f, "\n[auth]\nmode = \"{}\"", if self.authenticated { "builtin" } else { "none" })?;
        match &self.throttle {
            None => writeln!(f, "\n[throttle]\nmode = \"off\"")?,
            Some(limits) => writeln!(
                f,
                "\n[throttle]\nmode = \"on\"\nwindow = \"{}s\"\napp_requests = {}\napp_changes = {}\n\
                 tenant_requests = {}\ntenant_changes = {}",
                limits.window.as_secs(),
                limits.app_requests,
                limits.app_changes,
                limits.tenant_requests,
                limits.tenant_changes,
            )?,
        }
        for issuer in &self.issuers {
            writeln!(
                f,
                "\n[[auth.issuers]]\nissuer = {:?}\naudience = {:?}",
                issuer.issuer, issuer.audiences
            )?;
            if let Some(tid) = &issuer.tid {
                writeln!(f, "tid = {tid:?}")?;
            }
            if let Some(tenant) = issuer.tenant {
                writeln!(f, "tenant = \"{tenant}\"")?;
            }
            if let Some(file) = &issuer.ca_file {
                writeln!(f, "ca_file = {file:?}")?;
            }
        }
        writeln!(f, "\n[audit]\nkeep = {}", self.audit_entries)?;
        if let Some((certificate, key)) = &self.tls {
            writeln!(f, "\n[tls]\ncert = {certificate:?}\nkey = {key:?}")?;
        }
        writeln!(f, "\n[cors]\norigins = {:?}", self.cors.origins())?;
        for connection in &self.connections {
            let account = connection.remoting.authentication.account();
            writeln!(
                f,
                "\n[[exchange]]\nname = {:?}\ntype = \"{}\"",
                connection.name,
                connection.connector_type.name()
            )?;
            if let Some(server) = &connection.server {
                writeln!(f, "server = {server:?}")?;
            }
            writeln!(
                f,
                "delta_interval = \"{}s\"\nfull_interval = \"{}s\"\n[exchange.remoting]\nurl = {:?}\n\
                 authentication = \"basic\"\nusername = {:?}\npassword_file = {:?}",
                connection.intervals.delta.as_secs(),
                connection.intervals.full.as_secs(),
                connection.remoting.url,
                account.username,
                account.password_file.as_deref().unwrap_or(Path::new("")),
            )?;
            if let Some(file) = &connection.remoting.roots.file {
                writeln!(f, "ca_file = {file:?}")?;
            }
            writeln!(
                f,
                "operation_timeout = \"{}s\"\n[exchange.guard]\nmax_loss_percent = {}\nmax_loss_devices = {}",
                connection.remoting.operation_timeout.as_secs(),
                connection.guard.max_loss_percent,
                connection.guard.max_loss_devices,
            )?;
        }
        Ok(())
    }
}
