use std::{fmt, path::PathBuf, time::Duration};

use super::target::{Target, TargetError};
use crate::{Account, Roots, RootsError, SecretError};

/// Largest page that a domain controller of Active Directory gives (`MaxPageSize`).
const MAX_PAGE: u32 = 1000;

/// How a connection proves who asks.
#[derive(Clone, Debug)]
pub enum DirectoryAuthentication {
    /// A simple bind (RFC 4513, 5.1) as `DOMAIN\user`, `user@domain` or a distinguished name. Refused without TLS, except to
    /// this machine itself.
    Simple(Account),
}

impl DirectoryAuthentication {
    /// Whose name and password are used.
    pub fn account(&self) -> &Account {
        match self {
            Self::Simple(account) => account,
        }
    }

    /// Whether a message would carry the password in a form that whoever sees the network can read.
    fn needs_secrecy(&self) -> bool {
        match self {
            Self::Simple(_) => true,
        }
    }
}

/// How changes are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Feed {
    /// By DirSync where the controller offers it, else by numbers of changes.
    #[default]
    Auto,
    /// By DirSync (MS-ADTS, 3.1.1.3.4.1.3): what it remembers is understood by every controller of a domain.
    DirSync,
    /// By each object's `uSNChanged`, which means something to one controller alone.
    UsnChanged,
}

/// How to reach the Active Directory of an Exchange organisation.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// Addresses of domain controllers, for instance `ldaps://dc01.contoso.com`. The first that can be reached tells which
    /// domains the forest has. Each domain is read from the first address of it in this list, else from whatever the
    /// domain's own name leads to, with the scheme and port of the first address.
    pub urls: Vec<String>,
    /// Whether a plain connection is turned into TLS before anything is said (RFC 4511, 4.14). Not used with `ldaps`.
    pub start_tls: bool,
    /// Who asks.
    pub authentication: DirectoryAuthentication,
    /// Who may vouch for the controllers' certificates. Not used without TLS.
    pub roots: Roots,
    /// Longest wait for a connection, with TLS and the bind.
    pub connect_timeout: Duration,
    /// Longest wait for the next message of an answer.
    pub search_timeout: Duration,
    /// How many objects are asked for at once, 1 to 1000.
    pub page_size: u32,
    /// How changes are found.
    pub feed: Feed,
}

impl DirectoryConfig {
    /// A configuration with the usual waits and bounds: 15 s to connect, 60 s for the next message, pages of 1000 objects.
    pub fn new(urls: Vec<String>, authentication: DirectoryAuthentication) -> Self {
        Self {
            urls,
            start_tls: false,
            authentication,
            roots: Roots::default(),
            connect_timeout: Duration::from_secs(15),
            search_timeout: Duration::from_secs(60),
            page_size: MAX_PAGE,
            feed: Feed::Auto,
        }
    }

    /// The addresses, if the whole configuration can work.
    pub(super) fn check(&self) -> Result<Vec<Target>, DirectoryConfigError> {
        let targets = self.urls.iter().map(|url| Target::parse(url)).collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            return Err(DirectoryConfigError::NoUrl);
        }
        let account = self.authentication.account();
        if account.username.is_empty() || account.username.contains(char::is_control) {
            return Err(DirectoryConfigError::Username);
        }
        for target in &targets {
            if self.authentication.needs_secrecy() && !self.is_secret_to(target) {
                return Err(DirectoryConfigError::PlainText { url: target.to_string() });
            }
        }
        if self.connect_timeout.is_zero() || self.search_timeout.is_zero() {
            return Err(DirectoryConfigError::Timeouts);
        }
        if !(1..=MAX_PAGE).contains(&self.page_size) {
            return Err(DirectoryConfigError::PageSize);
        }
        account.read_password().map_err(|source| DirectoryConfigError::Password {
            path: account.password_file.clone(),
            source,
        })?;
        if targets.iter().any(|target| target.tls || self.start_tls) {
            self.roots.load()?;
        }
        Ok(targets)
    }

    /// Whether nobody on the network can read what is said to this controller.
    pub(super) fn is_secret_to(&self, target: &Target) -> bool {
        target.tls || self.start_tls || target.is_loopback()
    }
}

/// What is wrong with a [`DirectoryConfig`].
#[derive(Debug, thiserror::Error)]
pub enum DirectoryConfigError {
    /// No address.
    #[error("no domain controller is named: give at least one address such as ldaps://dc01.contoso.com")]
    NoUrl,
    /// An address cannot be used.
    #[error(transparent)]
    Url(#[from] TargetError),
    /// No user.
    #[error("the user name is empty or contains a control character")]
    Username,
    /// The password would be readable on the network.
    #[error(
        "{url} would send the password in clear text: use ldaps, start_tls, or a mechanism that does not send it"
    )]
    PlainText {
        /// The address.
        url: String,
    },
    /// Zero time.
    #[error("the connect timeout and the search timeout must be more than zero")]
    Timeouts,
    /// No such page.
    #[error("the page size must be 1 to {MAX_PAGE}")]
    PageSize,
    /// The password cannot be read.
    #[error("the password file {}: {source}", path.display())]
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

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::DirSync => "DirSync",
            Self::UsnChanged => "uSNChanged",
        })
    }
}
