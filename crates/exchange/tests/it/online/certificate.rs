//! A certificate instead of a secret.

use std::{fs, path::PathBuf};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use exconn_exchange::{
    Exchange,
    online::{ClientCredential, ConfigError},
};
use exconn_model::Timestamp;
use exconn_testkit::{OnlinePeer, repository_root};
use rcgen::{CertificateParams, KeyPair};
use ring::{digest, signature};
use serde_json::Value;
use tempfile::TempDir;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    scripted::{Reply, Scripted, devices},
    setup::{Client, peer},
};

struct Files {
    folder: TempDir,
    der: Vec<u8>,
}

impl Files {
    /// A self-signed certificate of one of the workspace's RSA keys.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = fs::read_to_string(rsa("rsa-1")).unwrap();
        let pair = KeyPair::from_pem(&key).unwrap();
        let certificate = CertificateParams::new(vec!["exconn".into()]).unwrap().self_signed(&pair).unwrap();
        fs::write(folder.path().join("certificate.pem"), certificate.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), key).unwrap();
        Self { folder, der: certificate.der().to_vec() }
    }

    fn credential(&self) -> ClientCredential {
        let file = |name| self.folder.path().join(name);
        ClientCredential::Certificate { certificate: file("certificate.pem"), key: file("key.pem") }
    }
}

fn rsa(name: &str) -> PathBuf {
    repository_root().join(format!("crates/testkit/keys/{name}.pem"))
}

#[tokio::test]
async fn a_certificate_signs_in() {
    let files = Files::new();
    let peer = peer(&["--count", "4"]);
    let client = Client::with(peer.url(), |config| config.credential = files.credential());
    assert_eq!(client.all().await.unwrap().len(), 4);
    assert!(client.exchange.secrets_changed_since(Timestamp::from_unix_seconds(1_000_000_000)));
    assert!(!client.exchange.secrets_changed_since(Timestamp::MAX));
}

#[tokio::test]
async fn the_assertion_is_what_entra_takes() {
    let files = Files::new();
    let server = Scripted::start(|_| Reply::page(&devices(0..1)));
    let client = Client::with(&server.url, |config| config.credential = files.credential());
    client.all().await.unwrap();
    let body = &server.tokens()[0].body;
    assert!(!body.contains("client_secret"));
    let field = |name: &str| {
        let found = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap();
        found.replace("%2E", ".").replace("%2D", "-").replace("%5F", "_").replace("%3A", ":")
    };
    assert_eq!(field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let assertion = field("client_assertion");
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let (header, claims): (Value, Value) =
        (serde_json::from_slice(&decode(header)).unwrap(), serde_json::from_slice(&decode(claims)).unwrap());

    let thumbprint = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest::digest(algorithm, &files.der));
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header["x5t"], Value::from(thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY)));
    assert_eq!(header["x5t#S256"], Value::from(thumbprint(&digest::SHA256)));
    let endpoint = format!("{}/{}/oauth2/v2.0/token", server.url, OnlinePeer::TENANT);
    assert_eq!(claims["aud"], Value::from(endpoint));
    assert_eq!((&claims["iss"], &claims["sub"]), (&OnlinePeer::CLIENT.into(), &OnlinePeer::CLIENT.into()));
    assert_eq!(claims["iat"], 1_800_000_000);
    assert_eq!(claims["exp"], 1_800_000_300);
    assert!(claims["jti"].as_str().unwrap().len() == 36);

    let (_, certificate) = X509Certificate::from_der(&files.der).unwrap();
    let public = &certificate.public_key().subject_public_key.data;
    signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &decode(signature))
        .unwrap();
}

#[test]
fn files_that_cannot_sign_are_refused() {
    let files = Files::new();
    let refusal = |certificate: PathBuf, key: PathBuf| {
        let credential = ClientCredential::Certificate { certificate, key };
        let refused = Client::try_with("https://exchange.example", |config| config.credential = credential);
        let Some(ConfigError::Certificate(error)) = refused.err() else { panic!("it was taken") };
        let text = error.to_string();
        assert!(!text.contains("PRIVATE"), "{text}");
        text
    };
    let file = |name: &str| files.folder.path().join(name);
    let (certificate, key) = (file("certificate.pem"), file("key.pem"));
    assert!(refusal(file("none.pem"), key.clone()).contains("none.pem"));
    assert!(refusal(key.clone(), key.clone()).contains("no certificate"));
    assert!(refusal(certificate.clone(), certificate.clone()).contains("no RSA private key"));
    assert!(refusal(certificate.clone(), rsa("p256")).contains("no RSA private key"));
    assert!(refusal(certificate.clone(), rsa("rsa-2")).contains("it is not the key of"));
    fs::write(file("large.pem"), vec![b'x'; 70_000]).unwrap();
    assert!(refusal(certificate, file("large.pem")).contains("larger than"));
}
