use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use exconn_model::Clock;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use secrecy::SecretString;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    authentication::{self, Authentication},
    config::RemotingConfig,
    connection::{Connection, Identification, Wire},
    handshake,
    target::Target,
};
use crate::{
    ExchangeError, KerberosConfig, SecretError, SignIns,
    security::{ChannelBinding, Credentials, Intent, Protection},
    tcp, tls,
};

/// All that is needed to open a connection: where, how, and as whom.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) request_timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sign_ins: Arc<SignIns>,
    connect_timeout: Duration,
    authentication: Authentication,
    service: String,
    kerberos: KerberosConfig,
    roots: tls::Roots,
}

/// What a connection needs that is read anew each time it is opened.
struct Secrets {
    password: Option<SecretString>,
    tls: Option<Arc<ClientConfig>>,
}

impl Link {
    pub(super) fn new(
        target: Target,
        config: &RemotingConfig,
        clock: Arc<dyn Clock>,
        sign_ins: Arc<SignIns>,
    ) -> Self {
        Self {
            service: config.service_principal.clone().unwrap_or_else(|| format!("HTTP/{}", target.host)),
            target,
            request_timeout: config.request_timeout,
            clock,
            sign_ins,
            connect_timeout: config.connect_timeout,
            authentication: config.authentication.clone(),
            kerberos: config.kerberos.clone(),
            roots: config.roots.clone(),
        }
    }

    /// Opens a connection: password and root certificates are read, then TCP, then TLS, then the sign-in.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Connection, ExchangeError> {
        let link = self.clone();
        let reading = tokio::task::spawn_blocking(move || link.read_secrets());
        let Secrets { password, tls } = reading.await.map_err(|error| self.unreachable(&error))??;
        let connecting = async {
            let stream = self.connect().await?;
            match tls {
                None => Ok((self.speak_http(stream).await?, None)),
                Some(config) => {
                    let stream = self.secure(stream, config).await?;
                    let binding = binding(&stream);
                    Ok((self.speak_http(stream).await?, binding))
                }
            }
        };
        let (wire, binding) = match timeout(self.connect_timeout, connecting).await {
            Ok(connected) => connected?,
            Err(_) => {
                return Err(
                    self.unreachable(&format_args!("no connection within {:?}", self.connect_timeout))
                );
            }
        };
        // By itself: what comes of a password is to be remembered, also if nobody waits for it any more.
        let link = self.clone();
        let identifying = tokio::spawn(async move { link.identify(wire, password, binding).await });
        identifying.await.map_err(|error| self.unreachable(&error))?
    }

    async fn identify(
        &self,
        wire: Wire,
        password: Option<SecretString>,
        binding: Option<ChannelBinding>,
    ) -> Result<Connection, ExchangeError> {
        let account = self.authentication.account();
        let username = account.username.clone();
        let Some(scheme) = self.authentication.scheme() else {
            let password = password.ok_or_else(|| self.no_password("no file is named"))?;
            let header = authentication::basic(&username, &password)
                .map_err(|error: SecretError| self.no_password(error))?;
            return Ok(Connection::new(wire, Identification::Basic { header, password }));
        };
        let _turn = self.sign_ins.turn().await;
        self.check_not_held(password.as_ref())?;
        let intent = Intent {
            mechanism: scheme.mechanism,
            credentials: match &password {
                Some(password) => Credentials::Password { username, password: password.clone() },
                None => Credentials::System { username },
            },
            service: self.service.clone(),
            // Where TLS makes sealing needless, SPNEGO's check of its own negotiation still needs the keys for it.
            protection: Protection::Sealed,
            binding,
            kerberos: self.kerberos.clone(),
            clock: self.clock.clone(),
        };
        let signing_in = handshake::sign_in(self, wire, scheme, intent);
        let connection = match timeout(self.request_timeout, signing_in).await {
            Ok(result) => result,
            Err(_) => Err(self.unreachable(&format_args!("no sign-in within {:?}", self.request_timeout))),
        };
        self.tried(password.as_ref(), &connection);
        connection
    }

    /// The service principal name that tickets are asked for.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    pub(super) fn unreachable(&self, reason: &dyn std::fmt::Display) -> ExchangeError {
        ExchangeError::Unreachable { endpoint: self.target.endpoint(), reason: reason.to_string() }
    }

    pub(super) fn wrong_endpoint(&self, reason: impl Into<String>) -> ExchangeError {
        ExchangeError::WrongEndpoint { url: self.target.to_string(), reason: reason.into() }
    }

    fn tls_failed(&self, reason: &dyn std::fmt::Display) -> ExchangeError {
        ExchangeError::Tls { endpoint: self.target.endpoint(), reason: reason.to_string() }
    }

    fn no_password(&self, reason: impl std::fmt::Display) -> ExchangeError {
        let path = self.authentication.account().password_file.clone().unwrap_or_default();
        ExchangeError::PasswordUnavailable { path, reason: reason.to_string() }
    }

    /// A broken handshake or connection: TLS's fault if TLS says so.
    pub(super) fn broken(&self, error: &(dyn std::error::Error + 'static)) -> ExchangeError {
        let mut cause = Some(error);
        while let Some(one) = cause {
            if let Some(refusal) = one.downcast_ref::<io::Error>().and_then(tls::refusal) {
                return self.tls_failed(&refusal);
            }
            cause = one.source();
        }
        self.unreachable(&error)
    }

    /// Fails if the password is to be left alone.
    pub(super) fn check_not_held(&self, password: Option<&SecretString>) -> Result<(), ExchangeError> {
        self.sign_ins.check(&self.authentication.account().username, password, self.clock.now())
    }

    /// Whether the password was accepted when it was tried last.
    pub(super) fn is_accepted(&self, password: &SecretString) -> bool {
        self.sign_ins.is_accepted(&self.authentication.account().username, password)
    }

    /// Remembers what came of trying the password.
    pub(super) fn tried<T>(&self, password: Option<&SecretString>, outcome: &Result<T, ExchangeError>) {
        self.sign_ins.tried(&self.authentication.account().username, password, outcome, self.clock.now());
    }

    fn read_secrets(&self) -> Result<Secrets, ExchangeError> {
        let password =
            self.authentication.account().read_password().map_err(|error| self.no_password(error))?;
        self.check_not_held(password.as_ref())?;
        let tls = if self.target.tls {
            let roots = self.roots.load().map_err(|error| self.tls_failed(&error))?;
            Some(tls::client(roots).map_err(|error| self.tls_failed(&error))?)
        } else {
            None
        };
        Ok(Secrets { password, tls })
    }

    async fn connect(&self) -> Result<TcpStream, ExchangeError> {
        let (target, bound) = (&self.target, self.connect_timeout);
        let connecting = tcp::connect(&target.host, target.port, target.is_loopback(), bound);
        connecting.await.map_err(|error| self.unreachable(&error))
    }

    async fn secure(
        &self,
        stream: TcpStream,
        config: Arc<ClientConfig>,
    ) -> Result<TlsStream<TcpStream>, ExchangeError> {
        let name = ServerName::try_from(self.target.host.clone()).map_err(|error| self.tls_failed(&error))?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| self.broken(&error))
    }

    async fn speak_http<S>(&self, stream: S) -> Result<Wire, ExchangeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection): (SendRequest<Full<Bytes>>, _) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        // What breaks the connection also breaks the request that is under way, and is reported there.
        let driver: JoinHandle<()> = tokio::spawn(async move { drop(connection.await) });
        Ok(Wire::new(sender, driver))
    }
}

fn binding(stream: &TlsStream<TcpStream>) -> Option<ChannelBinding> {
    let (_, session) = stream.get_ref();
    ChannelBinding::to_server(session.peer_certificates()?.first()?)
}
