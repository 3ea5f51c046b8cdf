//! Addresses, accounts and configurations that cannot work, each with an error that says what to change.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use exconn_exchange::{
    Account, DeviceScope, Exchange, ExchangeError,
    directory::{DirectoryAuthentication, DirectoryConfig, DirectoryExchange},
    remoting::{ConfigError, TargetError},
};
use exconn_model::FailureKind;
use exconn_testkit::{Peer, wait_until};

use crate::setup::{BOUND, Client, PASSWORD, assert_no_secret, no_shell_is_left, peer};

/// How many requests the peer answered, once there are as many as expected: it counts after it has answered.
async fn requests(peer: &Peer, expected: u64) -> u64 {
    let count = || peer.stats()["requests"].as_u64().unwrap();
    wait_until(BOUND, || async { count() >= expected }).await;
    count()
}

#[tokio::test]
async fn a_wrong_password_is_refused_at_once() {
    let peer = peer(&["--count", "1"]);
    let client = Client::try_with(peer.url(), "hunter2-but-wrong", |_| {}).unwrap();
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    assert_eq!(requests(&peer, 1).await, 1, "no second try: accounts are locked by those");
}

#[tokio::test]
async fn a_password_file_that_goes_away_is_named() {
    let peer = peer(&["--count", "1"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let client = Client::with(peer.url(), |config| {
        config.authentication.account_mut().password_file = Some(file.clone());
    });
    client.all().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::PasswordUnavailable { .. }), "{error}");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn a_port_without_a_listener_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Client::new(&format!("http://127.0.0.1:{port}/PowerShell/")).failure().await;
    assert!(matches!(error, ExchangeError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn a_wrong_path_is_a_wrong_endpoint() {
    let peer = peer(&["--count", "1"]);
    let error = Client::new(&peer.url().replace("/PowerShell/", "/wsman")).failure().await;
    assert!(matches!(error, ExchangeError::WrongEndpoint { .. }), "{error}");
    assert!(error.to_string().contains("404"), "{error}");
}

#[tokio::test]
async fn any_path_and_query_can_be_used() {
    let peer = peer(&["--count", "3", "--path", "/a/b"]);
    let url = format!("{}?serializationLevel=Partial", peer.url());
    assert_eq!(Client::new(&url).all().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_cmdlet_that_the_account_may_not_run_is_named() {
    let peer = peer(&["--count", "1", "--deny", "Get-MobileDevice", "--deny", "Get-ExchangeServer"]);
    let client = Client::new(peer.url());
    let error = client.failure().await;
    let ExchangeError::NotPermitted { cmdlet, reason } = &error else { panic!("{error}") };
    assert_eq!(cmdlet, "Get-MobileDevice");
    assert!(reason.contains("not recognized"), "{reason}");
    let error = client.exchange.observe().await.unwrap_err();
    assert!(
        matches!(&error, ExchangeError::NotPermitted { cmdlet, .. } if cmdlet == "Get-ExchangeServer"),
        "{error}"
    );
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn too_many_shells_are_named_with_their_number() {
    let peer = peer(&["--count", "1000", "--max-shells", "1"]);
    let client = Client::new(peer.url());
    let mut held = client.exchange.devices(DeviceScope::All).await.unwrap();
    held.next().await.unwrap();
    let error = Client::new(peer.url()).failure().await;
    assert!(matches!(error, ExchangeError::ShellLimit { limit: Some(1), .. }), "{error}");
    assert_eq!(error.kind(), FailureKind::Throttled);
    assert!(
        error.to_string().contains("(1)") && error.to_string().contains("PowerShellMaxConcurrency"),
        "{error}"
    );
    drop(held);
    no_shell_is_left(&peer).await;
    assert_eq!(client.all().await.unwrap().len(), 1000);
}

#[tokio::test]
async fn an_endpoint_that_wants_sealed_messages_is_not_given_the_password() {
    let peer = Peer::start(&["--count", "1", "--auth", "negotiate", "--require-sealing"]);
    let error = Client::new(peer.url()).failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
}

/// A server that answers each connection with these bytes, or with silence, and then closes it or not.
fn server(answer: &'static [u8], then_close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            // The first packet is enough: nothing that is asked for here changes the answer.
            let _ = stream.read(&mut [0; 65536]);
            let _ = stream.write_all(answer);
            if !then_close {
                held.push(stream);
            }
        }
    });
    format!("http://{address}/PowerShell/")
}

async fn answered(answer: &'static [u8], then_close: bool) -> ExchangeError {
    let client = Client::with(&server(answer, then_close), |config| {
        config.operation_timeout = Duration::from_secs(1);
        config.request_timeout = Duration::from_millis(1100);
    });
    tokio::time::timeout(BOUND, client.failure()).await.expect("every wait has a bound")
}

#[tokio::test]
async fn servers_that_are_not_exchange() {
    for (answer, status) in [
        (
            &b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n"[..],
            "elsewhere",
        ),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403"),
        (b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", "405"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello", "text/html"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "not encrypted"),
        // Windows PowerShell's endpoint without Exchange's configuration.
        (include_bytes!("no_such_resource.http"), "resource"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"\x00\xff\x00\xff garbage \r\n\r\n", "not HTTP"),
    ] {
        let error = answered(answer, false).await;
        assert!(matches!(error, ExchangeError::WrongEndpoint { .. }), "{status}: {error}");
        assert!(error.to_string().contains(status), "{status}: {error}");
    }
}

#[tokio::test]
async fn servers_that_stop_in_the_middle() {
    for (answer, close) in [
        (&b""[..], true),
        (b"HTTP/1.1 200 OK\r\n", true),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 500\r\n\r\n<s:Env", true),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 500\r\n\r\n<s:Env",
            false,
        ),
        (b"", false),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", true),
    ] {
        let error = answered(answer, close).await;
        assert!(matches!(error, ExchangeError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn soap_that_is_none_and_answers_without_end_break_the_protocol() {
    let error = answered(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 9\r\n\r\n<a><b></a",
        false,
    )
    .await;
    assert!(matches!(error, ExchangeError::ProtocolViolated { .. }), "{error}");

    let mut endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n\r\n".to_vec();
    endless.resize(endless.len() + 5_000_000, b'x');
    let error = answered(endless.leak(), false).await;
    assert!(matches!(error, ExchangeError::ProtocolViolated { .. }), "{error}");
    assert!(error.to_string().contains("larger than"), "{error}");
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let refused = |url: &str, change: fn(&mut exconn_exchange::remoting::RemotingConfig)| {
        let error = Client::try_with(url, PASSWORD, change).err().expect("it cannot work");
        assert_no_secret(&format!("{error} {error:?}"));
        error
    };
    let error = refused("http://ex01.contoso.com/PowerShell/", |_| {});
    assert!(matches!(error, ConfigError::PlainText { .. }));
    assert!(error.to_string().contains("https"), "{error}");
    for url in ["ex01", "https://svc:hunter2@ex01/PowerShell/"] {
        let error = refused(url, |_| {});
        assert!(matches!(error, ConfigError::Url(TargetError::Form { .. } | TargetError::User)), "{error}");
    }
    let error = refused("http://127.0.0.1/", |config| config.request_timeout = config.operation_timeout);
    assert!(matches!(error, ConfigError::Timeouts), "{error}");
    let error = refused("http://127.0.0.1/", |config| config.idle_polls = 0);
    assert!(matches!(error, ConfigError::Bounds), "{error}");
    let error = refused("http://127.0.0.1/", |config| {
        config.authentication.account_mut().username = "svc:x".into();
    });
    assert!(matches!(error, ConfigError::Username), "{error}");
    let error = Client::try_with("http://127.0.0.1/", "", |_| {}).err().expect("there is no password");
    assert!(matches!(error, ConfigError::Password { .. }), "{error}");
}

#[tokio::test]
async fn connections_at_once_try_a_wrong_password_once() {
    let peer = peer(&["--count", "1"]);
    let client =
        Client::try_with(peer.url(), "hunter2-but-wrong", |config| config.max_runspaces = 8).unwrap();
    let mut questions = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let exchange = client.exchange.clone();
        questions.spawn(async move { exchange.observe().await.unwrap_err() });
    }
    let errors = questions.join_all().await;
    let refused = errors.iter().filter(|error| matches!(error, ExchangeError::CredentialsRefused { .. }));
    assert_eq!(refused.count(), 1, "{errors:?}");
    assert!(errors.iter().all(|error| error.kind() == FailureKind::CredentialsRefused), "{errors:?}");
    assert_eq!(requests(&peer, 1).await, 1);
    client.set_password(PASSWORD);
    client.all().await.unwrap();
}

#[tokio::test]
async fn a_password_that_becomes_wrong_is_not_tried_again_to_give_a_shell_back() {
    let peer = peer(&["--count", "1"]);
    let client = Client::with(peer.url(), |config| config.idle_session = Duration::from_secs(60));
    client.all().await.unwrap();
    peer.fault(&serde_json::json!({"kind": "wrong-auth", "times": 10}));
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    client.exchange.close().await;
    assert_eq!(peer.stats()["faults_fired"]["wrong-auth"], 1);
}

#[tokio::test]
async fn exchange_and_directory_try_the_password_of_their_account_once() {
    let peer = peer(&["--count", "1"]);
    let client = Client::try_with(peer.url(), "hunter2-but-wrong", |_| {}).unwrap();
    let controller = TcpListener::bind("127.0.0.1:0").unwrap();
    controller.set_nonblocking(true).unwrap();
    let url = format!("ldap://{}", controller.local_addr().unwrap());
    let account = Account::new("svc", client.password_file());
    let config = DirectoryConfig::new(vec![url], DirectoryAuthentication::Simple(account));
    let (exchange, clock) = (client.exchange.clone(), client.clock.clone());
    let directory = DirectoryExchange::new(config, exchange.clone(), exchange.sign_ins(), clock).unwrap();
    let error = directory.observe().await.unwrap_err();
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    let error = directory.devices(DeviceScope::All).await.unwrap_err();
    let ExchangeError::CredentialsHeld { endpoint, .. } = &error else { panic!("{error}") };
    assert!(peer.url().contains(endpoint.as_str()), "{endpoint} is who refused it");
    assert!(controller.accept().is_err(), "the controller is left alone");
}
