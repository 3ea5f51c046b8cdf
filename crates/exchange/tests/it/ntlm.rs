//! NTLM, with sealed messages over plain HTTP and bound to the TLS connection over HTTPS.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use exconn_exchange::{
    Account, ExchangeError,
    remoting::{Authentication, RemotingConfig},
};
use exconn_testkit::{Kdc, Peer};
use ring::digest::{SHA256, digest};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    equality::{assert_same, expected},
    kerberos::USER,
    setup::{Client, PASSWORD, no_shell_is_left},
    tls::Authority,
};

const SEALED: [&str; 3] = ["--auth", "negotiate", "--require-sealing"];

/// A file of users as the peers' NTLM reads it at each sign-in.
pub(crate) fn users(folder: &TempDir) -> PathBuf {
    let file = folder.path().join("users");
    fs::write(&file, format!("{}:{USER}:{PASSWORD}\n", Kdc::REALM)).unwrap();
    file
}

/// A peer, and the folder with its users.
fn peer(options: &[&str]) -> (Peer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("NTLM_USER_FILE".into(), users(&folder).into())];
    (Peer::start_with(options, &environment), folder)
}

fn client(url: &str, method: fn(Account) -> Authentication, password: &str) -> Client {
    client_with(url, method, password, |_| {})
}

fn client_with(
    url: &str,
    method: fn(Account) -> Authentication,
    password: &str,
    change: impl FnOnce(&mut RemotingConfig),
) -> Client {
    Client::try_with(url, password, |config| {
        let mut account = config.authentication.account().clone();
        account.username = format!(r"{}\{USER}", Kdc::REALM);
        config.authentication = method(account);
        // Nobody listens there: SPNEGO has to do without Kerberos.
        config.kerberos.kdcs = vec!["127.0.0.1:9".into()];
        change(config);
    })
    .unwrap()
}

#[tokio::test]
async fn messages_are_sealed_in_either_scheme() {
    for schemes in ["Negotiate,NTLM", "Negotiate", "NTLM"] {
        for boundary in [&["--exchange-boundary"][..], &[]] {
            let (peer, _folder) = peer(&[&SEALED[..], &["--schemes", schemes], boundary].concat());
            let client = client(peer.url(), Authentication::Ntlm, PASSWORD);
            assert_same(&client.all().await.unwrap(), &expected(&peer));
            no_shell_is_left(&peer).await;
            let stats = peer.stats();
            assert!(stats["sealed"].as_u64() > Some(3), "{stats}");
            assert_eq!(stats["auth_fail"], Value::Null);
        }
    }
}

#[tokio::test]
async fn spnego_uses_ntlm_where_no_kdc_answers() {
    let (peer, _folder) =
        peer(&[&SEALED[..], &["--schemes", "Negotiate,NTLM", "--exchange-boundary"]].concat());
    let client = client(peer.url(), Authentication::Negotiate, PASSWORD);
    assert_same(&client.all().await.unwrap(), &expected(&peer));
    assert!(peer.stats()["auth"].to_string().contains("ntlm"), "{}", peer.stats());
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_an_hour_until_it_changes() {
    for method in [Authentication::Ntlm, Authentication::Negotiate] {
        let (peer, _folder) = peer(&[&SEALED[..], &["--schemes", "Negotiate,NTLM"]].concat());
        let client = client(peer.url(), method, "hunter2-but-wrong");
        let tries = || peer.stats()["auth_fail"].as_array().map_or(0, Vec::len);
        for _ in 0..2 {
            let error = client.failure().await;
            assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
            let tried = tries();
            let error = client.failure().await;
            assert!(matches!(error, ExchangeError::CredentialsHeld { .. }), "{error}");
            assert_eq!(tries(), tried, "nobody is asked");
            client.clock.advance(Duration::from_secs(3600));
        }
        assert_eq!(tries(), 2, "once each time");
        client.set_password(PASSWORD);
        client.all().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_forgets_a_connection_is_signed_in_to_again() {
    let (peer, _folder) = peer(&[&SEALED[..], &["--schemes", "Negotiate,NTLM"]].concat());
    let client = client_with(peer.url(), Authentication::Ntlm, PASSWORD, |config| {
        config.idle_session = Duration::from_secs(600);
    });
    client.all().await.unwrap();
    let sessions = crate::setup::sessions(&peer);
    peer.fault(&serde_json::json!({"kind": "wrong-auth"}));
    assert_same(&client.all().await.unwrap(), &expected(&peer));
    assert_eq!(peer.stats()["faults_fired"]["wrong-auth"], 1);
    assert_eq!(crate::setup::sessions(&peer), sessions, "the runspace was not lost");
    assert_eq!(peer.stats()["auth_fail"], Value::Null);
}

#[tokio::test]
async fn a_server_that_offers_kerberos_alone_is_told() {
    let (peer, _folder) = peer(&[&SEALED[..], &["--schemes", "Kerberos"]].concat());
    let error = client(peer.url(), Authentication::Ntlm, PASSWORD).failure().await;
    assert!(matches!(error, ExchangeError::WrongEndpoint { .. }), "{error}");
    assert!(error.to_string().contains("Negotiate or NTLM, but by Kerberos"), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_basic_is_told() {
    let peer = crate::setup::peer(&[]);
    let error = client(peer.url(), Authentication::Ntlm, PASSWORD).failure().await;
    assert!(matches!(error, ExchangeError::WrongEndpoint { .. }), "{error}");
    assert!(error.to_string().contains("but by Basic"), "{error}");
}

#[tokio::test]
async fn a_sign_in_is_bound_to_the_tls_connection() {
    let authority = Authority::new("Contoso");
    let certificate = authority.certificate("127.0.0.1", false);
    let tls = ["--auth", "negotiate", "--schemes", "Negotiate,NTLM", "--tls", certificate.to_str().unwrap()];
    let (peer, _folder) = peer(&tls);
    for method in [Authentication::Ntlm, Authentication::Negotiate] {
        let client = client_with(peer.url(), method, PASSWORD, |config| config.roots = authority.roots());
        assert_same(&client.all().await.unwrap(), &expected(&peer));
    }
    assert_eq!((&peer.stats()["auth_fail"], &peer.stats()["sealed"]), (&Value::Null, &Value::Null));
}

/// Ends TLS with this certificate (and key) in front of a server, as a load balancer may.
pub(crate) async fn tls_front_end(file: &std::path::Path, backend: String) -> String {
    let pem = fs::read(file).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, backend) = (acceptor.clone(), backend.clone());
            tokio::spawn(async move {
                let Ok(mut front) = acceptor.accept(stream).await else { return };
                let mut back = TcpStream::connect(&backend).await.unwrap();
                // Either side may end the connection as it likes.
                let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
            });
        }
    });
    format!("https://{address}/PowerShell/")
}

pub(crate) fn hash_of(file: &std::path::Path) -> String {
    let certificate = CertificateDer::from_pem_slice(&fs::read(file).unwrap()).unwrap();
    digest(&SHA256, &certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn whoever_ends_tls_in_between_is_noticed_by_the_server() {
    let authority = Authority::new("Contoso");
    let fronts = authority.certificate("127.0.0.1", false);
    let front_hash = hash_of(&fronts);
    let other = Authority::new("Contoso");
    let servers = other.certificate("127.0.0.1", false);
    for method in [Authentication::Ntlm, Authentication::Negotiate] {
        for (hash, is_bound) in [(front_hash.clone(), true), (hash_of(&servers), false)] {
            let options = ["--auth", "negotiate", "--schemes", "Negotiate,NTLM", "--fake-cbt", &hash];
            let (peer, _folder) = peer(&options);
            let backend = peer.url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
            let url = tls_front_end(&fronts, backend).await;
            let client = client_with(&url, method, PASSWORD, |config| config.roots = authority.roots());
            if is_bound {
                assert_same(&client.all().await.unwrap(), &expected(&peer));
            } else {
                let error = client.failure().await;
                assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
                assert!(peer.stats()["auth_fail"].to_string().contains("binding"), "{}", peer.stats());
                assert_eq!(peer.stats()["open_shells"], json!(0));
            }
        }
    }
}
