use std::{fmt, path::PathBuf, time::Duration};

use super::{
    authentication::Authentication,
    target::{Target, TargetError},
};
use crate::{KerberosConfig, Roots, RootsError, SecretError};

/// How to reach an Exchange organisation by remote PowerShell.
#[derive(Clone)]
pub struct RemotingConfig {
    /// Address of the PowerShell virtual directory, for instance `https://ex01.contoso.com/PowerShell/`.
    pub url: String,
    /// Who asks.
    pub authentication: Authentication,
    /// Where Kerberos finds its way.
    pub kerberos: KerberosConfig,
    /// Service principal name to ask tickets for; `HTTP/` and the host of `url` unless said otherwise.
    pub service_principal: Option<String>,
    /// Who may vouch for the server's certificate. Not used over plain HTTP.
    pub roots: Roots,
    /// Longest wait for a connection, TLS handshake included.
    pub connect_timeout: Duration,
    /// How long the server may hold back an answer before it says that there is nothing yet; at least 1 s.
    pub operation_timeout: Duration,
    /// Longest wait for a whole answer after a request; longer than `operation_timeout`.
    pub request_timeout: Duration,
    /// How many times in a row the server may say that there is nothing yet before a listing is given up; at least 1.
    pub idle_polls: u32,
    /// Addresses of the organisation's other servers, in the order in which they stand in when `url` cannot be used.
    pub fallback_urls: Vec<String>,
    /// Runspaces that are open at the same time; from 1 to [`MAX_RUNSPACES`]. With more than one, statistics and a listing
    /// run side by side.
    pub max_runspaces: usize,
    /// How long an idle runspace is kept for the next question; at most [`MAX_IDLE_SESSION`], since Exchange ends idle
    /// shells after a quarter of an hour. Zero keeps none.
    pub idle_session: Duration,
    /// Longest wait for a runspace while all are busy.
    pub runspace_wait: Duration,
    /// Whether cmdlets that change anything are refused.
    pub read_only: bool,
}

/// Most runspaces of one connection: Exchange lets an account open 18, and others use the account's share too.
pub const MAX_RUNSPACES: usize = 16;
/// Longest time that an idle runspace is kept.
pub const MAX_IDLE_SESSION: Duration = Duration::from_secs(840);
/// Most servers of one organisation that can be configured beside the preferred one.
const MAX_FALLBACKS: usize = 15;

impl RemotingConfig {
    /// A configuration with the usual waits: 15 s to connect, answers within 60 s or an idle sign, given up after ten
    /// idle signs in a row. One server, one runspace, which is kept for five idle minutes and waited for up to ten.
    pub fn new(url: impl Into<String>, authentication: Authentication) -> Self {
        Self {
            url: url.into(),
            authentication,
            kerberos: KerberosConfig::default(),
            service_principal: None,
            roots: Roots::default(),
            connect_timeout: Duration::from_secs(15),
            operation_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(90),
            idle_polls: 10,
            fallback_urls: Vec::new(),
            max_runspaces: 1,
            idle_session: Duration::from_secs(300),
            runspace_wait: Duration::from_secs(600),
            read_only: false,
        }
    }

    /// The addresses, the preferred one first, if the whole configuration can work with each.
    pub(super) fn check_all(&self) -> Result<Vec<Target>, ConfigError> {
        if self.fallback_urls.len() > MAX_FALLBACKS
            || !(1..=MAX_RUNSPACES).contains(&self.max_runspaces)
            || self.idle_session > MAX_IDLE_SESSION
        {
            return Err(ConfigError::Runspaces);
        }
        let urls = std::iter::once(&self.url).chain(&self.fallback_urls);
        urls.map(|url| Self { url: url.clone(), ..self.clone() }.check()).collect()
    }

    /// The address, if the whole configuration can work.
    pub(super) fn check(&self) -> Result<Target, ConfigError> {
        let target = Target::parse(&self.url)?;
        self.check_account()?;
        self.check_kerberos()?;
        if self.authentication.needs_secrecy() && !target.tls && !target.is_loopback() {
            return Err(ConfigError::PlainText { url: target.to_string() });
        }
        if self.operation_timeout < Duration::from_secs(1) || self.request_timeout <= self.operation_timeout {
            return Err(ConfigError::Timeouts);
        }
        if self.connect_timeout.is_zero() || self.idle_polls == 0 {
            return Err(ConfigError::Bounds);
        }
        if target.tls {
            self.roots.load()?;
        }
        Ok(target)
    }

    fn check_account(&self) -> Result<(), ConfigError> {
        let account = self.authentication.account();
        let is_basic = matches!(self.authentication, Authentication::Basic(_));
        if account.username.contains(|c: char| c.is_control() || is_basic && c == ':') {
            return Err(ConfigError::Username);
        }
        let Some(path) = &account.password_file else {
            let by_ticket =
                matches!(self.authentication, Authentication::Kerberos(_) | Authentication::Negotiate(_));
            if !by_ticket || !cfg!(feature = "gssapi") {
                return Err(ConfigError::NoPassword);
            }
            let by_system = self.kerberos == KerberosConfig::default();
            return if by_system { Ok(()) } else { Err(ConfigError::KerberosOfSystem) };
        };
        if account.username.is_empty() {
            return Err(ConfigError::Username);
        }
        let read = account.read_password();
        read.map(drop).map_err(|source| ConfigError::Password { path: path.clone(), source })
    }

    fn check_kerberos(&self) -> Result<(), ConfigError> {
        let account = self.authentication.account();
        if self.authentication.needs_realm()
            && self.kerberos.realm.is_none()
            && account.password_file.is_some()
            && !account.username.contains(['\\', '@'])
        {
            return Err(ConfigError::Realm { username: account.username.clone() });
        }
        if self.kerberos.realm.as_deref().is_some_and(|realm| !is_name(realm)) {
            return Err(ConfigError::RealmName);
        }
        if let Some(kdc) = self.kerberos.unusable_kdc() {
            return Err(ConfigError::Kdc { kdc: kdc.to_owned() });
        }
        match self.service_principal.as_deref().map(|name| name.split_once('/')) {
            Some(Some((class, host))) if is_name(class) && is_name(host) => Ok(()),
            None => Ok(()),
            Some(_) => Err(ConfigError::ServicePrincipal),
        }
    }
}

/// Whether this can stand in a Kerberos name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@\\".contains(&byte))
}

impl fmt::Debug for RemotingConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemotingConfig")
            .field("url", &self.url)
            .field("authentication", &self.authentication)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a [`RemotingConfig`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address cannot be used.
    #[error(transparent)]
    Url(#[from] TargetError),
    /// No user, or one that cannot be sent: Basic has no colon in it (RFC 7617, section 2).
    #[error("the user name is empty, or contains a colon or a control character")]
    Username,
    /// The password would be readable on the network.
    #[error(
        "{url} would send the password in clear text: use https, or a loopback address (localhost, 127.0.0.1, [::1]) if \
         Exchange is reached through a tunnel on this machine"
    )]
    PlainText {
        /// The address.
        url: String,
    },
    /// There is no file of a password, and nothing to take its place.
    #[error(
        "there is no password_file: only kerberos and negotiate can do without, by a credential cache or a keytab, and only in \
         a build with the feature gssapi"
    )]
    NoPassword,
    /// What nobody would heed.
    #[error("without a password_file Kerberos takes realm and KDCs from krb5.conf: leave them out")]
    KerberosOfSystem,
    /// Kerberos would not know where to ask.
    #[error(
        "{username:?} has no domain: write DOMAIN\\\\user or user@domain, or say the realm of the account apart from it"
    )]
    Realm {
        /// The user.
        username: String,
    },
    /// Not the name of a realm.
    #[error("the realm is not a name such as CONTOSO.COM")]
    RealmName,
    /// Not an address of a KDC.
    #[error("{kdc:?} is not a key distribution centre: write host, or host:port")]
    Kdc {
        /// What was given.
        kdc: String,
    },
    /// Not a service principal name.
    #[error("the service principal is not a name such as HTTP/ex01.contoso.com")]
    ServicePrincipal,
    /// The operation timeout is under one second, or the request timeout is not longer than it.
    #[error(
        "the operation timeout must be at least 1 s, and the request timeout longer than the operation timeout"
    )]
    Timeouts,
    /// Zero time or zero polls.
    #[error("the connect timeout and the number of idle polls must be more than zero")]
    Bounds,
    /// Too many servers, no or too many runspaces, or runspaces that are kept longer than Exchange keeps them.
    #[error(
        "at most {MAX_FALLBACKS} further servers, 1 to {MAX_RUNSPACES} runspaces, and at most {} s of keeping an idle one",
        MAX_IDLE_SESSION.as_secs()
    )]
    Runspaces,
    /// The password cannot be read.
    #[error("the password file {path}: {source}")]
    Password {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SecretError,
    },
    /// The root certificates cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
}
