use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use exconn_model::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::{digest, signature};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// Largest file of a certificate or key, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// How long an assertion is valid, in seconds. The sign-in service takes at most a day; it is used at once.
const LIFETIME: i64 = 300;
/// How far the clocks may differ, in seconds.
const SKEW: i64 = 120;

/// Why a certificate cannot sign the application in.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct CertificateError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Signs client assertions (RFC 7523) with the key of a certificate.
pub(super) struct Signer {
    header: Header,
    key: EncodingKey,
    /// Its last moment.
    pub(super) not_after: Timestamp,
    /// What is remembered of it once it was refused.
    pub(super) secret: SecretString,
}

impl Signer {
    /// Reads certificate and key, and tries them.
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let wrong = |path: &Path, reason: &str| CertificateError { path: path.into(), reason: reason.into() };
        let pem = read(certificate)?;
        let der = CertificateDer::from_pem_slice(&pem)
            .map_err(|_| wrong(certificate, "it holds no certificate in PEM form"))?;
        let (_, parsed) = X509Certificate::from_der(&der)
            .map_err(|_| wrong(certificate, "its certificate cannot be read"))?;
        let key_pem = read(key)?;
        let no_key = "it holds no RSA private key of 2048 to 8192 bits in PEM form, without a passphrase";
        let signing_key = EncodingKey::from_rsa_pem(&key_pem).map_err(|_| wrong(key, no_key))?;
        let probe = jsonwebtoken::crypto::sign(b"probe", &signing_key, Algorithm::RS256)
            .map_err(|_| wrong(key, no_key))?;
        let signed = BASE64_URL_SAFE_NO_PAD.decode(probe).unwrap_or_default();
        let public = &parsed.public_key().subject_public_key.data;
        signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public)
            .verify(b"probe", &signed)
            .map_err(|_| wrong(key, &format!("it is not the key of {}", certificate.display())))?;
        let thumbprint = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &der));
        let header = Header {
            x5t: Some(thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            x5t_s256: Some(thumbprint(&digest::SHA256)),
            ..Header::new(Algorithm::RS256)
        };
        let not_after = Timestamp::from_unix_seconds(parsed.validity().not_after.timestamp());
        let secret = SecretString::from(String::from_utf8_lossy(&key_pem).into_owned());
        Ok(Self { header, key: signing_key, not_after, secret })
    }

    /// An assertion of this client for the token endpoint at `audience`.
    pub(super) fn assertion(
        &self,
        client: Uuid,
        audience: &str,
        now: Timestamp,
        id: Uuid,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let now = now.unix_seconds();
        let claims = json!({
            "aud": audience,
            "iss": client,
            "sub": client,
            "jti": id,
            "iat": now,
            "nbf": now - SKEW,
            "exp": now + LIFETIME,
        });
        jsonwebtoken::encode(&self.header, &claims, &self.key)
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let failed = |reason: String| CertificateError { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    // Room for all of it: a growing vector would leave copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_FILE + 1).unwrap_or_default()));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed(format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}
