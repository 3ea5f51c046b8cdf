use std::{io, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Largest file of root certificates, in bytes.
const MAX_ROOTS: u64 = 16 * 1024 * 1024;

/// Who may vouch for a server's certificate.
#[derive(Clone, Debug)]
pub struct Roots {
    /// Whether the authorities that this machine trusts are trusted.
    pub system: bool,
    /// PEM file of further authorities.
    pub file: Option<PathBuf>,
}

impl Default for Roots {
    /// The authorities that this machine trusts.
    fn default() -> Self {
        Self { system: true, file: None }
    }
}

/// Why there are no root certificates.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("cannot read the root certificates in {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nobody is trusted, so no handshake could succeed.
    #[error("no root certificate is trusted: this machine has none, and no file names any")]
    Empty,
}

impl Roots {
    /// Reads the certificates. Those of the machine that cannot be read are left out.
    pub(crate) fn load(&self) -> Result<RootCertStore, RootsError> {
        let mut store = RootCertStore::empty();
        if self.system {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if let Some(path) = &self.file {
            let failed = |reason: String| RootsError::File { path: path.clone(), reason };
            let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
            if length > MAX_ROOTS {
                return Err(failed(format!("it is larger than {MAX_ROOTS} bytes")));
            }
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let before = store.len();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                store.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
            if store.len() == before {
                return Err(failed("it holds no certificate in PEM form".into()));
            }
        }
        if store.is_empty() { Err(RootsError::Empty) } else { Ok(store) }
    }
}

/// TLS 1.2 and 1.3 with these roots, without a client certificate.
pub(crate) fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What rustls said, if a handshake failed for its sake and not for the network's.
pub(crate) fn refusal(error: &io::Error) -> Option<String> {
    let refused = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(refused.to_string())
}
