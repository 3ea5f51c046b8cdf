use jsonwebtoken::{Algorithm, DecodingKey};
use ring::digest;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    certificate::X509Certificate,
    oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY},
    prelude::FromDer,
    public_key::PublicKey,
};

use exconn_model::Timestamp;

use crate::auth::RSA_BITS;

/// Bytes of a certificate.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// Why a certificate is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("it is not one X.509 certificate in PEM form (-----BEGIN CERTIFICATE-----) of at most 16 KiB")]
    Malformed,
    #[error("its key must be RSA with 2048 to 8192 bits, or of the curve P-256")]
    Key,
}

/// An application's certificate. Nobody vouches for it but the administrator who registered it: its issuer is not
/// looked at.
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    /// `x5t` of assertions that its key signs, as bytes; in hexadecimal, what Windows shows as thumbprint.
    pub(crate) sha1: [u8; 20],
    /// `x5t#S256`.
    pub(crate) sha256: [u8; 32],
    /// The end of its validity.
    pub(crate) expires: Timestamp,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

impl Certificate {
    /// Reads the only certificate of a PEM text.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let mut found = CertificateDer::pem_slice_iter(pem.as_bytes());
        match (found.next(), found.next()) {
            (Some(Ok(der)), None) => Self::from_der(der.as_ref()),
            _ => Err(CertificateError::Malformed),
        }
    }

    /// Reads a certificate in DER form.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertificateError::Malformed);
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        if !rest.is_empty() {
            return Err(CertificateError::Malformed);
        }
        let (algorithms, key) = key(&parsed).ok_or(CertificateError::Key)?;
        let digest = |algorithm| digest::digest(algorithm, der);
        let (sha1, sha256) = (digest(&digest::SHA1_FOR_LEGACY_USE_ONLY), digest(&digest::SHA256));
        Ok(Self {
            der: der.to_vec(),
            sha1: sha1.as_ref().try_into().map_err(|_| CertificateError::Malformed)?,
            sha256: sha256.as_ref().try_into().map_err(|_| CertificateError::Malformed)?,
            expires: Timestamp::from_unix_seconds(parsed.validity().not_after.timestamp()),
            algorithms,
            key,
        })
    }

    /// The key, if it is one for this algorithm.
    pub(crate) fn key(&self, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.algorithms.contains(&algorithm).then_some(&self.key)
    }
}

fn key(certificate: &X509Certificate<'_>) -> Option<(&'static [Algorithm], DecodingKey)> {
    let info = certificate.public_key();
    let bits = info.subject_public_key.data.as_ref();
    match info.parsed().ok()? {
        PublicKey::RSA(rsa) if RSA_BITS.contains(&rsa.key_size()) => {
            Some((&[Algorithm::RS256, Algorithm::PS256], DecodingKey::from_rsa_der(bits)))
        }
        PublicKey::EC(_) if info.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            (curve == OID_EC_P256).then(|| (&[Algorithm::ES256][..], DecodingKey::from_ec_der(bits)))
        }
        _ => None,
    }
}
