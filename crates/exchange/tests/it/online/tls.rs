//! Secrets go only to servers that the configured authorities vouch for.

use std::{fs, sync::Arc};

use exconn_exchange::{ExchangeError, Roots};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;

use super::{
    scripted::{Reply, Scripted, devices},
    setup::Client,
};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn roots(&self) -> Roots {
        Roots { system: false, file: Some(self.folder.path().join("ca.pem")) }
    }

    fn server(&self, name: &str, expired: bool) -> Scripted {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.der().to_vec())],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        Scripted::start_with(Some(Arc::new(config)), |request| {
            if request.is_for_token() { Reply::token("granted") } else { Reply::page(&devices(0..3)) }
        })
    }
}

#[tokio::test]
async fn a_certificate_of_a_configured_authority_is_trusted() {
    let authority = Authority::new("Contoso");
    let server = authority.server("127.0.0.1", false);
    let client = Client::with(&server.url, |config| config.roots = authority.roots());
    assert_eq!(client.all().await.unwrap().len(), 3);
    assert_eq!(client.all().await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_unknown_issuer_another_name_and_an_expired_certificate_are_refused() {
    let (authority, stranger) = (Authority::new("Contoso"), Authority::new("Fabrikam"));
    for (server, roots, because) in [
        (authority.server("127.0.0.1", false), stranger.roots(), "issuer"),
        (authority.server("outlook.office365.com", false), authority.roots(), "not valid for"),
        (authority.server("127.0.0.1", true), authority.roots(), "expired"),
    ] {
        let error = Client::with(&server.url, |config| config.roots = roots).failure().await;
        assert!(matches!(error, ExchangeError::Tls { .. }), "{error}");
        assert!(error.to_string().to_lowercase().contains(because), "{error}");
        assert!(server.tokens().is_empty(), "the secret was not sent");
    }
}
