use std::{fmt, path::PathBuf, time::Duration};

use super::target::{Target, TargetError};
use crate::{
    Account, KerberosConfig, Roots, RootsError, SecretError,
    security::{Mechanism, sasl::SaslMechanism},
};

/// Largest page that a domain controller of Active Directory gives (`MaxPageSize`).
const MAX_PAGE: u32 = 1000;

/// How a connection proves who asks. Every way but the first seals what is said, unless TLS does, and may be used without TLS.
#[derive(Clone, Debug)]
pub enum DirectoryAuthentication {
    /// A simple bind (RFC 4513, 5.1) as `DOMAIN\user`, `user@domain` or a distinguished name. Refused without TLS, except to
    /// this machine itself.
    Simple(Account),
    /// Kerberos alone: the SASL mechanism `GSSAPI` (RFC 4752).
    Kerberos(Account),
    /// Kerberos, and NTLM where no ticket is to be had: the SASL mechanism `GSS-SPNEGO` (MS-ADTS, 5.1.1.1.2).
    Negotiate(Account),
    /// NTLM alone, in `GSS-SPNEGO`.
    Ntlm(Account),
}

impl DirectoryAuthentication {
    /// Whose name and password are used.
    pub fn account(&self) -> &Account {
        match self {
            Self::Simple(account)
            | Self::Kerberos(account)
            | Self::Negotiate(account)
            | Self::Ntlm(account) => account,
        }
    }

    /// Whose name and password are used, to be changed.
    pub fn account_mut(&mut self) -> &mut Account {
        match self {
            Self::Simple(account)
            | Self::Kerberos(account)
            | Self::Negotiate(account)
            | Self::Ntlm(account) => account,
        }
    }

    /// Whether a message would carry the password in a form that whoever sees the network can read.
    fn needs_secrecy(&self) -> bool {
        matches!(self, Self::Simple(_))
    }

    /// The SASL mechanism and what it carries; `None` for a simple bind.
    pub(super) fn sasl(&self) -> Option<(SaslMechanism, Mechanism)> {
        match self {
            Self::Simple(_) => None,
            Self::Kerberos(_) => Some((SaslMechanism::Gssapi, Mechanism::Kerberos)),
            Self::Negotiate(_) => Some((SaslMechanism::GssSpnego, Mechanism::Negotiate)),
            Self::Ntlm(_) => Some((SaslMechanism::GssSpnego, Mechanism::Ntlm)),
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
    /// Addresses of domain controllers, for instance `ldaps://dc01.contoso.com`. The first that can be reached and trusted
    /// tells which domains the forest has. Each domain is read from the first address of it in this list, else from whatever the
    /// domain's own name leads to, with the scheme and port of the first address.
    pub urls: Vec<String>,
    /// Whether a plain connection is turned into TLS before anything is said (RFC 4511, 4.14). Not used with `ldaps`.
    pub start_tls: bool,
    /// Who asks.
    pub authentication: DirectoryAuthentication,
    /// Where Kerberos finds its way.
    pub kerberos: KerberosConfig,
    /// Service principal name to ask tickets for; `ldap/` and the host of the address unless said otherwise. Controllers know
    /// their own full names, not addresses in numbers.
    pub service_principal: Option<String>,
    /// Who may vouch for the controllers' certificates. Not used without TLS.
    pub roots: Roots,
    /// Longest wait for a connection with TLS, and again for the bind.
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
            kerberos: KerberosConfig::default(),
            service_principal: None,
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
        self.check_account()?;
        self.check_kerberos()?;
        for target in &targets {
            if !self.keeps_secrets_from_the_network(target) {
                return Err(DirectoryConfigError::PlainText { url: target.to_string() });
            }
        }
        if self.connect_timeout.is_zero() || self.search_timeout.is_zero() {
            return Err(DirectoryConfigError::Timeouts);
        }
        if !(1..=MAX_PAGE).contains(&self.page_size) {
            return Err(DirectoryConfigError::PageSize);
        }
        if targets.iter().any(|target| target.tls || self.start_tls) {
            self.roots.load()?;
        }
        Ok(targets)
    }

    fn check_account(&self) -> Result<(), DirectoryConfigError> {
        let account = self.authentication.account();
        if account.username.contains(char::is_control) {
            return Err(DirectoryConfigError::Username);
        }
        let Some(path) = &account.password_file else {
            let by_ticket = matches!(
                self.authentication,
                DirectoryAuthentication::Kerberos(_) | DirectoryAuthentication::Negotiate(_)
            );
            let can = by_ticket && cfg!(feature = "gssapi");
            return if can { Ok(()) } else { Err(DirectoryConfigError::NoPassword) };
        };
        if account.username.is_empty() {
            return Err(DirectoryConfigError::Username);
        }
        let read = account.read_password();
        read.map(drop).map_err(|source| DirectoryConfigError::Password { path: path.clone(), source })
    }

    fn check_kerberos(&self) -> Result<(), DirectoryConfigError> {
        let account = self.authentication.account();
        if matches!(self.authentication, DirectoryAuthentication::Kerberos(_))
            && self.kerberos.realm.is_none()
            && account.password_file.is_some()
            && !account.username.contains(['\\', '@'])
        {
            return Err(DirectoryConfigError::Realm { username: account.username.clone() });
        }
        if self.kerberos.realm.as_deref().is_some_and(|realm| !is_name(realm)) {
            return Err(DirectoryConfigError::RealmName);
        }
        if let Some(kdc) = self.kerberos.unusable_kdc() {
            return Err(DirectoryConfigError::Kdc { kdc: kdc.to_owned() });
        }
        match self.service_principal.as_deref().map(|name| name.split_once('/')) {
            Some(Some((class, host))) if is_name(class) && is_name(host) => Ok(()),
            None => Ok(()),
            Some(_) => Err(DirectoryConfigError::ServicePrincipal),
        }
    }

    /// Whether nobody on the network can read the password when it is used with this controller.
    pub(super) fn keeps_secrets_from_the_network(&self, target: &Target) -> bool {
        !self.authentication.needs_secrecy() || target.tls || self.start_tls || target.is_loopback()
    }
}

/// Whether this can stand in a Kerberos name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@\\".contains(&byte))
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
    /// No password, where it takes one.
    #[error("no password file is named, and this way to sign in, or this build, needs one")]
    NoPassword,
    /// The user's realm is not known.
    #[error(
        "the realm of {username:?} is not known: write REALM\\user or user@realm, or configure the realm"
    )]
    Realm {
        /// The user.
        username: String,
    },
    /// The realm cannot be one.
    #[error("the Kerberos realm is empty or holds a character that no realm has")]
    RealmName,
    /// A KDC's address cannot be used.
    #[error("{kdc:?} is no address of a KDC, such as dc01.contoso.com or dc01.contoso.com:88")]
    Kdc {
        /// The address.
        kdc: String,
    },
    /// No service principal name.
    #[error("a service principal name looks like ldap/dc01.contoso.com")]
    ServicePrincipal,
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
