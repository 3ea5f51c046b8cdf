//! Every key of the configuration: the one description that checks it, reads it from the environment and writes the
//! schema.

use super::connections;

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Host and port.
    Address,
    Path,
    /// `30s`, `5m`, `24h`, `7d`.
    Duration,
    Number,
    /// true or false.
    Flag,
    /// Texts, in the environment separated by commas.
    List,
    /// One of these.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// What would be accepted, for people.
    pub(crate) fn accepted(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Address => "an address with a port such as \"127.0.0.1:8780\"".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Duration => "a duration such as \"30s\", \"5m\" or \"24h\"".to_owned(),
            Self::Number => "a whole number".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::List => "a list of texts such as [\"a\", \"b\"]".to_owned(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
        }
    }
}

/// A key; `*` stands for the number of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) about: &'static str,
    /// Why this version does not take it, and what to use; empty for keys that work.
    pub(crate) refused: &'static str,
}

pub(super) const fn key(path: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { path, kind, about, refused: "" }
}

const fn later(path: &'static str, about: &'static str, refused: &'static str) -> Key {
    Key { path, kind: Kind::Text, about, refused }
}

const SQLITE_ONLY: &str = "this version keeps its data in SQLite in the data directory; leave 'database' out";

/// The keys of the service itself.
const SERVICE: &[Key] = &[
    key("listen", Kind::Address, "Where the service listens. Default: 127.0.0.1:8780"),
    key(
        "public_url",
        Kind::Text,
        "Where clients reach the service; the base of links. Default: the address they connected to",
    ),
    key(
        "trusted_proxies",
        Kind::List,
        "Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host, or Forwarded, are believed. Default: none",
    ),
    key("data", Kind::Path, "Folder for database and keys. Default: exconn-data in the current folder"),
    later("database", "Another database than SQLite.", SQLITE_ONLY),
    key(
        "auth.mode",
        Kind::Choice(&["builtin", "none"]),
        "Who may call: holders of a token, or anyone (loopback only). Default: builtin",
    ),
    key(
        "auth.issuers.*.issuer",
        Kind::Text,
        "An OpenID Connect issuer whose tokens are accepted beside the built-in one's: https, as in their iss. Required",
    ),
    key("auth.issuers.*.audience", Kind::List, "What aud of its tokens must be, or one of several. Required"),
    key(
        "auth.issuers.*.tid",
        Kind::Text,
        "What tid of its tokens must be. Default: none, or this installation's tenant",
    ),
    key(
        "auth.issuers.*.tenant",
        Kind::Text,
        "The tenant (a GUID) whose data its callers see. Default: this installation's",
    ),
    key(
        "auth.issuers.*.ca_file",
        Kind::Path,
        "PEM file with the issuer of its certificate, if the system does not know it",
    ),
    key(
        "audit.keep",
        Kind::Number,
        "Entries of the audit that are kept of each tenant: the newest changes, and as many refusals and sign-ins, at least 1000. Default: 100000",
    ),
    key(
        "throttle.mode",
        Kind::Choice(&["on", "off"]),
        "Whether a caller that asks for too much is answered 429. Default: on",
    ),
    key(
        "throttle.window",
        Kind::Duration,
        "The time that the numbers below are for, at least 1s. Default: 20s",
    ),
    key("throttle.app_requests", Kind::Number, "Requests of one application or person. Default: 1000"),
    key("throttle.app_changes", Kind::Number, "Of these, requests that change something. Default: 100"),
    key("throttle.tenant_requests", Kind::Number, "Requests of all callers together. Default: 2000"),
    key("throttle.tenant_changes", Kind::Number, "Of these, requests that change something. Default: 200"),
    key(
        "tls.cert",
        Kind::Path,
        "PEM file with the service's certificate and its issuers; with it the service speaks HTTPS",
    ),
    key("tls.key", Kind::Path, "PEM file with the certificate's private key"),
    key(
        "cors.origins",
        Kind::List,
        "Origins whose pages may use the API from a browser; an empty list for none. Default: [\"*\"], all",
    ),
];

/// Every key.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    SERVICE.iter().chain(connections::keys())
}

/// The key that a full path such as `exchange.0.name` belongs to.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    let pattern = pattern(path);
    all().find(|key| key.path == pattern)
}

/// The known key that is most like an unknown one, if any is.
pub(crate) fn nearest(path: &str) -> Option<&'static str> {
    let pattern = pattern(path);
    let likeness = |key: &Key| strsim::jaro_winkler(key.path, &pattern);
    let best =
        all().filter(|key| key.refused.is_empty()).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(best.path)
}

fn pattern(path: &str) -> String {
    let parts = path.split('.').map(|part| if part.parse::<usize>().is_ok() { "*" } else { part });
    parts.collect::<Vec<_>>().join(".")
}
