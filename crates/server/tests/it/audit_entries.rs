//! The audit as it is stored and read.

use std::time::Duration;

use exconn_model::{TenantId, Timestamp};
use exconn_odata::query::Query;
use exconn_server::auth::{Permission, TokenKind, TrustedIssuer};
use exconn_testkit::{Issuer, SigningKey, wait_until};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    harness::{BOUND, CONNECTORS, Server, open_store, token_of},
    sign_in::{get_token, with_secret},
};

const AUDIT: &str = "/exconn/v1/audit";

async fn entries(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("{AUDIT}?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["value"].as_array().unwrap().clone()
}

/// Waits until so many entries are there: refusals are written behind the answers.
async fn written(server: &Server, query: &str, number: usize) -> Vec<Value> {
    wait_until(BOUND, || async { entries(server, query).await.len() == number }).await;
    entries(server, query).await
}

#[tokio::test]
async fn changes_refusals_and_sign_ins_can_be_read() {
    let server = Server::start().await;
    let step = || server.clock.advance(Duration::from_secs(1));
    let created = server.write("POST", CONNECTORS, r#"{"serverName":"private"}"#).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{CONNECTORS}/{id}");
    step();
    server.write("PATCH", &path, r#"{"status":null}"#).await.error(400);
    step();
    let reader = token_of(&server.keyring, &[Permission::ServiceConfigRead], TokenKind::Application);
    for authorization in [format!("Bearer {reader}"), "Bearer forged".to_owned()] {
        let request = http::Request::delete(&path).header("host", "x").header("authorization", authorization);
        server.send(request.body(Full::default()).unwrap()).await;
        step();
    }
    let app = json!({"displayName": "script", "permissions": ["AuditLog.Read.All"]});
    let app = server.write("POST", "/exconn/v1/apps", app.to_string()).await.json();
    step();
    get_token(&server, &app).await;
    step();
    let mut wrong = app.clone();
    wrong["secretText"] = "wrong".into();
    with_secret(&server, &wrong).await;
    step();
    server.get(&path).await;
    server.delete(&path).await;

    let all = written(&server, "", 8).await;
    let line = |entry: &Value| {
        ["actor", "action", "outcome", "status", "detail"].map(|name| match &entry[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    let seen: Vec<_> = all.iter().map(line).collect();
    let wanted = [
        ["user", "deleteConnector", "done", "204", "null"],
        ["unknown", "issueToken", "refused", "401", "invalid_client AADSTS7000215"],
        ["application", "issueToken", "done", "200", "null"],
        ["user", "createApplication", "done", "201", "AuditLog.Read.All"],
        ["unknown", "null", "refused", "401", "InvalidAuthenticationToken"],
        ["application", "deleteConnector", "refused", "403", "Forbidden"],
        ["user", "updateConnector", "refused", "400", "BadRequest"],
        ["user", "createConnector", "done", "201", "null"],
    ];
    assert_eq!(seen, wanted.map(|line| line.map(str::to_owned)), "the newest is first");
    let first = all.last().unwrap();
    assert_eq!(first["subject"], "ann@contoso.com");
    assert_eq!((&first["created"], &first["address"]), (&id.clone().into(), &"127.0.0.1".into()));
    assert_eq!(first["requestId"].as_str(), created.header("request-id"));
    assert_eq!((&first["method"], &first["resource"]), (&"POST".into(), &CONNECTORS.into()));
    assert_eq!((&all[2]["application"], &all[2]["subjectName"]), (&app["id"], &"script".into()));

    let refused = entries(&server, "$filter=outcome%20eq%20'refused'&$orderby=dateTime&$select=status").await;
    assert_eq!(
        refused.iter().map(|entry| entry["status"].as_u64().unwrap()).collect::<Vec<_>>(),
        [400, 403, 401, 401]
    );
    assert_eq!(entries(&server, "$filter=status%20eq%20403").await.len(), 1);
    let page = server.get(&format!("{AUDIT}?$top=3&$count=true")).await.json();
    assert_eq!((&page["@odata.count"], page["value"].as_array().unwrap().len()), (&8.into(), 3));
    let next = page["@odata.nextLink"].as_str().unwrap();
    let next = next.strip_prefix(&format!("http://{}", server.address)).unwrap();
    assert_eq!(server.get(next).await.json()["value"][0], all[3]);
    let text = serde_json::to_string(&all).unwrap();
    for secret in ["private", "forged", reader.as_str(), app["secretText"].as_str().unwrap()] {
        assert!(!text.contains(secret), "the audit holds {secret}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_flood_of_refusals_neither_stalls_nor_fills() {
    let server = Server::start().await;
    let forged = || server.get_as("forged.token.text", CONNECTORS);
    for _ in 0..10 {
        futures_util::future::join_all((0..50).map(|_| forged())).await;
    }
    assert_eq!(server.get(CONNECTORS).await.status, 200);
    let note = written(&server, "$filter=action%20eq%20'notRecorded'", 1).await.remove(0);
    assert_eq!(note["actor"], "service");
    let stored = server.get(&format!("{AUDIT}?$top=0&$count=true")).await.json();
    let stored = stored["@odata.count"].as_u64().unwrap();
    assert!((200..210).contains(&stored), "{stored}");
    // Later ones are recorded again, and none is lost when the service ends.
    server.clock.advance(Duration::from_secs(2));
    forged().await;
    let folder = server.end_keeping_its_folder().await;
    let store = open_store(folder.path());
    let tenant = exconn_server::auth::Keyring::open(folder.path()).unwrap().tenant();
    let entries = store.audit(tenant, &Query { limit: 1000, ..Query::default() }).await.unwrap().items;
    let dropped: u64 = entries
        .iter()
        .filter_map(|entry| entry.detail.as_ref()?.split(' ').next()?.parse::<u64>().ok())
        .sum();
    let recorded = entries.iter().filter(|entry| entry.status == Some(401)).count() as u64;
    assert_eq!(recorded + dropped, 501);
}

#[tokio::test]
async fn nothing_changes_without_its_entry() {
    let server = Server::start().await;
    let accept = |name: &'static str, value: &'static str| {
        server.request("POST", CONNECTORS).header("content-type", "application/json").header(name, value)
    };
    let unanswerable = accept("accept", "text/html").body(Full::from("{}")).unwrap();
    assert_eq!(server.send(unanswerable).await.status, 406);
    assert!(server.get(CONNECTORS).await.ids().is_empty(), "what cannot be answered is not done");
    let minimal = accept("prefer", "return=minimal").body(Full::from("{}")).unwrap();
    assert_eq!(server.send(minimal).await.status, 204);
    let done = entries(&server, "$filter=outcome%20eq%20'done'").await;
    assert_eq!(done.len(), 1);
    assert_eq!(done[0]["status"], 204);
    server.end().await;
}

#[tokio::test]
async fn a_flood_of_one_kind_hides_nothing_of_the_others() {
    let server = Server::start().await;
    let app = json!({"displayName": "script", "permissions": ["AuditLog.Read.All"]});
    let app = server.write("POST", "/exconn/v1/apps", app.to_string()).await.json();
    for _ in 0..250 {
        server.get_as("forged", CONNECTORS).await;
        get_token(&server, &app).await;
    }
    let reader = token_of(&server.keyring, &[Permission::ServiceConfigRead], TokenKind::Application);
    server.get_as(&reader, AUDIT).await.error(403);
    written(&server, "$filter=status%20eq%20403", 1).await;
    written(&server, "$filter=status%20eq%20401&$top=500", 200).await;
    written(&server, "$filter=action%20eq%20'issueToken'&$top=500", 200).await;
    server.end().await;
}

#[tokio::test]
async fn what_is_refused_at_a_tenant_is_in_its_own_audit() {
    let issuer = Issuer::start(&[("1", SigningKey::Rsa1)]).await;
    let other = TenantId(uuid::Uuid::from_u128(0x1111_2222_3333_4444_8555_6666_7777_8888));
    let trusted = TrustedIssuer {
        issuer: issuer.name(),
        audiences: vec!["api://exconn".into()],
        tid: Some("theirs".into()),
        tenant: Some(other),
        ca_file: None,
    };
    let server = Server::start_trusting(vec![trusted], |_| {}).await;
    let body = "grant_type=client_credentials&client_id=x&client_secret=y&scope=z";
    for tenant in [other.to_string(), uuid::Uuid::from_u128(9).to_string()] {
        let request = http::Request::post(format!("/{tenant}/oauth2/v2.0/token"))
            .header("host", "x")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(body));
        assert_eq!(server.send(request.unwrap()).await.status, 400);
    }
    let own = server.keyring.tenant();
    wait_until(BOUND, || async { server.store.count_audit(own, None).await.unwrap() == 1 }).await;
    assert_eq!(server.store.count_audit(other, None).await.unwrap(), 1);
    server.end().await;
}

#[tokio::test]
async fn requests_that_a_batch_refuses_have_entries() {
    let server = Server::start().await;
    let path = "/deviceManagement/exchangeConnectors";
    let requests = json!([
        {"id": "group", "method": "POST", "url": path, "atomicityGroup": "g"},
        {"id": "method", "method": "LONG METHOD".repeat(10), "url": path},
        {"id": "url", "method": "GET", "url": "https://user:password@elsewhere.example/x?secret"},
        {"id": "header", "method": "GET", "url": path, "headers": {"a b": "c"}},
        {"id": "other", "method": "GET", "url": path, "headers": {"Authorization": "Bearer other"}},
        {"id": "waits", "method": "DELETE", "url": format!("{path}/1"), "dependsOn": ["group"]},
    ]);
    let answer = server.write("POST", "/v1.0/$batch", json!({ "requests": requests }).to_string()).await;
    let answers = answer.json();
    let all = written(&server, "$filter=outcome%20eq%20'refused'", 6).await;
    for answer in answers["responses"].as_array().unwrap() {
        let id = &answer["headers"]["request-id"];
        let entry = all.iter().find(|entry| entry["requestId"] == *id).unwrap();
        assert_eq!((&entry["status"], &entry["actor"]), (&answer["status"], &"user".into()));
        let (method, resource) = (entry["method"].as_str().unwrap(), entry["resource"].as_str().unwrap());
        match answer["id"].as_str().unwrap() {
            "method" => assert_eq!(method.len(), 32),
            "url" => assert_eq!(resource, "/x"),
            "waits" => assert_eq!((method, resource), ("DELETE", "/deviceManagement/exchangeConnectors/1")),
            _ => assert_eq!(resource, path),
        }
    }
    server.end().await;
}

#[tokio::test]
async fn entries_that_wait_for_the_store_are_written_before_the_end() {
    let server = Server::start().await;
    let (store, tenant) = (server.store.clone(), server.keyring.tenant());
    let entry = |number| {
        let id = exconn_model::AuditId(uuid::Uuid::from_u128(number));
        exconn_model::AuditEntry::new(id, tenant, Timestamp::UNSET, exconn_model::AuditActor::Service)
    };
    let many: Vec<_> = (0..20_000).map(entry).collect();
    let busy = tokio::spawn(async move { store.record(many).await });
    tokio::task::yield_now().await;
    server.get_as("forged", CONNECTORS).await.error(401);
    let folder = server.end_keeping_its_folder().await;
    busy.await.unwrap().unwrap();
    let store = open_store(folder.path());
    assert_eq!(store.count_audit(tenant, None).await.unwrap(), 20_001);
}
