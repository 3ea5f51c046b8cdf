//! Basic over TLS: only with a certificate that the configured authorities vouch for.

use std::{fs, path::PathBuf};

use exconn_exchange::{ExchangeError, Roots, RootsError, remoting::ConfigError};
use exconn_testkit::Peer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::setup::{Client, no_shell_is_left, peer};

/// An authority with its certificate in a file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Trusts this authority alone.
    pub(crate) fn roots(&self) -> Roots {
        Roots { system: false, file: Some(self.file()) }
    }

    /// A file with a certificate for `name` and its key, which is valid or no longer.
    pub(crate) fn certificate(&self, name: &str, expired: bool) -> PathBuf {
        self.certificate_until(name, if expired { 2020 } else { 2060 })
    }

    fn certificate_until(&self, name: &str, year: i32) -> PathBuf {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = self.folder.path().join("server.pem");
        fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        file
    }

    /// A peer whose certificate is for `name`.
    pub(crate) fn peer(&self, name: &str, expired: bool) -> Peer {
        self.peer_until(name, if expired { 2020 } else { 2060 })
    }

    /// A peer whose certificate is valid until a year begins.
    pub(crate) fn peer_until(&self, name: &str, year: i32) -> Peer {
        let file = self.certificate_until(name, year);
        peer(&["--count", "40", "--tls", file.to_str().unwrap()])
    }
}

fn trusting(url: &str, authority: &Authority) -> Client {
    Client::with(url, |config| config.roots = authority.roots())
}

async fn refused(client: &Client, because: &str) {
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::Tls { .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains(because), "{error}");
}

#[tokio::test]
async fn a_certificate_of_a_configured_authority_is_trusted() {
    let authority = Authority::new("Contoso");
    let peer = authority.peer("127.0.0.1", false);
    assert!(peer.url().starts_with("https://"));
    assert_eq!(trusting(peer.url(), &authority).all().await.unwrap().len(), 40);
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn an_unknown_issuer_another_name_and_an_expired_certificate_are_refused() {
    let authority = Authority::new("Contoso");
    let known = authority.peer("127.0.0.1", false);
    refused(&trusting(known.url(), &Authority::new("Fabrikam")), "issuer").await;
    let other = authority.peer("ex01.contoso.com", false);
    refused(&trusting(other.url(), &authority), "not valid for").await;
    let expired = authority.peer("127.0.0.1", true);
    refused(&trusting(expired.url(), &authority), "expired").await;
    for peer in [known, other, expired] {
        assert_eq!(peer.stats()["requests"], 0, "the password was not sent");
    }
}

#[tokio::test]
async fn tls_and_plain_http_do_not_meet() {
    let authority = Authority::new("Contoso");
    let plain = peer(&["--count", "1"]);
    let error = trusting(&plain.url().replace("http://", "https://"), &authority).failure().await;
    assert!(matches!(error, ExchangeError::Tls { .. }), "{error}");
    let secure = authority.peer("127.0.0.1", false);
    let error = Client::new(&secure.url().replace("https://", "http://")).failure().await;
    assert!(
        matches!(error, ExchangeError::Unreachable { .. } | ExchangeError::WrongEndpoint { .. }),
        "{error}"
    );
}

#[test]
fn roots_that_cannot_be_read_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let no_certificate = folder.path().join("empty.pem");
    fs::write(&no_certificate, "hello").unwrap();
    for file in [no_certificate, folder.path().join("missing.pem")] {
        let name = file.display().to_string();
        let error = Client::try_with("https://ex01/PowerShell/", "x", |config| {
            config.roots = Roots { system: false, file: Some(file) };
        })
        .err()
        .expect("nobody would be trusted");
        assert!(matches!(error, ConfigError::Roots(RootsError::File { .. })), "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
    let nobody = Client::try_with("https://ex01/PowerShell/", "x", |config| {
        config.roots = Roots { system: false, file: None };
    });
    assert!(matches!(nobody.err(), Some(ConfigError::Roots(RootsError::Empty))));
}
