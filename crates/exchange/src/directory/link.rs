use std::{path::PathBuf, sync::Arc, time::Duration};

use exconn_model::Clock;
use rasn_ldap::{ExtendedRequest, ProtocolOp, ResultCode};
use rustls::{ClientConfig, pki_types::ServerName};
use secrecy::SecretString;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{
    config::DirectoryConfig,
    connection::{Connection, Stream},
    failure,
    message::Operation,
    search::octets,
    target::Target,
};
use crate::{
    ExchangeError, SignIns,
    security::{self, ChannelBinding, Intent, Protection, sasl::Sasl},
    tcp, tls,
};

/// RFC 4511, 4.14.1.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// All that is needed to open connections to domain controllers: how, and as whom.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) config: DirectoryConfig,
    sign_ins: Arc<SignIns>,
    clock: Arc<dyn Clock>,
}

/// What a connection needs that is read anew each time one is opened.
pub(super) struct Credentials {
    password: Option<SecretString>,
    tls: Option<Arc<ClientConfig>>,
}

impl Link {
    pub(super) fn new(config: DirectoryConfig, sign_ins: Arc<SignIns>, clock: Arc<dyn Clock>) -> Self {
        Self { config, sign_ins, clock }
    }

    /// Opens a connection: password and root certificates are read, then TCP, TLS, and the bind.
    pub(super) async fn open(self: &Arc<Self>, target: &Target) -> Result<Connection, ExchangeError> {
        let credentials = self.credentials(target).await?;
        let connected = self.within_bound(target, self.connect(target, &credentials)).await?;
        self.bind(connected, credentials).await
    }

    /// Neither a connection nor a sign-in may take longer than configured.
    pub(super) async fn within_bound<T>(
        &self,
        target: &Target,
        opening: impl Future<Output = Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        match timeout(self.config.connect_timeout, opening).await {
            Ok(result) => result,
            Err(_) => Err(failure::unreachable(
                target,
                format_args!("no connection within {:?}", self.config.connect_timeout),
            )),
        }
    }

    /// Reads the password and, if TLS is used with this controller, the root certificates.
    pub(super) async fn credentials(self: &Arc<Self>, target: &Target) -> Result<Credentials, ExchangeError> {
        let (link, target) = (self.clone(), target.clone());
        let endpoint = target.clone();
        let reading = tokio::task::spawn_blocking(move || link.read_credentials(&target));
        reading.await.map_err(|error| failure::unreachable(&endpoint, error))?
    }

    fn read_credentials(&self, target: &Target) -> Result<Credentials, ExchangeError> {
        // The configuration answers for its own addresses, but not for those that the directory leads to.
        if !self.config.keeps_secrets_from_the_network(target) {
            return Err(failure::wrong_endpoint(
                target,
                "the password would go there in clear text: use ldaps, start_tls, or a mechanism that does not send it",
            ));
        }
        let account = self.config.authentication.account();
        let password = account.read_password().map_err(|error| ExchangeError::PasswordUnavailable {
            path: account.password_file.clone().unwrap_or_default(),
            reason: error.to_string(),
        })?;
        self.check_not_held(password.as_ref())?;
        let tls = if target.tls || self.config.start_tls {
            let failed = |reason: String| ExchangeError::Tls { endpoint: target.endpoint(), reason };
            let roots = self.config.roots.load().map_err(|error| failed(error.to_string()))?;
            Some(tls::client(roots).map_err(|error| failed(error.to_string()))?)
        } else {
            None
        };
        Ok(Credentials { password, tls })
    }

    fn check_not_held(&self, password: Option<&SecretString>) -> Result<(), ExchangeError> {
        self.sign_ins.check(&self.config.authentication.account().username, password, self.clock.now())
    }

    /// Signs in when it is its turn. A password that is refused is remembered, and not tried again for an hour unless it
    /// changes.
    pub(super) async fn bind(
        self: &Arc<Self>,
        (mut connection, binding): Connected,
        credentials: Credentials,
    ) -> Result<Connection, ExchangeError> {
        let (link, target) = (self.clone(), connection.target.clone());
        // By itself: what comes of a password is to be remembered, also if nobody waits for it any more.
        let binding = tokio::spawn(async move {
            let _turn = link.sign_ins.turn().await;
            let password = credentials.password.as_ref();
            link.check_not_held(password)?;
            let target = connection.target.clone();
            let bound = link.sign_in(&mut connection, binding, password);
            let bound = link.within_bound(&target, bound).await;
            let username = &link.config.authentication.account().username;
            link.sign_ins.tried(username, password, &bound, link.clock.now());
            bound.map(|()| connection)
        });
        binding.await.map_err(|error| failure::unreachable(&target, error))?
    }

    async fn sign_in(
        &self,
        connection: &mut Connection,
        binding: Option<ChannelBinding>,
        password: Option<&SecretString>,
    ) -> Result<(), ExchangeError> {
        let account = self.config.authentication.account();
        let (username, password) = (account.username.clone(), password.cloned());
        let Some((sasl, mechanism)) = self.config.authentication.sasl() else {
            let password = password.ok_or_else(|| ExchangeError::PasswordUnavailable {
                path: PathBuf::new(),
                reason: "no file is named".into(),
            })?;
            return connection.bind_simple(&username, &password).await;
        };
        // Active Directory refuses to seal what TLS seals already (MS-ADTS, 5.1.2.2).
        let by_tls = connection.target.tls || self.config.start_tls;
        let protection = if by_tls { Protection::ByTransport } else { Protection::Sealed };
        let intent = Intent {
            mechanism,
            credentials: match password {
                Some(password) => security::Credentials::Password { username, password },
                None => security::Credentials::System { username },
            },
            service: self.service(&connection.target),
            protection,
            binding,
            kerberos: self.config.kerberos.clone(),
            clock: self.clock.clone(),
        };
        let context = intent.context().map_err(|error| error.at(connection.target.endpoint()))?;
        connection.bind_sasl(sasl.name(), Sasl::new(sasl, context, protection)).await
    }

    /// The service principal name that tickets for this controller are asked for.
    pub(super) fn service(&self, target: &Target) -> String {
        self.config.service_principal.clone().unwrap_or_else(|| format!("ldap/{}", target.host))
    }

    /// TCP, and TLS if it is used with this controller.
    pub(super) async fn connect(
        &self,
        target: &Target,
        credentials: &Credentials,
    ) -> Result<Connected, ExchangeError> {
        let stream = connect(target, self.config.connect_timeout).await?;
        let speak = |stream| Connection::new(stream, target.clone(), self.config.search_timeout);
        let (stream, binding) = match &credentials.tls {
            None => return Ok((speak(Box::new(stream)), None)),
            Some(tls) if target.tls => secure(target, Box::new(stream), tls.clone()).await?,
            Some(tls) => {
                let stream = start_tls(speak(Box::new(stream))).await?;
                secure(target, stream, tls.clone()).await?
            }
        };
        Ok((speak(stream), binding))
    }
}

/// A connection over which nobody has signed in yet, and what binds a sign-in to its TLS.
pub(super) type Connected = (Connection, Option<ChannelBinding>);

/// Opens a connection to the first address of the controller that takes one.
pub(super) async fn connect(target: &Target, bound: Duration) -> Result<TcpStream, ExchangeError> {
    let connecting = tcp::connect(&target.host, target.port, target.is_loopback(), bound);
    connecting.await.map_err(|error| failure::unreachable(target, error))
}

async fn start_tls(mut connection: Connection) -> Result<Box<dyn Stream>, ExchangeError> {
    let request = ExtendedRequest { request_name: octets(START_TLS), request_value: None };
    let id = connection.send(ProtocolOp::ExtendedReq(request), Vec::new()).await?;
    match connection.receive(id).await?.operation {
        Operation::Extended(answer) if answer.result_code == ResultCode::Success => connection.into_stream(),
        Operation::Extended(answer) => {
            let reason = format!("it does not start TLS ({:?})", answer.result_code);
            Err(failure::wrong_endpoint(&connection.target, reason))
        }
        _ => Err(failure::wrong_endpoint(
            &connection.target,
            "it answers the start of TLS with something else",
        )),
    }
}

async fn secure(
    target: &Target,
    stream: Box<dyn Stream>,
    config: Arc<ClientConfig>,
) -> Result<(Box<dyn Stream>, Option<ChannelBinding>), ExchangeError> {
    let failed = |reason: String| ExchangeError::Tls { endpoint: target.endpoint(), reason };
    let name = ServerName::try_from(target.host.clone()).map_err(|error| failed(error.to_string()))?;
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(<[_]>::first);
            let binding = certificate.and_then(|certificate| ChannelBinding::to_server(certificate));
            Ok((Box::new(stream), binding))
        }
        Err(error) => match tls::refusal(&error) {
            Some(reason) => Err(failed(reason)),
            None => Err(failure::unreachable(target, error)),
        },
    }
}
