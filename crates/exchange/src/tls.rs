use std::{io, path::PathBuf, sync::Arc};

use exconn_model::Timestamp;
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
};

use crate::shorten::shortened;

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

/// Why TLS refused a server, if a handshake failed for its sake and not for the network's.
pub(crate) fn refusal(error: &io::Error) -> Option<String> {
    let refused = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match refused {
        rustls::Error::InvalidCertificate(problem) => of_certificate(problem),
        other => other.to_string(),
    })
}

const UNKNOWN_ISSUER: &str = "the issuer of the server's certificate is not known";
const OTHER_NAME: &str = "the server's certificate is not valid for";
const EXPIRED: &str = "the server's certificate expired";
const NOT_YET: &str = "the server's certificate is not valid yet";

fn of_certificate(problem: &CertificateError) -> String {
    let day = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_unix_seconds(seconds)
            .to_string()
            .chars()
            .take_while(|c| *c != 'T')
            .collect::<String>()
    };
    match problem {
        CertificateError::UnknownIssuer => UNKNOWN_ISSUER.into(),
        CertificateError::NotValidForName => format!("{OTHER_NAME} this name"),
        CertificateError::NotValidForNameContext { expected, presented } => {
            // A name is presented as `DnsName("ex01.contoso.com")`.
            let presented: Vec<_> =
                presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
            let presented = if presented.is_empty() { "none".to_owned() } else { presented.join(", ") };
            shortened(&format!("{OTHER_NAME} {}; its names are: {presented}", expected.to_str()))
        }
        CertificateError::Expired => EXPIRED.into(),
        CertificateError::ExpiredContext { not_after, .. } => format!("{EXPIRED} on {}", day(not_after)),
        CertificateError::NotValidYet => NOT_YET.into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("{NOT_YET}, but from {} on", day(not_before))
        }
        other => rustls::Error::InvalidCertificate(other.clone()).to_string(),
    }
}

/// Whether that is the reason.
pub(crate) fn is_expired(reason: &str) -> bool {
    reason.contains(EXPIRED)
}

/// What to change about a server that TLS refused for this reason.
pub(crate) fn cure(reason: &str, host: &str) -> String {
    if reason.contains(UNKNOWN_ISSUER) {
        format!(
            "Write the certificate of the authority that issued the certificate of {host} into a file, in PEM, and name the \
             file in ca_file. If it is a public authority, let {host} send the certificates in between."
        )
    } else if reason.contains(OTHER_NAME) {
        format!(
            "Use a name that stands in the certificate in the address, or give the server one for {host}."
        )
    } else if is_expired(reason) {
        format!("Renew the certificate of {host}. If it has not expired, set this machine's clock.")
    } else if reason.contains(NOT_YET) {
        format!("Set this machine's clock. If it is right, give {host} a certificate that is valid today.")
    } else {
        format!(
            "See that the port speaks TLS 1.2 or 1.3, with a certificate for server authentication that a trusted authority \
             issued for {host}."
        )
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn each_fault_of_a_certificate_is_told_in_words_and_has_a_cure() {
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_609_459_200));
        let named = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("ex01").unwrap(),
            presented: vec!["DnsName(\"mail.contoso.com\")".into()],
        };
        for (problem, told, cure) in [
            (CertificateError::UnknownIssuer, UNKNOWN_ISSUER, "ca_file"),
            (named, "not valid for ex01; its names are: mail.contoso.com", "one for ex01"),
            (
                CertificateError::ExpiredContext { time, not_after: time },
                "certificate expired on 2021-01-01",
                "Renew",
            ),
            (
                CertificateError::NotValidYetContext { time, not_before: time },
                "not valid yet, but from 2021-01-01 on",
                "clock",
            ),
            (CertificateError::BadSignature, "BadSignature", "server authentication"),
        ] {
            let error = io::Error::other(rustls::Error::InvalidCertificate(problem));
            let reason = refusal(&error).unwrap();
            assert!(reason.contains(told), "{reason}");
            assert!(super::cure(&reason, "ex01").contains(cure), "{reason}");
        }
        assert_eq!(refusal(&io::Error::other("the network")), None);
    }
}
