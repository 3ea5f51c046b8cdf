//! Kerberos by the system's library: keytabs, credential caches, and sign-ins bound to the TLS connection.
//!
//! The library takes its realm from the environment of the process, so each test runs itself once more in one that is made for it.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::Write,
    process::{Command, Stdio},
};

use exconn_exchange::{Account, Exchange, ExchangeError, Roots, remoting::Authentication};
use exconn_testkit::{Kdc, Peer};
use serde_json::Value;

use crate::{
    kerberos::{LIKE_EXCHANGE, USER, peer, realm},
    ntlm::{hash_of, tls_front_end},
    setup::{Client, PASSWORD},
    tls::Authority,
};

/// Holds the address in the inner run.
const URL: &str = "EXCONN_TEST_URL";
const ROOTS: &str = "EXCONN_TEST_ROOTS";
const COUNT: usize = 300;

/// Runs a test of this file in an environment.
async fn run(test: &str, url: &str, environment: Vec<(OsString, OsString)>, roots: Option<&OsStr>) {
    let mut command = tokio::process::Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).envs(environment).env(URL, url);
    if let Some(roots) = roots {
        command.env(ROOTS, roots);
    }
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// The address, in the inner run.
fn inner() -> Option<String> {
    env::var(URL).ok()
}

/// A client without a password.
fn client(url: &str, method: fn(Account) -> Authentication) -> Client {
    Client::with(url, |config| {
        config.authentication = method(Account::without_password(""));
    })
}

/// A client with a password and nothing else: it leaves KDCs to `krb5.conf`.
fn client_with_password(url: &str, password: &str) -> Client {
    Client::try_with(url, password, |config| {
        let mut account = config.authentication.account().clone();
        account.username = format!(r"{}\{USER}", Kdc::REALM);
        config.authentication = Authentication::Kerberos(account);
        config.roots = Roots { system: false, file: env::var_os(ROOTS).map(Into::into) };
    })
    .unwrap()
}

fn like_exchange(kdc: &Kdc) -> Peer {
    peer(kdc, &[&LIKE_EXCHANGE[..], &["--count", "300"]].concat())
}

#[tokio::test]
async fn a_keytab_takes_the_place_of_a_password() {
    if let Some(url) = inner() {
        let client = client(&url, Authentication::Kerberos);
        assert_eq!(client.all().await.unwrap().len(), COUNT);
        client.exchange.observe().await.unwrap();
        return;
    }
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let mut environment = kdc.environment();
    environment.push(("KRB5_CLIENT_KTNAME".into(), kdc.keytab_of(USER).into()));
    run("gssapi::a_keytab_takes_the_place_of_a_password", peer.url(), environment, None).await;
    let stats = peer.stats();
    assert!(stats["sealed"].as_u64() > Some(3), "{stats}");
    assert_eq!(stats["auth_fail"], Value::Null);
}

#[tokio::test]
async fn a_credential_cache_takes_the_place_of_a_password() {
    if let Some(url) = inner() {
        let client = client(&url, Authentication::Negotiate);
        assert_eq!(client.all().await.unwrap().len(), COUNT);
        return;
    }
    let kdc = realm();
    let options = ["--auth", "negotiate", "--schemes", "Negotiate", "--require-sealing", "--count", "300"];
    let peer = peer(&kdc, &options);
    let mut kinit =
        Command::new("kinit").envs(kdc.environment()).arg(USER).stdin(Stdio::piped()).spawn().unwrap();
    kinit.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(kinit.wait().unwrap().success());
    let test = "gssapi::a_credential_cache_takes_the_place_of_a_password";
    run(test, peer.url(), kdc.environment(), None).await;
}

#[tokio::test]
async fn a_machine_without_credentials_says_so() {
    if let Some(url) = inner() {
        let error = client(&url, Authentication::Kerberos).failure().await;
        assert!(matches!(error, ExchangeError::TicketRefused { .. }), "{error}");
        return;
    }
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let test = "gssapi::a_machine_without_credentials_says_so";
    run(test, peer.url(), kdc.environment(), None).await;
    assert_eq!(peer.stats()["requests"], 0);
}

#[tokio::test]
async fn kerberos_is_bound_to_the_tls_connection() {
    if let Some(url) = inner() {
        let client = client_with_password(&url, PASSWORD);
        assert_eq!(client.all().await.unwrap().len(), COUNT);
        return;
    }
    let kdc = realm();
    let authority = Authority::new("Contoso");
    let certificate = authority.certificate("127.0.0.1", false);
    let tls = [
        "--auth",
        "negotiate",
        "--schemes",
        "Kerberos",
        "--count",
        "300",
        "--tls",
        certificate.to_str().unwrap(),
    ];
    let peer = peer(&kdc, &tls);
    let test = "gssapi::kerberos_is_bound_to_the_tls_connection";
    run(test, peer.url(), kdc.environment(), Some(authority.file().as_os_str())).await;
    assert_eq!(peer.stats()["auth_fail"], Value::Null);
}

#[tokio::test]
async fn whoever_ends_tls_in_between_is_noticed_by_the_server() {
    if let Some(url) = inner() {
        let client = client_with_password(&url, PASSWORD);
        for _ in 0..2 {
            let error = client.failure().await;
            assert!(matches!(error, ExchangeError::TicketRefused { .. }), "{error}");
        }
        return;
    }
    let kdc = realm();
    let authority = Authority::new("Contoso");
    let certificate = authority.certificate("127.0.0.1", false);
    let service = kdc.add_service("HTTP/127.0.0.1");
    // The same front end twice, before a server that holds its certificate for its own, and one that does not.
    for (hash, test) in [
        (hash_of(&certificate), "gssapi::kerberos_is_bound_to_the_tls_connection"),
        ("ab".repeat(32), "gssapi::whoever_ends_tls_in_between_is_noticed_by_the_server"),
    ] {
        let options = ["--auth", "negotiate", "--schemes", "Kerberos", "--count", "300", "--fake-cbt", &hash];
        let peer = Peer::start_with(&options, &service);
        let backend = peer.url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let url = tls_front_end(&certificate, backend).await;
        run(test, &url, kdc.environment(), Some(authority.file().as_os_str())).await;
    }
}

#[tokio::test]
async fn a_password_that_the_library_brings_is_refused_as_any_other() {
    if let Some(url) = inner() {
        let client = client_with_password(&url, "hunter2-but-wrong");
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::CredentialsHeld { .. }), "{error}");
        return;
    }
    let kdc = realm();
    let authority = Authority::new("Contoso");
    let certificate = authority.certificate("127.0.0.1", false);
    let peer =
        peer(&kdc, &["--auth", "negotiate", "--schemes", "Kerberos", "--tls", certificate.to_str().unwrap()]);
    let test = "gssapi::a_password_that_the_library_brings_is_refused_as_any_other";
    run(test, peer.url(), kdc.environment(), Some(authority.file().as_os_str())).await;
}
