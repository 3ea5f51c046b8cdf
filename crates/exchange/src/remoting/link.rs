use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{authentication::Authentication, config::RemotingConfig, connection::Connection, target::Target};
use crate::{ExchangeError, tls};

/// All that is needed to open a connection: where, how, and as whom.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) request_timeout: Duration,
    connect_timeout: Duration,
    authentication: Authentication,
    roots: tls::Roots,
}

/// What a connection needs that is read anew each time it is opened.
struct Credentials {
    authorization: HeaderValue,
    tls: Option<Arc<ClientConfig>>,
}

impl Link {
    pub(super) fn new(target: Target, config: &RemotingConfig) -> Self {
        Self {
            target,
            request_timeout: config.request_timeout,
            connect_timeout: config.connect_timeout,
            authentication: config.authentication.clone(),
            roots: config.roots.clone(),
        }
    }

    /// Opens a connection: password and root certificates are read, then TCP, then TLS.
    pub(super) async fn open(self: &Arc<Self>) -> Result<Connection, ExchangeError> {
        let link = self.clone();
        let reading = tokio::task::spawn_blocking(move || link.read_credentials());
        let Credentials { authorization, tls } =
            reading.await.map_err(|error| self.unreachable(&error))??;
        let connecting = async {
            let stream = self.connect().await?;
            match tls {
                None => self.handshake(stream, authorization).await,
                Some(config) => self.handshake(self.secure(stream, config).await?, authorization).await,
            }
        };
        match timeout(self.connect_timeout, connecting).await {
            Ok(result) => result,
            Err(_) => Err(self.unreachable(&format_args!("no connection within {:?}", self.connect_timeout))),
        }
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

    fn read_credentials(&self) -> Result<Credentials, ExchangeError> {
        let account = self.authentication.account();
        let authorization =
            self.authentication.authorization().map_err(|error| ExchangeError::PasswordUnavailable {
                path: account.password_file.clone(),
                reason: error.to_string(),
            })?;
        let tls = if self.target.tls {
            let roots = self.roots.load().map_err(|error| self.tls_failed(&error))?;
            Some(tls::client(roots).map_err(|error| self.tls_failed(&error))?)
        } else {
            None
        };
        Ok(Credentials { authorization, tls })
    }

    async fn connect(&self) -> Result<TcpStream, ExchangeError> {
        let host = (self.target.host.as_str(), self.target.port);
        let addresses = lookup_host(host).await.map_err(|error| self.unreachable(&error))?;
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            // A name service must not lead a password that may only go to this machine elsewhere.
            if self.target.is_loopback() && !address.ip().is_loopback() {
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(|error| self.unreachable(&error))?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(self.unreachable(&failure))
    }

    async fn secure(
        &self,
        stream: TcpStream,
        config: Arc<ClientConfig>,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, ExchangeError> {
        let name = ServerName::try_from(self.target.host.clone()).map_err(|error| self.tls_failed(&error))?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| self.broken(&error))
    }

    async fn handshake<S>(&self, stream: S, authorization: HeaderValue) -> Result<Connection, ExchangeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection): (SendRequest<Full<Bytes>>, _) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        // What breaks the connection also breaks the request that is under way, and is reported there.
        let driver: JoinHandle<()> = tokio::spawn(async move { drop(connection.await) });
        Ok(Connection::new(sender, driver, authorization))
    }
}
