//! One HTTP/1.1 connection, plain or TLS.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
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

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is opened when it is needed.
pub(super) struct Transport {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(root: &Uri, tls: bool, ca_file: Option<&Path>) -> Result<Self, String> {
        let host = root.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = root.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let tls = match tls {
            false => None,
            true => {
                let name =
                    ServerName::try_from(host.clone()).map_err(|_| format!("'{host}' is not a host name"))?;
                Some((TlsConnector::from(Arc::new(config(ca_file)?)), name))
            }
        };
        Ok(Self { host, port, tls, open: None })
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
        let mut standing = self.open.take();
        if let Some(sender) = &mut standing
            && sender.ready().await.is_err()
        {
            standing = None;
        }
        let mut sender = match standing {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        self.open = Some(sender);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(|error| error.to_string())?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            match &self.tls {
                None => talk(stream).await,
                Some((connector, name)) => {
                    let stream = connector.connect(name.clone(), stream).await;
                    talk(stream.map_err(|error| format!("TLS failed: {error}"))?).await
                }
            }
        };
        timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| "no connection within 10 s".to_owned())?
    }
}

async fn talk<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the service ended");
        }
    });
    Ok(sender)
}

fn config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A certificate of the system that rustls does not understand vouches for nobody.
        let _ = roots.add(certificate);
    }
    if let Some(file) = ca_file {
        let failed = |reason: String| format!("--ca-file {}: {reason}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))? {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
