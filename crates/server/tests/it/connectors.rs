//! One connector: create, read, change, remove, sync.

use exconn_model::{Clock, RunState, SyncType};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{CONNECTORS, Server};

/// The body of the documentation's example.
const DOCUMENTED: &str = r##"{
  "@odata.type": "#microsoft.graph.deviceManagementExchangeConnector",
  "lastSyncDateTime": "2017-01-01T00:02:49.3205976-08:00",
  "status": "connectionPending",
  "primarySmtpAddress": "Primary Smtp Address value",
  "serverName": "Server Name value",
  "connectorServerName": "Connector Server Name value",
  "exchangeConnectorType": "hosted",
  "version": "Version value",
  "exchangeAlias": "Exchange Alias value",
  "exchangeOrganization": "Exchange Organization value"
}"##;

const WIRE_TYPE: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

fn without(mut entity: Value, names: &[&str]) -> Value {
    let members = entity.as_object_mut().unwrap();
    names.iter().for_each(|name| {
        members.shift_remove(*name);
    });
    entity
}

#[tokio::test]
async fn the_documented_example_round_trips() {
    let server = Server::start().await;
    let created = server.write("POST", CONNECTORS, DOCUMENTED).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("content-type"), Some(WIRE_TYPE));
    assert_eq!(created.header("odata-version"), Some("4.0"));
    let entity = created.json();
    let id = entity["id"].as_str().unwrap().to_owned();
    assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
    assert_eq!(id, id.to_lowercase());
    let root = format!("http://{}/v1.0", server.address);
    assert_eq!(
        entity["@odata.context"],
        format!("{root}/$metadata#deviceManagement/exchangeConnectors/$entity")
    );
    let location = created.header("location").unwrap().to_owned();
    assert!(location.starts_with(&root) && location.contains(&id), "{location}");
    assert!(created.header("etag").unwrap().starts_with("W/\""));

    let expected = json!({
        "id": id,
        "lastSyncDateTime": "2017-01-01T08:02:49.3205976Z",
        "status": "connectionPending",
        "primarySmtpAddress": "Primary Smtp Address value",
        "serverName": "Server Name value",
        "connectorServerName": "Connector Server Name value",
        "exchangeConnectorType": "hosted",
        "version": "Version value",
        "exchangeAlias": "Exchange Alias value",
        "exchangeOrganization": "Exchange Organization value",
    });
    assert_eq!(without(entity, &["@odata.context"]), expected);
    let path = location.strip_prefix(&format!("http://{}", server.address)).unwrap();
    let read = server.get(path).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(without(read.json(), &["@odata.context"]), expected);
    server.end().await;
}

#[tokio::test]
async fn an_empty_body_creates_a_pending_connector() {
    let server = Server::start().await;
    let entity = server.write("POST", CONNECTORS, "{}").await.json();
    let expected = json!({
        "lastSyncDateTime": "0001-01-01T00:00:00Z",
        "status": "connectionPending",
        "primarySmtpAddress": null,
        "serverName": null,
        "connectorServerName": null,
        "exchangeConnectorType": "onPremises",
        "version": null,
        "exchangeAlias": null,
        "exchangeOrganization": null,
    });
    assert_eq!(without(entity, &["@odata.context", "id"]), expected);
    server.end().await;
}

#[tokio::test]
async fn each_form_of_the_address_reaches_the_same_connector() {
    let server = Server::start().await;
    let id = server.create(r#"{"serverName":"ex01"}"#).await;
    for root in ["/v1.0", "/beta", "/V1.0", "/Beta"] {
        for path in [
            format!("{root}/deviceManagement/exchangeConnectors/{id}"),
            format!("{root}/deviceManagement/exchangeConnectors/{id}/"),
            format!("{root}/deviceManagement/exchangeConnectors('{id}')"),
            format!("{root}/deviceManagement/exchangeConnectors(%27{id}%27)"),
            format!("{root}/devicemanagement/ExchangeConnectors/{id}"),
        ] {
            let answer = server.get(&path).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert_eq!(answer.json()["id"], id.as_str(), "{path}");
        }
    }
    let context = server.get(&format!("/beta/deviceManagement/exchangeConnectors/{id}")).await.json();
    assert!(context["@odata.context"].as_str().unwrap().contains("/beta/$metadata#"), "{context}");
    server.end().await;
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let unknown = "11111111-2222-4333-8444-555555555555";
    let upper = id.to_uppercase();
    for id in [unknown, "abc", "id%20with%20space%2F%C3%A9", "%00", upper.as_str()] {
        let path = format!("{CONNECTORS}/{id}");
        for (method, path, body) in [
            ("GET", path.clone(), ""),
            ("PATCH", path.clone(), r#"{"serverName":"x"}"#),
            ("DELETE", path.clone(), ""),
            ("POST", format!("{path}/sync"), r#"{"syncType":"fullSync"}"#),
        ] {
            let (code, _) = server.write(method, &path, body).await.error(404);
            assert_eq!(code, "ResourceNotFound", "{method} {path}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_patch_merges() {
    let server = Server::start().await;
    let id = server.create(DOCUMENTED).await;
    let path = format!("{CONNECTORS}/{id}");
    let first = server.get(&path).await;
    let changed = server
        .write(
            "PATCH",
            &path,
            format!(r#"{{"id":"{id}","serverName":"Y","exchangeAlias":null,"status":"disconnected"}}"#),
        )
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let mut expected = first.json();
    expected["serverName"] = "Y".into();
    expected["exchangeAlias"] = Value::Null;
    expected["status"] = "disconnected".into();
    assert_eq!(changed.json(), expected);
    assert_eq!(server.get(&path).await.json(), expected);
    assert_ne!(changed.header("etag"), first.header("etag"));

    let sentinel = r#"{"status":"unknownFutureValue","version":"2"}"#;
    let kept = server.write("PATCH", &path, sentinel).await.json();
    assert_eq!((&kept["status"], &kept["version"]), (&"disconnected".into(), &"2".into()));

    let minimal = server
        .send(
            server
                .request("PATCH", &path)
                .header("content-type", "application/json")
                .header("prefer", "return=minimal")
                .body(Full::from(r#"{"version":"3"}"#))
                .unwrap(),
        )
        .await;
    assert_eq!((minimal.status.as_u16(), minimal.body.len()), (204, 0));
    assert_eq!(minimal.header("preference-applied"), Some("return=minimal"));
    assert_eq!(server.get(&path).await.json()["version"], "3");
    server.end().await;
}

#[tokio::test]
async fn a_patch_that_changes_nothing_or_the_wrong_thing_is_refused() {
    let server = Server::start().await;
    let id = server.create(DOCUMENTED).await;
    let path = format!("{CONNECTORS}/{id}");
    let before = server.get(&path).await;
    for (body, says) in [
        ("{}".to_owned(), "at least 1 property must be changed"),
        (format!(r#"{{"id":"{id}"}}"#), "at least 1 property must be changed"),
        (
            r##"{"@odata.type":"#microsoft.graph.deviceManagementExchangeConnector"}"##.to_owned(),
            "at least 1",
        ),
        (r#"{"id":"11111111-2222-4333-8444-555555555555","version":"1"}"#.to_owned(), "id"),
        (r#"{"status":null}"#.to_owned(), "status"),
        (r#"{"exchangeConnectorType":null}"#.to_owned(), "exchangeConnectorType"),
        (r#"{"lastSyncDateTime":null}"#.to_owned(), "lastSyncDateTime"),
        (r#"{"exchange_alias":null}"#.to_owned(), "exchange_alias"),
    ] {
        let (code, said) = server.write("PATCH", &path, body.clone()).await.error(400);
        assert!(said.contains(says), "{body}: {code}: {said}");
    }
    let after = server.get(&path).await;
    assert_eq!((after.json(), after.header("etag")), (before.json(), before.header("etag")));
    server.end().await;
}

#[tokio::test]
async fn if_match_guards_changes() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("{CONNECTORS}/{id}");
    let old = server.get(&path).await.header("etag").unwrap().to_owned();
    let send = async |method: &str, tag: &str, body: &'static str| {
        let request = server.request(method, &path).header("content-type", "application/json");
        server.send(request.header("if-match", tag).body(Full::from(body)).unwrap()).await
    };
    let changed = send("PATCH", &old, r#"{"version":"1"}"#).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let new = changed.header("etag").unwrap().to_owned();
    for tag in [old.as_str(), "\"rubbish\"", "W/\"99999999999999999999\"", "nonsense"] {
        let (code, _) = send("PATCH", tag, r#"{"version":"2"}"#).await.error(412);
        assert_eq!(code, "PreconditionFailed");
        send("DELETE", tag, "").await.error(412);
    }
    assert_eq!(server.get(&path).await.json()["version"], "1");
    assert_eq!(send("PATCH", &format!("{old}, {new}"), r#"{"version":"3"}"#).await.status, 200);
    assert_eq!(send("PATCH", "*", r#"{"version":"4"}"#).await.status, 200);
    let strong = server.get(&path).await.header("etag").unwrap().trim_start_matches("W/").to_owned();
    assert_eq!(send("DELETE", &strong, "").await.status, 204);
    send("DELETE", "*", "").await.error(404);
    server.end().await;
}

#[tokio::test]
async fn a_deleted_connector_is_gone() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("{CONNECTORS}/{id}");
    let deleted = server.delete(&path).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    assert_eq!(deleted.header("content-type"), None);
    server.delete(&path).await.error(404);
    server.get(&path).await.error(404);
    assert_eq!(server.get(CONNECTORS).await.ids(), Vec::<String>::new());
    server.end().await;
}

#[tokio::test]
async fn a_sync_is_queued_once_and_wakes_the_agent() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let connector = id.parse().unwrap();
    server.agents.woken.lock().unwrap().clear();
    let tenant = server.keyring.tenant();
    for action in ["sync", "microsoft.graph.sync", "Sync"] {
        for kind in ["fullSync", "deltaSync"] {
            let path = format!("{CONNECTORS}/{id}/{action}");
            let answer = server.write("POST", &path, format!(r#"{{"syncType":"{kind}"}}"#)).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{path}: {answer:?}");
            assert_eq!(answer.header("content-type"), None);
            assert!(server.agents.woken.lock().unwrap().contains(&connector));
        }
    }
    let runs = server.store.runs(tenant, connector, 10).await.unwrap();
    let open: Vec<_> = runs.iter().map(|run| (run.kind, run.state)).collect();
    assert_eq!(open, [(SyncType::Full, RunState::Queued)]);
    let by_key = format!("/beta/deviceManagement/exchangeConnectors('{id}')/microsoft.graph.sync");
    assert_eq!(server.write("POST", &by_key, r#"{"syncType":"deltaSync"}"#).await.status, 204);
    server.end().await;
}

#[tokio::test]
async fn a_sync_that_is_repeated_is_one_run() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let connector = id.parse().unwrap();
    let (tenant, now) = (server.keyring.tenant(), server.clock.now());
    let until = now.after(std::time::Duration::from_secs(60));
    server.store.lease_run(tenant, connector, "test", now, until, 3).await.unwrap().unwrap();
    let sync = format!("{CONNECTORS}/{id}/sync");
    let runs = async |kind: &str| {
        for _ in 0..3 {
            let answer = server.write("POST", &sync, format!(r#"{{"syncType":"{kind}"}}"#)).await;
            assert_eq!(answer.status, 204, "{answer:?}");
        }
        let runs = server.store.runs(tenant, connector, 10).await.unwrap();
        runs.iter().map(|run| (run.kind, run.state)).collect::<Vec<_>>()
    };
    let running = (SyncType::Full, RunState::Running);
    assert_eq!(runs("fullSync").await, [running]);
    // What is new may lie in the part that the running one has passed.
    assert_eq!(runs("deltaSync").await, [(SyncType::Delta, RunState::Queued), running]);
    server.end().await;
}

#[tokio::test]
async fn a_sync_without_a_known_type_is_refused() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    for body in [
        "{}",
        r#"{"syncType":null}"#,
        r#"{"syncType":"FULLSYNC"}"#,
        r#"{"syncType":"unknownFutureValue"}"#,
        r#"{"syncType":0}"#,
        r#"{"syncType":"fullSync","other":1}"#,
        r#"{"synctype":"fullSync"}"#,
        "[]",
        "null",
        "",
    ] {
        let (_, said) = server.write("POST", &format!("{CONNECTORS}/{id}/sync"), body).await.error(400);
        assert!(!said.is_empty());
    }
    server.end().await;
}

#[tokio::test]
async fn the_answer_says_as_much_about_itself_as_asked() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("{CONNECTORS}/{id}");
    let get = async |accept: &str| {
        server
            .send(server.request("GET", &path).header("accept", accept).body(Full::default()).unwrap())
            .await
    };
    let bare = get("application/json;odata.metadata=none").await;
    assert!(bare.json().get("@odata.context").is_none());
    assert!(bare.header("content-type").unwrap().contains("odata.metadata=none"));
    let full = get("application/json;odata.metadata=full").await;
    assert!(full.header("content-type").unwrap().contains("odata.metadata=full"));
    let full_entity = full.json();
    assert_eq!(full_entity["@odata.type"], "#microsoft.graph.deviceManagementExchangeConnector");
    assert_eq!(full_entity["@odata.etag"].as_str(), full.header("etag"));
    assert!(full_entity["@odata.id"].as_str().unwrap().contains(&id), "{full_entity}");
    assert!(full_entity["@odata.editLink"].as_str().unwrap().contains(&id), "{full_entity}");
    for accept in
        ["application/xml", "text/html", "application/json;q=0", "application/json;odata.metadata=x"]
    {
        let (code, _) = get(accept).await.error(406);
        assert_eq!(code, "NotAcceptable");
    }
    for (query, status) in
        [("?$format=json", 200), ("?$format=application/json", 200), ("?$format=atom", 406)]
    {
        let answer = server.get(&format!("{path}{query}")).await;
        let status_seen = answer.status.as_u16();
        assert!(status_seen == status || status == 406 && status_seen == 400, "{query}: {answer:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn one_connector_can_be_read_in_part() {
    let server = Server::start().await;
    let id = server.create(DOCUMENTED).await;
    let answer = server.get(&format!("{CONNECTORS}/{id}?$select=serverName,status")).await;
    let entity = answer.json();
    let context = entity["@odata.context"].as_str().unwrap();
    assert!(
        context.ends_with("#deviceManagement/exchangeConnectors(status,serverName)/$entity"),
        "{context}"
    );
    assert_eq!(
        without(entity.clone(), &["@odata.context"]),
        json!({"status": "connectionPending", "serverName": "Server Name value"})
    );
    for query in
        ["$filter=status eq 'connected'", "$top=1", "$orderby=id", "$expand=x", "$search=x", "$count=true"]
    {
        let path = format!("{CONNECTORS}/{id}?{}", query.replace(' ', "%20"));
        let (_, said) = server.get(&path).await.error(400);
        assert!(said.contains('$'), "{query}: {said}");
    }
    server.end().await;
}
