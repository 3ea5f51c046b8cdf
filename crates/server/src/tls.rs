//! The service's certificate.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use ring::digest::{SHA256, digest};
use rustls::{
    ServerConfig,
    client::verify_server_name,
    crypto::ring as provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};

const MAX_FILE: u64 = 1024 * 1024;
/// The name of HTTP/2 in TLS (RFC 9113, section 3.2).
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds no certificate in PEM form.
    #[error("{0} holds no certificate: it must be PEM, the server's certificate first, then its issuers")]
    NoCertificate(PathBuf),
    /// The file holds no private key in PEM form.
    #[error("{0} holds no private key: it must be PEM (PKCS#8, PKCS#1 or SEC1) and without a pass phrase")]
    NoKey(PathBuf),
    /// Certificate and key do not fit each other, or are of an unsupported kind.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[source] rustls::Error),
}

/// What TLS is served with. Clones share the certificate.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    certificate: Arc<Certificate>,
}

/// A certificate whose files can be read again. Handshakes take what was read last; connections go on with theirs.
#[derive(Debug)]
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// The files' content when they were last looked at, usable or not; none if they could not be read.
    seen: Mutex<Option<Content>>,
}

type Content = Vec<u8>;

/// Reads a certificate chain and its private key, both PEM files. TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
    let (chain_text, key_text) = (read(certificate)?, read(key)?);
    let current = parse(certificate, &chain_text, key, &key_text)?;
    let certificate = Arc::new(Certificate {
        chain: certificate.to_owned(),
        key: key.to_owned(),
        current: RwLock::new(current),
        seen: Mutex::new(Some(content(&chain_text, &key_text))),
    });
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_cert_resolver(certificate.clone());
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    Ok(Tls { config: Arc::new(config), certificate })
}

impl Tls {
    /// Reads both files again, for the handshakes to come. With an error everything stays as it was.
    ///
    /// Blocks while it reads.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.certificate.read_again(true).map(drop)
    }

    /// The same if the files have changed since they were last looked at; tells whether there is something new. Files that
    /// cannot be used are an error once, and then only when they have changed again: between the writing of one file and of
    /// the other they do not fit.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        self.certificate.read_again(false)
    }

    /// Whether the certificate is valid for this name or address.
    pub(crate) fn names(&self, name: &str) -> bool {
        let current = self.certificate.current();
        let (Some(certificate), Ok(name)) = (current.cert.first(), ServerName::try_from(name)) else {
            return false;
        };
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }
}

impl Certificate {
    fn current(&self) -> Arc<CertifiedKey> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read_again(&self, though_unchanged: bool) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let both = read(&self.chain).and_then(|chain| Ok((chain, read(&self.key)?)));
        let now = both.as_ref().ok().map(|(chain, key)| content(chain, key));
        if *seen == now && !though_unchanged {
            return Ok(false);
        }
        *seen = now;
        let (chain, key) = both?;
        let new = parse(&self.chain, &chain, &self.key, &key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// A digest of both files: the key itself stays nowhere but with rustls.
fn content(chain: &[u8], key: &[u8]) -> Content {
    [chain, key].iter().flat_map(|text| digest(&SHA256, text).as_ref().to_vec()).collect()
}

fn parse(
    chain_path: &Path,
    chain: &[u8],
    key_path: &Path,
    key: &[u8],
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| TlsError::NoCertificate(chain_path.to_owned()))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey(key_path.to_owned()))?;
    let pair = CertifiedKey::from_der(chain, key, &provider::default_provider());
    pair.map(Arc::new).map_err(TlsError::Unusable)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let error = |source| TlsError::Io { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(error)?.len();
    if size > MAX_FILE {
        return Err(error(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB")));
    }
    fs::read(path).map_err(error)
}
