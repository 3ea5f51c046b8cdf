use std::{fmt, path::PathBuf, time::Duration};

use exconn_model::Timestamp;
use uuid::Uuid;

use super::{
    assertion::{self, CertificateError},
    origin::{Origin, OriginError},
};
use crate::{Roots, RootsError, SecretError, SecretFile};

/// Largest page that Exchange Online sends, in objects.
pub(super) const MAX_PAGE_SIZE: u32 = 1000;

/// The cloud that an organisation lives in. It decides where exconn signs in and where Exchange Online is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Microsoft 365 worldwide, GCC included.
    #[default]
    Worldwide,
    /// Microsoft 365 GCC High.
    UsGovernment,
    /// Microsoft 365 DoD.
    UsGovernmentDod,
    /// Microsoft 365 operated by 21Vianet.
    China,
}

impl Cloud {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Worldwide, Self::UsGovernment, Self::UsGovernmentDod, Self::China];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Worldwide => "worldwide",
            Self::UsGovernment => "usGovernment",
            Self::UsGovernmentDod => "usGovernmentDod",
            Self::China => "china",
        }
    }

    /// The cloud of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.name() == name)
    }

    /// Where Exchange Online is.
    pub fn base_url(self) -> &'static str {
        match self {
            Self::Worldwide => "https://outlook.office365.com",
            Self::UsGovernment => "https://outlook.office365.us",
            Self::UsGovernmentDod => "https://outlook-dod.office365.us",
            Self::China => "https://outlook.office365.cn",
        }
    }

    /// Where applications sign in.
    pub fn authority(self) -> &'static str {
        match self {
            Self::Worldwide => "https://login.microsoftonline.com",
            Self::UsGovernment | Self::UsGovernmentDod => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }
}

/// How the application proves who it is (RFC 6749, section 4.4). The files are read at each sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCredential {
    /// A client secret.
    Secret(SecretFile),
    /// A certificate, whose key signs an assertion (RFC 7523) with RS256.
    Certificate {
        /// PEM file of the certificate that is registered with the application; the first one counts.
        certificate: PathBuf,
        /// PEM file of its RSA key. It may be the same file.
        key: PathBuf,
    },
}

impl ClientCredential {
    /// Whether one of the files was written after this moment.
    pub(super) fn changed_since(&self, moment: Timestamp) -> bool {
        match self {
            Self::Secret(file) => file.changed_since(moment),
            Self::Certificate { certificate, key } => {
                [certificate, key].into_iter().any(|path| SecretFile::new(path).changed_since(moment))
            }
        }
    }

    /// The file that a person would look at if it does not work.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Secret(file) => file.path().to_owned(),
            Self::Certificate { key, .. } => key.clone(),
        }
    }
}

/// How to reach an organisation in Exchange Online.
#[derive(Clone)]
pub struct OnlineConfig {
    /// The tenant's id.
    pub tenant_id: Uuid,
    /// The application's (client) id.
    pub client_id: Uuid,
    /// How the application proves who it is.
    pub credential: ClientCredential,
    /// The cloud that the organisation lives in.
    pub cloud: Cloud,
    /// Address of Exchange Online, instead of the cloud's: scheme, host and port. The token's scope follows it.
    pub base_url: Option<String>,
    /// Address of the sign-in service, instead of the cloud's: scheme, host and port.
    pub authority: Option<String>,
    /// Path of the interface up to the tenant's id, without slashes at its ends.
    pub api_path: String,
    /// An administrator's address, for people: the interface needs none.
    pub primary_smtp_address: Option<String>,
    /// Objects of a page, 2 to 1000.
    pub page_size: u32,
    /// Longest wait for a connection, TLS handshake included.
    pub connect_timeout: Duration,
    /// Longest wait for a whole answer after a request.
    pub request_timeout: Duration,
    /// Mailboxes that are asked at the same time, 1 or 2.
    pub statistics_concurrency: usize,
    /// Whether nothing is ever to be changed, so that the right to change is not looked for.
    pub read_only: bool,
    /// Requests about single mailboxes per second to begin with, 0.1 to 100. A refusal halves the pace, success raises it
    /// again.
    pub requests_per_second: f64,
    /// The wait before the first repetition of a request that was refused for the moment. Each further one doubles it.
    pub first_wait: Duration,
    /// How long a change of a mailbox may take until it can be read back. What takes longer is no error, only no longer
    /// waited for.
    pub settle_timeout: Duration,
    /// Who may vouch for the servers' certificates. Not used over plain HTTP.
    pub roots: Roots,
}

impl OnlineConfig {
    /// A configuration for the worldwide cloud with the usual waits.
    pub fn new(tenant_id: Uuid, client_id: Uuid, credential: ClientCredential) -> Self {
        Self {
            tenant_id,
            client_id,
            credential,
            cloud: Cloud::Worldwide,
            base_url: None,
            authority: None,
            api_path: "adminapi/beta".into(),
            primary_smtp_address: None,
            page_size: MAX_PAGE_SIZE,
            connect_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(300),
            statistics_concurrency: 2,
            read_only: false,
            requests_per_second: 1.0,
            first_wait: Duration::from_secs(1),
            settle_timeout: Duration::from_secs(20),
            roots: Roots::default(),
        }
    }

    /// The addresses, if the whole configuration can work.
    pub(super) fn check(&self) -> Result<Addresses, ConfigError> {
        let base = Origin::parse(self.base_url.as_deref().unwrap_or(self.cloud.base_url()))?;
        let authority = Origin::parse(self.authority.as_deref().unwrap_or(self.cloud.authority()))?;
        let segments = self.api_path.split('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if segments
            .into_iter()
            .any(|part| part.is_empty() || part.starts_with('.') || !part.chars().all(is_plain))
        {
            return Err(ConfigError::Path { path: self.api_path.chars().take(200).collect() });
        }
        if !(2..=MAX_PAGE_SIZE).contains(&self.page_size) {
            return Err(ConfigError::PageSize);
        }
        if self.connect_timeout.is_zero() || self.request_timeout.is_zero() {
            return Err(ConfigError::Timeouts);
        }
        if !(1..=2).contains(&self.statistics_concurrency)
            || !(0.1..=100.0).contains(&self.requests_per_second)
        {
            return Err(ConfigError::Pace);
        }
        match &self.credential {
            ClientCredential::Secret(file) => {
                let failed = |source| ConfigError::Secret { path: file.path().to_owned(), source };
                file.read().map(drop).map_err(failed)?;
            }
            ClientCredential::Certificate { certificate, key } => {
                assertion::Signer::load(certificate, key).map(drop)?;
            }
        }
        if base.tls || authority.tls {
            self.roots.load()?;
        }
        Ok(Addresses { base, authority })
    }
}

/// Where Exchange Online and the sign-in service are.
pub(super) struct Addresses {
    pub(super) base: Origin,
    pub(super) authority: Origin,
}

impl fmt::Debug for OnlineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnlineConfig")
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("cloud", &self.cloud)
            .field("base_url", &self.base_url)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// What is wrong with an [`OnlineConfig`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An address cannot be used.
    #[error(transparent)]
    Address(#[from] OriginError),
    /// The path cannot be used.
    #[error("{path:?} is not a path such as adminapi/beta, without slashes at its ends")]
    Path {
        /// What was given.
        path: String,
    },
    /// Too few or too many objects in a page.
    #[error("a page has 2 to {MAX_PAGE_SIZE} objects")]
    PageSize,
    /// Zero time.
    #[error("the timeouts must be more than zero")]
    Timeouts,
    /// Too slow, too fast, or too many at a time.
    #[error("one or two mailboxes may be asked at a time, at 0.1 to 100 requests per second")]
    Pace,
    /// The client secret cannot be read.
    #[error("the file of the client secret {path}: {source}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SecretError,
    },
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The root certificates cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
}
