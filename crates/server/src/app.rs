use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use exconn_model::{Clock, Entropy, TenantId};
use exconn_store::Store;

use crate::{
    agents::AgentRegistry,
    audit::Recorder,
    auth::Authentication,
    cors::Cors,
    identity::SignIns,
    throttle::{Throttle, ThrottleLimits},
    wire::{Compressor, Origin, TrustedProxies},
};

/// What an administrator can set about the API.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// The tenant that is served.
    pub tenant: TenantId,
    /// Whose pages may use the API from a browser.
    pub cors: Cors,
    /// Where clients reach the service, for instance `https://exconn.contoso.com`: the base of every link. Without it the
    /// links name the address that the client used if that is known to be the service's, else the one that it connected to.
    pub public_url: Option<String>,
    /// The proxies in front of the service: what they say of a request's client is believed.
    pub trusted_proxies: TrustedProxies,
    /// The address that the service listens at.
    pub listen: SocketAddr,
    /// Authenticates paging tokens; from the keyring.
    pub paging_secret: [u8; 32],
    /// Largest body of a request in bytes, before and after decompression.
    pub body_limit: usize,
    /// How much a caller may ask for; no bound where absent.
    pub throttle: Option<ThrottleLimits>,
    /// Entities of a page without `$top`.
    pub default_page: u32,
    /// Connections served at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// A client has so long for the head of a request, and may be idle so long between two.
    pub header_timeout: Duration,
    /// A client has so long for the body of a request.
    pub body_timeout: Duration,
    /// A client may leave an answer unread so long.
    pub write_timeout: Duration,
    /// Requests under way have so long to end after the shutdown began.
    pub drain: Duration,
}

impl AppConfig {
    /// The defaults.
    pub fn new(tenant: TenantId, listen: SocketAddr, paging_secret: [u8; 32]) -> Self {
        Self {
            tenant,
            cors: Cors::default(),
            public_url: None,
            trusted_proxies: TrustedProxies::default(),
            listen,
            paging_secret,
            body_limit: 1024 * 1024,
            throttle: Some(ThrottleLimits::default()),
            default_page: 100,
            max_connections: 1024,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Authentication is off, and others could reach the listener.
    #[error(
        "without authentication only a loopback address may be listened at, and {0} is none: use 127.0.0.1 or tokens"
    )]
    OpenToOthers(SocketAddr),
    /// Not an address that links can begin with.
    #[error("public_url must look like https://exconn.example.com, without a path: '{0}' does not")]
    PublicUrl(String),
}

/// The service: everything that answers a request. Cheap to clone.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Service>);

pub(crate) struct Service {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) authentication: Arc<Authentication>,
    pub(crate) agents: Arc<dyn AgentRegistry>,
    pub(crate) recorder: Recorder,
    pub(crate) sign_ins: SignIns,
    pub(crate) config: AppConfig,
    pub(crate) throttle: Option<Throttle>,
    pub(crate) compressor: Compressor,
    /// The base of every link, if it is configured.
    pub(crate) origin: Option<Arc<Origin>>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("tenant", &self.0.config.tenant).finish_non_exhaustive()
    }
}

impl App {
    /// Puts the service together.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        authentication: Authentication,
        config: AppConfig,
        agents: Arc<dyn AgentRegistry>,
    ) -> Result<Self, AppError> {
        let origin = match &config.public_url {
            None => None,
            Some(url) => Some(Arc::new(Origin::parse(url).ok_or_else(|| AppError::PublicUrl(url.clone()))?)),
        };
        let recorder = Recorder::new(store.clone(), clock.clone(), entropy.clone(), config.tenant);
        let mut config = config;
        if !authentication.is_required() && config.cors == Cors::default() {
            // Pages of all origins could do everything that is possible here: only those that are named may.
            config.cors = Cors::none();
        }
        let throttle = config.throttle.map(Throttle::new);
        let service = Service {
            store,
            clock,
            entropy,
            authentication: Arc::new(authentication),
            agents,
            recorder,
            sign_ins: SignIns::new(),
            config,
            throttle,
            compressor: Compressor::default(),
            origin,
        };
        let app = Self(Arc::new(service));
        app.may_listen_at(app.0.config.listen)?;
        Ok(app)
    }

    /// Whether this address is safe with this authentication.
    pub(crate) fn may_listen_at(&self, address: SocketAddr) -> Result<(), AppError> {
        if self.0.authentication.is_required() || address.ip().to_canonical().is_loopback() {
            Ok(())
        } else {
            Err(AppError::OpenToOthers(address))
        }
    }
}
