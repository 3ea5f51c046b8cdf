//! What a server tells before it knows who asks.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use exconn_model::Timestamp;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use x509_parser::{extensions::GeneralName, prelude::FromDer, prelude::X509Certificate};

use super::{answer::http_date, target::Target};
use crate::{Roots, shorten::shortened, tls};

/// Most names of a certificate, and most schemes of a server, that are told.
const MOST_NAMES: usize = 20;

/// What is wrong, and what to change.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) seen: String,
    pub(super) cure: String,
}

impl Trouble {
    pub(super) fn new(seen: impl std::fmt::Display, cure: impl Into<String>) -> Self {
        Self { seen: shortened(&seen.to_string()), cure: cure.into() }
    }
}

/// The addresses of the server's name.
pub(super) async fn addresses(target: &Target, bound: Duration) -> Result<Vec<SocketAddr>, Trouble> {
    let host = &target.host;
    let cure = || {
        format!(
            "Correct the server's name in the address, or make {host} known to this machine's name service."
        )
    };
    let found = match timeout(bound, lookup_host((host.as_str(), target.port))).await {
        Ok(found) => found.map_err(|error| Trouble::new(error, cure()))?,
        Err(_) => return Err(Trouble::new(format_args!("no answer within {bound:?}"), cure())),
    };
    let found: Vec<_> = found.take(MOST_NAMES).collect();
    if found.is_empty() { Err(Trouble::new("the name has no address", cure())) } else { Ok(found) }
}

/// A connection to the first address that takes one.
pub(super) async fn connect(
    target: &Target,
    addresses: &[SocketAddr],
    bound: Duration,
) -> Result<TcpStream, Trouble> {
    let cure = || {
        let port = target.port;
        format!(
            "See that the server runs and IIS listens at port {port}, and that no firewall keeps this machine from it."
        )
    };
    match timeout(bound, TcpStream::connect(addresses)).await {
        Ok(stream) => stream.map_err(|error| Trouble::new(error, cure())),
        Err(_) => Err(Trouble::new(format_args!("no connection within {bound:?}"), cure())),
    }
}

/// A server's certificate, as far as a person needs to know it.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) issuer: String,
    pub(super) names: Vec<String>,
    pub(super) not_after: Timestamp,
}

/// Speaks TLS, with the checks that each connection makes.
pub(super) async fn secure(
    target: &Target,
    roots: &Roots,
    stream: TcpStream,
    bound: Duration,
) -> Result<(TlsStream<TcpStream>, Option<Certificate>), Trouble> {
    let no_roots = "Name a file in ca_file that exconn can read and that holds the certificate of your authority in PEM.";
    let store = roots.load().map_err(|error| Trouble::new(error, no_roots))?;
    let config = tls::client(store).map_err(|error| Trouble::new(error, no_roots))?;
    let name = ServerName::try_from(target.host.clone())
        .map_err(|error| Trouble::new(error, "Put the server's full name into the address."))?;
    let handshake = timeout(bound, TlsConnector::from(config).connect(name, stream)).await;
    let stream = handshake
        .map_err(|_| {
            Trouble::new(format_args!("no handshake within {bound:?}"), "See that the port speaks TLS.")
        })?
        .map_err(|error| refused(target, &error))?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.and_then(described);
    Ok((stream, certificate))
}

fn refused(target: &Target, error: &std::io::Error) -> Trouble {
    let host = &target.host;
    let Some(reason) = tls::refusal(error) else {
        let cure = "See that the port speaks TLS. Where it speaks plain HTTP, the address begins with http.";
        return Trouble::new(error, cure);
    };
    let mut cure = tls::cure(&reason, host);
    if tls::is_expired(&reason) {
        cure.push_str(
            "\nBind the new certificate to IIS in the Exchange Management Shell (Get-ExchangeCertificate shows its thumbprint, \
             which replaces THUMBPRINT here):\nEnable-ExchangeCertificate -Thumbprint THUMBPRINT -Services IIS",
        );
    }
    Trouble::new(reason, cure)
}

fn described(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|names| &names.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(shortened(name)),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    });
    Some(Certificate {
        issuer: shortened(&parsed.issuer().to_string()),
        names: names.take(MOST_NAMES).collect(),
        not_after: Timestamp::from_unix_seconds(parsed.validity().not_after.timestamp()),
    })
}

/// What a server answers to a request that proves nothing.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) status: StatusCode,
    /// The authentication schemes that it offers.
    pub(super) schemes: Vec<String>,
    /// What it says the time is.
    pub(super) date: Option<Timestamp>,
}

/// Posts nothing, without a password.
pub(super) async fn greet<S>(target: &Target, stream: S, bound: Duration) -> Result<Greeting, Trouble>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let cure = "Put the address of Exchange's PowerShell directory into the configuration, and do not confuse http with https.";
    match timeout(bound, post_nothing(target, stream)).await {
        Ok(greeting) => greeting.map_err(|error| Trouble::new(error, cure)),
        Err(_) => Err(Trouble::new(format_args!("no answer within {bound:?}"), cure)),
    }
}

async fn post_nothing<S>(
    target: &Target,
    stream: S,
) -> Result<Greeting, Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::post(target.path.as_str())
        .header(header::HOST, &target.authority)
        .header(header::CONTENT_LENGTH, 0)
        .header(header::USER_AGENT, concat!("exconn/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())?;
    let answer = tokio::select! {
        answer = sender.send_request(request) => answer?,
        ended = connection => {
            ended?;
            return Err("the server closed the connection without an answer".into());
        }
    };
    let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let offered = answer.headers().get_all(header::WWW_AUTHENTICATE).iter().filter_map(text);
    let schemes = offered.filter_map(|offer| offer.split(' ').next().map(shortened));
    Ok(Greeting {
        status: answer.status(),
        schemes: schemes.take(MOST_NAMES).collect(),
        date: answer.headers().get(header::DATE).and_then(text).and_then(|date| http_date(&date)),
    })
}
