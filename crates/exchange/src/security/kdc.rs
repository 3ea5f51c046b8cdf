//! The way to a realm's key distribution centres (RFC 4120, section 7.2.2: TCP, each message after its length in four bytes).

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{KerberosConfig, SecurityError};

/// Longest answer, in bytes: twice the largest ticket that Windows allows.
const MAX_ANSWER: usize = 131_072;
/// Longest wait for a KDC to take a connection, before the next is tried.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Most KDCs that are tried.
const MAX_TRIED: usize = 8;
/// The port that is meant where none is named.
const PORT: u16 = 88;

/// A KDC as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KdcAddress {
    host: String,
    port: u16,
}

impl KdcAddress {
    /// From `host`, `host:port`, `[address]` or `[address]:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let authority: http::uri::Authority = text.parse().ok()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        // `Authority::port` is silent about a port that is too large.
        let port = match text.strip_prefix(authority.host())? {
            "" => PORT,
            port => port.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)?,
        };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for KdcAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl KerberosConfig {
    /// The first of the KDCs whose name cannot be used.
    pub(crate) fn unusable_kdc(&self) -> Option<&str> {
        self.kdcs.iter().find(|kdc| KdcAddress::parse(kdc).is_none()).map(String::as_str)
    }
}

/// The KDCs to try for a realm: those of the configuration, else `krb5.conf`'s, else the realm's own name.
pub(super) fn of_realm(config: &KerberosConfig, realm: &str) -> Vec<KdcAddress> {
    let configured: Vec<_> = config.kdcs.iter().filter_map(|kdc| KdcAddress::parse(kdc)).collect();
    if !configured.is_empty() {
        return configured;
    }
    let named = ::sspi::detect_kdc_url(realm).and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(KdcAddress { host, port: url.port().unwrap_or(PORT) })
    });
    vec![named.unwrap_or_else(|| KdcAddress { host: realm.to_lowercase(), port: PORT })]
}

/// Sends one message to the first KDC that answers. `acceptable` says whether an answer is one, or another KDC is to be asked.
/// Message and answer carry their length in front.
pub(super) async fn ask(
    kdcs: &[KdcAddress],
    message: &[u8],
    acceptable: impl Fn(&[u8]) -> bool,
) -> Result<(String, Vec<u8>), SecurityError> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for kdc in kdcs.iter().take(MAX_TRIED) {
        match ask_one(kdc, message).await {
            Ok(answer) if acceptable(&answer) => return Ok((kdc.to_string(), answer)),
            Ok(_) => failure = io::Error::other("it says that it cannot serve now"),
            Err(error) => failure = error,
        }
    }
    let names: Vec<_> = kdcs.iter().take(MAX_TRIED).map(ToString::to_string).collect();
    Err(SecurityError::KdcUnreachable {
        kdc: names.join(", "),
        reason: format!("no key distribution centre answers ({failure})"),
    })
}

async fn ask_one(kdc: &KdcAddress, message: &[u8]) -> io::Result<Vec<u8>> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut stream =
        timeout(CONNECT, TcpStream::connect((kdc.host.as_str(), kdc.port))).await.map_err(late)??;
    timeout(ANSWER, exchange(&mut stream, message)).await.map_err(late)?
}

async fn exchange(stream: &mut TcpStream, message: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(message).await?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > MAX_ANSWER {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("an answer of {length} bytes")));
    }
    let mut answer = vec![0; prefix.len() + length];
    let (front, body) = answer.split_at_mut(prefix.len());
    front.copy_from_slice(&prefix);
    stream.read_exact(body).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kdcs_are_named_with_and_without_a_port() {
        for (text, shown) in [
            ("dc1.contoso.com", "dc1.contoso.com:88"),
            ("dc1:1088", "dc1:1088"),
            ("10.0.0.1", "10.0.0.1:88"),
            ("[fd00::1]:1088", "[fd00::1]:1088"),
            ("[fd00::1]", "[fd00::1]:88"),
        ] {
            assert_eq!(KdcAddress::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", ":88", "dc1:", "dc1:99999", "tcp://dc1", "a b", "user@dc1"] {
            assert_eq!(KdcAddress::parse(text), None, "{text}");
        }
    }
}
