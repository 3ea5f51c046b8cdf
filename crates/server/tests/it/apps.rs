//! The applications of the built-in issuer, and what becomes of their tokens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    harness::{CONNECTORS, Server},
    sign_in::{certificate, get_token, with_secret},
};

const APPS: &str = "/exconn/v1/apps";
const READ: &str = "DeviceManagementServiceConfig.Read.All";
const WRITE: &str = "DeviceManagementServiceConfig.ReadWrite.All";

async fn create(server: &Server, body: Value) -> Value {
    let answer = server.write("POST", APPS, body.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let app = answer.json();
    let location = answer.header("location").unwrap();
    assert!(location.ends_with(&format!("{APPS}/{}", app["id"].as_str().unwrap())), "{location}");
    app
}

fn path(app: &Value) -> String {
    format!("{APPS}/{}", app["id"].as_str().unwrap())
}

#[tokio::test]
async fn applications_live_and_die() {
    let server = Server::start().await;
    let app = create(&server, json!({"displayName": "script", "permissions": [READ, READ]})).await;
    assert_eq!((&app["displayName"], &app["permissions"]), (&"script".into(), &json!([READ])));
    let secret = app["secretText"].as_str().unwrap();
    assert_eq!(secret.len(), 43, "256 bits");
    let credential = &app["credentials"][0];
    assert_eq!((&credential["kind"], &credential["hint"]), (&"secret".into(), &secret[..3].into()));
    assert_eq!(credential["expiresDateTime"], "2026-07-30T08:00:00Z", "180 days");

    let shown = server.get(&path(&app)).await;
    assert_eq!(shown.status, 200);
    assert!(!String::from_utf8_lossy(&shown.body).contains(secret), "a secret is shown once");
    assert_eq!(server.get(APPS).await.json()["value"], json!([shown.json()]));
    let files = std::fs::read(server.folder().join("exconn.db")).unwrap();
    let wal = std::fs::read(server.folder().join("exconn.db-wal")).unwrap();
    for file in [files, wal] {
        assert!(!file.windows(secret.len()).any(|part| part == secret.as_bytes()), "the secret is stored");
    }

    let changed = server.write("PATCH", &path(&app), r#"{"displayName":"renamed"}"#).await.json();
    assert_eq!((&changed["displayName"], &changed["permissions"]), (&"renamed".into(), &json!([READ])));
    assert!(changed.get("secretText").is_none());
    assert_eq!(server.delete(&path(&app)).await.status, 204);
    server.get(&path(&app)).await.error(404);
    server.delete(&path(&app)).await.error(404);
    assert_eq!(server.get(APPS).await.json()["value"], json!([]));
    server.end().await;
}

#[tokio::test]
async fn bad_bodies_are_refused_with_what_would_do() {
    let server = Server::start().await;
    let app = create(&server, json!({"displayName": "a", "permissions": []})).await;
    let rotate = format!("{}/rotate", path(&app));
    for (method, path, body, says) in [
        ("POST", APPS, "{}", "displayName"),
        ("POST", APPS, "[", "line 1"),
        ("POST", APPS, "[]", "an object"),
        ("POST", APPS, r#"{"displayName":" ","permissions":[]}"#, "1 to 256"),
        ("POST", APPS, r#"{"displayName":"a\u0000","permissions":[]}"#, "printable"),
        ("POST", APPS, r#"{"displayName":"a","permissions":["x"]}"#, "AuditLog.Read.All"),
        ("POST", APPS, r#"{"displayName":"a","permissions":[],"secret":"own"}"#, "secret"),
        ("POST", APPS, r#"{"displayName":"a","permissions":[],"lifetimeSeconds":0}"#, "63072000"),
        ("POST", APPS, r#"{"displayName":"a","permissions":[],"lifetimeSeconds":63072001}"#, "63072000"),
        ("POST", APPS, r#"{"displayName":"a","permissions":[],"certificate":"x"}"#, "PEM"),
        ("PATCH", &self::path(&app), r#"{"permissions":null}"#, "null"),
        ("PATCH", &self::path(&app), "{}", "displayName or permissions"),
        ("PATCH", &self::path(&app), r#"{"id":"x"}"#, "unknown field"),
        ("POST", &rotate, r#"{"overlapSeconds":-1}"#, "line 1 column 20"),
        ("POST", &rotate, r#"{"overlapSeconds":2592001}"#, "2592000"),
    ] {
        let (_, said) = server.write(method, path, body).await.error(400);
        assert!(said.contains(says), "{body}: {said}");
    }
    for query in ["?$top=1", "?x"] {
        server.get(&format!("{APPS}{query}")).await.error(400);
    }
    server.get(&format!("{APPS}/abc")).await.error(404);
    server.end().await;
}

#[tokio::test]
async fn errors_repeat_only_the_beginning_of_what_was_sent() {
    let server = Server::start().await;
    let long = "é".repeat(100_000);
    for (body, says) in [
        (json!({"displayName": "a", "permissions": [long]}), ["permissions: 'é", "AuditLog.Read.All"]),
        (
            json!({"displayName": "a", "permissions": [], (long.as_str()): 1}),
            ["unknown field", "`permissions`"],
        ),
        (json!({"displayName": "a", "permissions": long}), ["invalid type", "expected a sequence at line 1"]),
    ] {
        let (_, said) = server.write("POST", APPS, body.to_string()).await.error(400);
        assert!(said.chars().count() < 600, "{} characters", said.chars().count());
        assert!(says.iter().all(|part| said.contains(part)), "{said}");
    }
    server.end().await;
}

#[tokio::test]
async fn what_is_taken_from_an_application_stops_working_at_once() {
    let server = Server::start().await;
    let app = create(&server, json!({"displayName": "a", "permissions": [WRITE]})).await;
    let token = get_token(&server, &app).await;
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    let reduced = json!({"permissions": ["AuditLog.Read.All"]});
    assert_eq!(server.write("PATCH", &path(&app), reduced.to_string()).await.status, 200);
    server.get_as(&token, CONNECTORS).await.error(403);
    server.get_as(&token, "/exconn/v1/audit").await.error(403);
    let renewed = get_token(&server, &app).await;
    assert_eq!(
        server.get_as(&renewed, "/exconn/v1/audit").await.status,
        200,
        "what is new needs a new token"
    );
    assert_eq!(server.delete(&path(&app)).await.status, 204);
    for token in [&token, &renewed] {
        let (_, said) = server.get_as(token, CONNECTORS).await.error(401);
        assert!(said.contains("not registered any more"), "{said}");
    }
    server.end().await;
}

#[tokio::test]
async fn what_another_process_takes_away_stops_working_within_a_minute() {
    let server = Server::start().await;
    let app = create(&server, json!({"displayName": "a", "permissions": [WRITE]})).await;
    let token = get_token(&server, &app).await;
    assert_eq!(server.get_as(&token, CONNECTORS).await.status, 200);
    let id = app["id"].as_str().unwrap().parse().unwrap();
    let entry = exconn_model::AuditEntry::new(
        exconn_model::AuditId(uuid::Uuid::from_u128(1)),
        server.keyring.tenant(),
        exconn_model::Clock::now(&*server.clock),
        exconn_model::AuditActor::Service,
    );
    server.store.delete_application(server.keyring.tenant(), id, entry).await.unwrap();
    server.clock.advance(Duration::from_secs(60));
    server.get_as(&token, CONNECTORS).await.error(401);
    server.end().await;
}

#[tokio::test]
async fn a_secret_hands_over_to_the_next() {
    let server = Server::start().await;
    let app = create(&server, json!({"displayName": "a", "permissions": [READ]})).await;
    let rotate = format!("{}/rotate", path(&app));
    let second = server.write("POST", &rotate, r#"{"overlapSeconds":3600}"#).await.json();
    assert_eq!(second["credentials"].as_array().unwrap().len(), 2);
    for one in [&app, &second] {
        assert_eq!(with_secret(&server, one).await.status, 200, "both are good for an hour");
    }
    server.clock.advance(Duration::from_secs(3600));
    let old = with_secret(&server, &app).await;
    assert_eq!(
        (old.status.as_u16(), &old.json()["error_codes"]),
        (401, &json!([7_000_222])),
        "it has expired"
    );
    let third = server.write("POST", &rotate, "{}").await.json();
    assert_eq!(
        third["credentials"].as_array().unwrap().len(),
        1,
        "without an overlap the others end at once"
    );
    assert_eq!(with_secret(&server, &second).await.status, 401);
    assert_eq!(with_secret(&server, &third).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn certificates_are_shown_by_their_thumbprints() {
    let server = Server::start().await;
    let (pem, _) = certificate();
    let app = create(&server, json!({"displayName": "a", "permissions": [], "certificate": pem})).await;
    assert!(app.get("secretText").is_none());
    let credential = &app["credentials"][0];
    assert_eq!(credential["kind"], "certificate");
    assert_eq!(credential["thumbprint"].as_str().unwrap().len(), 40);
    assert_eq!(credential["thumbprintSha256"].as_str().unwrap().len(), 64);
    let two = json!({"displayName": "a", "permissions": [], "certificate": format!("{pem}{pem}")});
    server.write("POST", APPS, two.to_string()).await.error(400);
    let lifetime = json!({"displayName": "a", "permissions": [], "certificate": pem, "lifetimeSeconds": 5});
    server.write("POST", APPS, lifetime.to_string()).await.error(400);
    server.clock.advance(Duration::from_secs(100 * 365 * 86_400));
    let late = server.write(
        "POST",
        APPS,
        json!({"certificate": pem, "displayName": "a", "permissions": []}).to_string(),
    );
    assert_eq!(late.await.status, 401, "the caller's token has expired by then too");
    server.end().await;
}

#[tokio::test]
async fn there_is_an_end_to_credentials() {
    let server = Server::start().await;
    let app = create(&server, json!({"displayName": "a", "permissions": []})).await;
    let rotate = format!("{}/rotate", path(&app));
    for _ in 1..exconn_model::MAX_CREDENTIALS {
        assert_eq!(server.write("POST", &rotate, r#"{"overlapSeconds":60}"#).await.status, 200);
    }
    let (code, _) = server.write("POST", &rotate, r#"{"overlapSeconds":60}"#).await.error(409);
    assert_eq!(code, "Conflict");
    server.end().await;
}
