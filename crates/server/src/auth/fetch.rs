//! How an issuer's documents come here: one `GET` over a connection of its own, bounded in every way.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, StatusCode, Uri,
    header::{ACCEPT, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// A document takes at most so long, from the look-up of the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a document.
const MAX_DOCUMENT: usize = 512 * 1024;

/// Why a document did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0} is not an https address; http is accepted for loopback only")]
    Address(String),
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("the connection broke")]
    Http(#[source] hyper::Error),
    #[error("answered {0} instead of 200")]
    Status(StatusCode),
    #[error("the answer broke off, or has more than {MAX_DOCUMENT} bytes")]
    Body,
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
}

/// Why issuers of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read, or is not PEM.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// This machine's TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

/// Gets documents.
#[derive(Clone)]
pub(super) struct Fetcher {
    tls: Arc<ClientConfig>,
}

impl Fetcher {
    /// Trusts what the system trusts, and the certificates of a PEM file.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, RootsError> {
        let mut roots = RootCertStore::empty();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // A certificate of the system that rustls does not understand vouches for nobody.
            let _ = roots.add(certificate);
        }
        if let Some(path) = ca_file {
            let failed = |reason: String| RootsError::File { path: path.to_owned(), reason };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
            let mut found = false;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
                found = true;
            }
            if !found {
                return Err(failed("it holds no certificate in PEM form".to_owned()));
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(RootsError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(config) })
    }

    /// The document at an address. Redirects are not followed: an issuer's documents are where it says.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        let uri = address(url)?;
        timeout(PATIENCE, self.fetch(&uri)).await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn fetch(&self, uri: &Uri) -> Result<Bytes, FetchError> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(FetchError::Connect)?;
        if !secure {
            return ask(stream, uri).await;
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| FetchError::Connect(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let connector = TlsConnector::from(self.tls.clone());
        ask(connector.connect(name, stream).await.map_err(FetchError::Connect)?, uri).await
    }
}

/// An address that documents may come from.
pub(super) fn address(url: &str) -> Result<Uri, FetchError> {
    let refused = || FetchError::Address(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| refused())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(refused)?;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let is_safe = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(host),
        _ => false,
    };
    if is_safe && !has_user { Ok(uri) } else { Err(refused()) }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn ask<S>(stream: S, uri: &Uri) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(FetchError::Http)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("exconn/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Address(uri.to_string()))?;
    let talk = async {
        let answer = sender.send_request(request).await.map_err(FetchError::Http)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), MAX_DOCUMENT).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|_| FetchError::Body)
    };
    // The connection is driven here and not by a task of its own, so that it ends with the request.
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        answer = &mut talk => answer,
        ended = connection => match ended {
            Ok(()) => talk.await,
            Err(error) => Err(FetchError::Http(error)),
        },
    }
}
