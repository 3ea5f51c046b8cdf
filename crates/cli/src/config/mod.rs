//! The configuration: file, environment, defaults.

mod api;
mod connections;
mod display;
mod keys;
mod reader;
mod schema;
mod source;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use exconn_server::{
    Cors, ThrottleLimits, TrustedProxies,
    auth::{IssuerError, TrustedIssuer},
};

use self::{reader::Reader, source::Values};

pub(crate) use connections::{ConnectionConfig, Road};
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
    #[error("{place}: '{key}' does not belong here: {reason}; leave it out")]
    NotHere { place: String, key: String, reason: &'static str },
    #[error("give '{one}' or '{other}', and not both")]
    Either { one: String, other: String },
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
