//! A running service: store, agents and API put together. `serve` and `demo` differ only in what they pass in.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use exconn_exchange::Exchange;
use exconn_model::{Clock, Entropy, TenantId};
use exconn_server::{
    App, AppConfig, AppError, Cors, ServeError, ThrottleLimits, TrustedProxies,
    auth::{
        Authentication, IssueError, IssuerError, Keyring, KeyringError, Permission, TokenKind, TokenRequest,
        TrustedIssuer, issue_token,
    },
    serve,
    tls::{self, Tls, TlsError},
};
use exconn_store::{ConnectionIdentity, SqliteOptions, SqliteStore, Store, StoreError};
use exconn_sync::{Agent, AgentSettings, Signals, StatisticsSettings, plan::Guard, schedule::Intervals};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    registry::Registry,
    renewal::Renewal,
    system::{SystemClock, SystemEntropy},
};

/// How long a run stays with a process that gives no sign of life.
const LEASE: Duration = Duration::from_secs(30);
/// How often a run's progress is shown and its lease renewed.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long the end waits for sessions at Exchange to be given back.
const GIVING_BACK: Duration = Duration::from_secs(3);

/// What to run.
#[derive(Debug)]
pub(crate) struct ServiceSettings {
    /// The data directory; created if it does not exist.
    pub(crate) data: PathBuf,
    /// Where to listen; port 0 picks one.
    pub(crate) listen: SocketAddr,
    /// The base of links.
    pub(crate) public_url: Option<String>,
    /// The proxies in front of the service.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Whether callers need a token.
    pub(crate) authenticated: bool,
    /// Whose tokens are accepted beside the built-in issuer's.
    pub(crate) issuers: Vec<TrustedIssuer>,
    /// Entries of the audit that are kept.
    pub(crate) audit_entries: u64,
    /// How much a caller may ask for; no bound where absent.
    pub(crate) throttle: Option<ThrottleLimits>,
    /// Whose pages may use the API.
    pub(crate) cors: Cors,
    /// Certificate and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

/// One configured Exchange organisation.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) identity: ConnectionIdentity,
    pub(crate) exchange: Arc<dyn Exchange>,
    /// Whether it refuses to change anything.
    pub(crate) read_only: bool,
    pub(crate) intervals: Intervals,
    pub(crate) statistics: StatisticsSettings,
    pub(crate) guard: Guard,
}

/// Why the service did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error("cannot use the data directory {path}: {source}")]
    Data { path: PathBuf, source: io::Error },
    #[error("cannot open the database in {path}: {source}{}", cause(source))]
    Store { path: PathBuf, source: StoreError },
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error("cannot listen at {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("cannot issue a token: {0}")]
    Token(#[from] IssueError),
}

/// What is behind a store's error, in the form of an appendix.
fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default()
}

/// A service that accepts connections as soon as [`Service::until`] is awaited.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) store: Arc<dyn Store>,
    keyring: Keyring,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
    renewal: Renewal,
    app: App,
    signals: Signals,
    registry: Arc<Registry>,
    agents: JoinSet<()>,
}

impl Service {
    /// Opens the data directory and the listener.
    pub(crate) async fn open(settings: ServiceSettings) -> Result<Self, ServiceError> {
        let ServiceSettings {
            data,
            listen,
            public_url,
            trusted_proxies,
            authenticated,
            issuers,
            audit_entries,
            throttle,
            cors,
            tls,
        } = settings;
        create_private(&data).map_err(|source| ServiceError::Data { path: data.clone(), source })?;
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let options = SqliteOptions { audit_entries, ..SqliteOptions::default() };
        let store: Arc<dyn Store> = match SqliteStore::open(&data, options) {
            Ok(store) => Arc::new(store),
            Err(source) => return Err(ServiceError::Store { path: data, source }),
        };
        let keyring = Keyring::open_or_create(&data, &*entropy)?;
        let tls = tls.map(|(certificate, key)| tls::load(&certificate, &key)).transpose()?;
        let failed = |source| ServiceError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let authentication = if authenticated {
            Authentication::trusting(&keyring, issuers)?
        } else {
            Authentication::none(keyring.tenant())
        };
        let signals = Signals::default();
        let mut config = AppConfig::new(keyring.tenant(), address, *keyring.paging_secret());
        config.public_url = public_url;
        config.trusted_proxies = trusted_proxies;
        config.throttle = throttle;
        config.cors = cors;
        let registry = Arc::new(Registry::new(signals.clone()));
        let app = App::new(store.clone(), clock, entropy, authentication, config, registry.clone())?;
        let renewal = Renewal::new(tls.clone());
        let agents = JoinSet::new();
        Ok(Self { store, keyring, listener, address, tls, renewal, app, signals, registry, agents })
    }

    /// Where the service listens, as the base of URLs.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The tenant of this installation.
    pub(crate) fn tenant(&self) -> TenantId {
        self.keyring.tenant()
    }

    /// A token of the built-in issuer.
    pub(crate) fn token(
        &self,
        permissions: &[Permission],
        subject: &str,
        lifetime: Duration,
    ) -> Result<String, ServiceError> {
        let request = TokenRequest {
            permissions,
            kind: TokenKind::Application,
            subject,
            lifetime,
            now: SystemClock.now(),
            id: SystemEntropy.uuid(),
        };
        Ok(issue_token(&self.keyring, &request)?)
    }

    /// Keeps an Exchange organisation in sync from now on.
    pub(crate) fn connect(&mut self, connection: Connection) {
        let entropy = SystemEntropy;
        self.registry.add(&connection.identity.name, connection.exchange.clone(), connection.read_only);
        let agent = Agent {
            tenant: self.keyring.tenant(),
            settings: AgentSettings {
                intervals: connection.intervals,
                statistics: connection.statistics,
                guard: connection.guard,
                lease: LEASE,
                heartbeat: HEARTBEAT,
                owner: format!("{}/{}", std::process::id(), entropy.uuid()),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                host_name: gethostname::gethostname().to_string_lossy().into_owned(),
            },
            connection: connection.identity,
            exchange: connection.exchange,
            store: self.store.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(entropy),
            signals: self.signals.clone(),
        };
        self.agents.spawn(agent.run());
    }

    /// Serves until `shutdown` is ready. Agents stop first; a run that this cuts off is taken up by the next process.
    pub(crate) async fn until(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ServiceError> {
        let Self { listener, tls, renewal, app, mut agents, registry, .. } = self;
        agents.spawn(renewal.watch());
        let stopped = async move {
            shutdown.await;
            agents.shutdown().await;
        };
        let served = serve(listener, tls, app, stopped).await;
        // Exchange would keep what is left open there, and count it, for a quarter of an hour.
        registry.close(GIVING_BACK).await;
        Ok(served?)
    }
}

/// Creates the data directory for its owner alone; one that exists stays as it is.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
