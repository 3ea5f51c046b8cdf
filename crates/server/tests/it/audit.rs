//! What the log says of changes and refusals, and what it must not say.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use exconn_server::auth::{Permission, TokenKind};
use http_body_util::Full;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{CONNECTORS, Server, token_of};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The fields of the audit's lines.
    fn audit(&self) -> Vec<Value> {
        let lines: Vec<Value> = self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines
            .into_iter()
            .filter(|line| line["target"] == "audit")
            .map(|line| line["fields"].clone())
            .collect()
    }
}

#[tokio::test]
async fn changes_and_refusals_are_recorded_without_secrets() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    // The service runs on this test's only thread.
    let _guard = tracing::subscriber::set_default(subscriber);
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
    let audit = log.audit();
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
    assert!(first["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{first}");
    assert_eq!(first["request_id"].as_str(), created.header("request-id"));
    assert!(audit[3]["resource"].as_str().unwrap().contains(&id), "{}", audit[3]);

    let text = log.text();
    for secret in [server.token.as_str(), reader.as_str(), "forged.token.text", "private-name"] {
        assert!(!text.contains(secret), "the log holds {secret}");
    }
    server.end().await;
}
