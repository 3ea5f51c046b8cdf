//! What the log says of changes and refusals, and what it must not say.

use std::{cell::RefCell, io::Write, sync::Once};

use exconn_server::{
    TrustedProxies,
    auth::{Permission, TokenKind},
};
use exconn_testkit::wait_until;
use http_body_util::Full;
use serde_json::Value;
use tracing::Level;

use crate::harness::{BOUND, CONNECTORS, Server, token_of};

thread_local! {
    /// What was logged on this thread since it began to listen.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct ThreadLog;

impl Write for ThreadLog {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.iter_mut().for_each(|log| log.extend_from_slice(data)));
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to keep what this thread logs. The subscriber is the process's: one of a thread alone loses lines when another
/// thread reaches their place in the code first.
fn listen() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let subscriber =
            tracing_subscriber::fmt().json().with_max_level(Level::TRACE).with_writer(|| ThreadLog);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
    LOG.set(Some(Vec::new()));
}

fn logged() -> String {
    LOG.with_borrow(|log| String::from_utf8(log.clone().unwrap_or_default()).unwrap())
}

/// The fields of the audit's lines.
fn audit() -> Vec<Value> {
    let lines: Vec<Value> = logged().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.into_iter().filter(|line| line["target"] == "audit").map(|line| line["fields"].clone()).collect()
}

#[tokio::test]
async fn changes_and_refusals_are_recorded_without_secrets() {
    // The service runs on this test's only thread.
    listen();
    let server = Server::start().await;

    let created = server.write("POST", CONNECTORS, r#"{"serverName":"private-name"}"#).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{CONNECTORS}/{id}");
    server.write("PATCH", &path, r#"{"status":null}"#).await.error(400);
    server.write("POST", &format!("{path}/sync"), r#"{"syncType":"fullSync"}"#).await;
    server.get(&path).await;
    server.delete(&path).await;

    let reader = token_of(&server.keyring, &[Permission::ServiceConfigRead], TokenKind::Application);
    let refused = [format!("Bearer {reader}"), "Bearer forged.token.text".to_owned()];
    for authorization in &refused {
        let request = http::Request::delete(&path).header("host", "x").header("authorization", authorization);
        server.send(request.body(Full::default()).unwrap()).await;
    }
    let audit = audit();
    let seen: Vec<_> = audit
        .iter()
        .map(|line| {
            (
                line["method"].as_str().unwrap(),
                line["status"].as_u64().unwrap(),
                line["outcome"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("POST", 201, "done"),
            ("PATCH", 400, "refused"),
            ("POST", 204, "done"),
            ("DELETE", 204, "done"),
            ("DELETE", 403, "refused"),
            ("DELETE", 401, "refused"),
        ]
    );
    let first = &audit[0];
    assert!(first["subject"].as_str().unwrap().contains("ann@contoso.com"), "{first}");
    assert!(first["created"].as_str().unwrap().contains(&id), "{first}");
    assert!(first["address"].as_str().unwrap().contains("127.0.0.1"), "{first}");
    assert_eq!(first["request_id"].as_str(), created.header("request-id"));
    assert!(audit[3]["resource"].as_str().unwrap().contains(&id), "{}", audit[3]);

    let text = logged();
    for secret in [server.token.as_str(), reader.as_str(), "forged.token.text", "private-name"] {
        assert!(!text.contains(secret), "the log holds {secret}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_flood_of_refusals_fills_neither_the_log_nor_an_entry() {
    listen();
    let server = Server::start().await;
    let method = "LONG".repeat(1000);
    let request = http::Request::builder().method(method.as_str()).uri(CONNECTORS).header("host", "x");
    server.send(request.body(Full::default()).unwrap()).await.error(401);
    assert_eq!(audit()[0]["method"].as_str().map(str::len), Some(32));
    for _ in 0..6 {
        futures_util::future::join_all((0..50).map(|_| server.get_as("forged", CONNECTORS))).await;
    }
    let refused = audit().iter().filter(|line| line["status"] == 401).count();
    assert!((200..250).contains(&refused), "{refused}");
    server.end().await;
}

#[tokio::test]
async fn entries_are_written_again_once_the_store_works_again() {
    listen();
    let server = Server::start().await;
    let database = rusqlite::Connection::open(server.folder().join("exconn.db")).unwrap();
    let fail = "CREATE TRIGGER fail BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'broken'); END";
    database.execute_batch(fail).unwrap();
    server.get_as("forged", CONNECTORS).await.error(401);
    wait_until(BOUND, || async { logged().contains("audit entries could not be written") }).await;
    database.execute_batch("DROP TRIGGER fail").unwrap();
    wait_until(BOUND, || async {
        let answer = server.get("/exconn/v1/audit").await.json();
        answer["value"][0]["detail"].as_str().is_some_and(|detail| detail.starts_with("1 entries"))
    })
    .await;
    server.end().await;
}

#[tokio::test]
async fn the_client_behind_a_trusted_proxy_is_recorded() {
    listen();
    let server = Server::start_with(|config| {
        config.trusted_proxies = TrustedProxies::parse(["127.0.0.1"]).unwrap();
    })
    .await;
    let request = server.request("DELETE", &format!("{CONNECTORS}/x"));
    let request = request.header("x-forwarded-for", "1.1.1.1, 203.0.113.9");
    server.send(request.body(Full::default()).unwrap()).await.error(404);
    assert_eq!(audit()[0]["address"], "203.0.113.9");
    server.end().await;
}
