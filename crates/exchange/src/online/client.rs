use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{inflate::inflate, origin::Origin};
use crate::{ExchangeError, Roots, tls};

/// Connections that wait for their next request. No more are ever busy at a time than a listing and two mailboxes need.
const MAX_IDLE: usize = 3;

/// HTTP/1.1 to one server. Connections are opened when they are needed and used again; no redirect is followed, and no
/// proxy of the environment is used.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) origin: Origin,
    roots: Roots,
    pub(super) connect_timeout: Duration,
    request_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
}

/// A request, apart from where it goes. Its body may hold a secret, so it cannot be shown.
pub(super) struct Post {
    pub(super) path: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether a second arrival would do harm, so that a connection that may have been closed is not good enough.
    pub(super) on_new_connection: bool,
    /// Bytes of an answer, with and without its compression.
    pub(super) most: usize,
}

/// A complete answer without its compression. Its body may hold a token, so it cannot be shown.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body, or why it cannot be read.
    pub(super) body: Result<Vec<u8>, String>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    pub(super) fn new(
        origin: Origin,
        roots: Roots,
        connect_timeout: Duration,
        request_timeout: Duration,
    ) -> Self {
        Self { origin, roots, connect_timeout, request_timeout, idle: Mutex::default() }
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn post(&self, post: Post) -> Result<Answer, ExchangeError> {
        let mut connection = match self.idle_connection(post.on_new_connection).await {
            Some(connection) => connection,
            None => self.open().await?,
        };
        let most = post.most;
        let request = self.request(post)?;
        let exchange = async {
            let response =
                connection.sender.send_request(request).await.map_err(|error| self.failure(&error))?;
            let (head, body) = response.into_parts();
            let body = self.read(body, most).await?;
            Ok(Answer {
                status: head.status,
                body: inflate(&head.headers, body, most),
                headers: head.headers,
            })
        };
        let answer = match timeout(self.request_timeout, exchange).await {
            Ok(answer) => answer?,
            Err(_) => {
                return Err(self.unreachable(&format_args!("no answer within {:?}", self.request_timeout)));
            }
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
        Ok(answer)
    }

    async fn idle_connection(&self, new_wanted: bool) -> Option<Connection> {
        if new_wanted {
            return None;
        }
        loop {
            let mut connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            // The server may have ended it since.
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn request(&self, post: Post) -> Result<Request<Full<Bytes>>, ExchangeError> {
        let host = self.origin.host_header().ok_or_else(|| self.wrong_endpoint("its name cannot be sent"))?;
        let mut request = Request::new(Full::new(post.body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = post.path.into();
        *request.headers_mut() = post.headers;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let agent = HeaderValue::from_static(concat!("exconn/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, agent);
        Ok(request)
    }

    async fn read(&self, mut body: Incoming, most: usize) -> Result<Vec<u8>, ExchangeError> {
        let expected = hyper::body::Body::size_hint(&body).lower();
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(most).min(most));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.failure(&error))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > most {
                    let reason = format!("an answer is larger than {most} bytes");
                    return Err(ExchangeError::ProtocolViolated { reason });
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(bytes)
    }

    async fn open(&self) -> Result<Connection, ExchangeError> {
        let opening = async {
            let addresses = self.resolve().await?;
            let stream = self.connect(&addresses).await?;
            if self.origin.tls {
                self.handshake(self.secure(stream).await?).await
            } else {
                self.handshake(stream).await
            }
        };
        match timeout(self.connect_timeout, opening).await {
            Ok(connection) => connection,
            Err(_) => Err(self.unreachable(&format_args!("no connection within {:?}", self.connect_timeout))),
        }
    }

    /// The addresses of the server's name.
    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, ExchangeError> {
        let host = (self.origin.host.as_str(), self.origin.port);
        let found = lookup_host(host).await.map_err(|error| self.unreachable(&error))?;
        // A name service must not lead secrets that may only go to this machine elsewhere.
        let only_here = !self.origin.tls;
        let addresses: Vec<_> = found.filter(|address| !only_here || address.ip().is_loopback()).collect();
        if addresses.is_empty() {
            return Err(self.unreachable(&"its name has no address"));
        }
        Ok(addresses)
    }

    /// A connection to the first address that takes one. Each has its share of the time.
    pub(super) async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ExchangeError> {
        let share = self.connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(|error| self.unreachable(&error))?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(self.unreachable(&failure))
    }

    /// TLS over a connection. Reads the root certificates.
    pub(super) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, ExchangeError> {
        let roots = self.roots.clone();
        let load = move || -> Result<Arc<ClientConfig>, String> {
            let roots = roots.load().map_err(|error| error.to_string())?;
            tls::client(roots).map_err(|error| error.to_string())
        };
        let loaded = tokio::task::spawn_blocking(load).await.map_err(|error| self.unreachable(&error))?;
        let config = loaded.map_err(|reason| self.tls_failed(&reason))?;
        let name = ServerName::try_from(self.origin.host.clone()).map_err(|error| self.tls_failed(&error))?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| self.failure(&error))
    }

    async fn handshake<S>(&self, stream: S) -> Result<Connection, ExchangeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.failure(&error))?;
        // What breaks the connection also breaks the request that is under way, and is reported there.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { sender, driver })
    }

    pub(super) fn unreachable(&self, reason: &dyn std::fmt::Display) -> ExchangeError {
        ExchangeError::Unreachable { endpoint: self.origin.endpoint(), reason: reason.to_string() }
    }

    pub(super) fn wrong_endpoint(&self, reason: impl Into<String>) -> ExchangeError {
        ExchangeError::WrongEndpoint { url: self.origin.to_string(), reason: reason.into() }
    }

    fn tls_failed(&self, reason: &dyn std::fmt::Display) -> ExchangeError {
        ExchangeError::Tls { endpoint: self.origin.endpoint(), reason: reason.to_string() }
    }

    /// A broken handshake, connection or answer: TLS's fault if TLS says so.
    fn failure(&self, error: &(dyn std::error::Error + 'static)) -> ExchangeError {
        let mut cause = Some(error);
        while let Some(one) = cause {
            if let Some(refusal) = one.downcast_ref::<io::Error>().and_then(tls::refusal) {
                return self.tls_failed(&refusal);
            }
            if let Some(error) = one.downcast_ref::<hyper::Error>() {
                if error.is_parse() {
                    return self.wrong_endpoint(format!("the answer is not HTTP/1.1 ({error})"));
                }
                if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
                    return self
                        .unreachable(&"the server closed the connection before its answer was complete");
                }
            }
            cause = one.source();
        }
        self.unreachable(&error)
    }
}
