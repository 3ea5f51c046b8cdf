//! exconn's own routes.

use std::collections::BTreeSet;

use exconn_model::{AccessDecision, FailureKind, Finding, Step, Timestamp};
use exconn_odata::query::Query;
use exconn_server::{AgentRefusal, routes::ROUTES};
use serde_json::json;

use crate::{
    devices::sync_devices,
    harness::{CONNECTORS, Server},
};

#[tokio::test]
async fn the_description_names_the_routes_of_the_table() {
    let server = Server::start().await;
    let answer = server.get("/exconn/v1/openapi.json").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.to_uppercase()))
        })
        .collect();
    let served: BTreeSet<_> = ROUTES
        .iter()
        .filter(|route| !route.path.starts_with("/{version}"))
        .map(|route| (route.path.to_owned(), route.method.to_string()))
        .collect();
    assert_eq!(described, served);
    let failures = &document["components"]["schemas"]["Run"]["properties"]["failure"]["enum"];
    let kinds = FailureKind::ALL.map(|kind| Some(kind.name()));
    assert_eq!(*failures, serde_json::json!(kinds.into_iter().chain([None]).collect::<Vec<_>>()));
    server.end().await;
}

#[tokio::test]
async fn runs_show_what_they_wait_for() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("/exconn/v1/connectors/{id}/runs");
    let list = server.get(&path).await.json();
    let run = &list["value"][0];
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    assert_eq!(run["connectorId"], id.as_str());
    assert_eq!((&run["kind"], &run["state"]), (&"fullSync".into(), &"queued".into()));
    assert_eq!(run["waitingFor"], "agent");
    assert_eq!(run["requestedDateTime"], "2026-01-31T08:00:00Z");
    assert_eq!(run["counts"], serde_json::json!({"seen": 0, "added": 0, "changed": 0, "removed": 0}));
    for name in ["startedDateTime", "finishedDateTime", "failure", "detail"] {
        assert!(run[name].is_null(), "{run}");
    }
    *server.agents.serves.lock().unwrap() = Some(id.parse().unwrap());
    let one = server.get(&format!("/exconn/v1/runs/{}", run["id"].as_str().unwrap())).await.json();
    assert!(one["waitingFor"].is_null(), "{one}");
    server.end().await;
}

#[tokio::test]
async fn runs_of_nothing_are_not_found() {
    let server = Server::start().await;
    let unknown = "11111111-2222-4333-8444-555555555555";
    for id in [unknown, "abc", "..", "%2e%2e"] {
        server.get(&format!("/exconn/v1/connectors/{id}/runs")).await.error(404);
        server.get(&format!("/exconn/v1/runs/{id}")).await.error(404);
    }
    let id = server.create("{}").await;
    for query in ["limit=0", "limit=101", "limit=x", "limit=", "other=1", "limit"] {
        server.get(&format!("/exconn/v1/connectors/{id}/runs?{query}")).await.error(400);
    }
    let limited = server.get(&format!("/exconn/v1/connectors/{id}/runs?limit=1")).await;
    assert_eq!(limited.json()["value"].as_array().unwrap().len(), 1);
    assert_eq!(server.delete(&format!("{CONNECTORS}/{id}")).await.status, 204);
    server.get(&format!("/exconn/v1/connectors/{id}/runs")).await.error(404);
    server.end().await;
}

#[tokio::test]
async fn a_connection_is_tested_step_by_step() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("/exconn/v1/connectors/{id}/test");
    let (_, said) = server.write("POST", &path, "").await.error(503);
    assert!(said.contains("No agent serves"), "{said}");
    *server.agents.serves.lock().unwrap() = Some(id.parse().unwrap());
    let step = |name: &str, finding| Step { name: name.into(), finding };
    let warned = Finding::Warned { seen: "9 days left".into(), cure: "Renew it.".into() };
    let failed = Finding::Failed { seen: "refused".into(), cure: "Give the role.".into() };
    let mut steps = vec![step("TCP", Finding::Passed("127.0.0.1:80".into())), step("TLS", warned)];
    *server.agents.says.lock().unwrap() = Ok(steps.clone());
    let answer = server.write("POST", &path, "").await;
    assert_eq!(answer.status, 200);
    let expected = json!([
        {"name": "TCP", "finding": "passed", "seen": "127.0.0.1:80", "cure": null},
        {"name": "TLS", "finding": "warned", "seen": "9 days left", "cure": "Renew it."},
    ]);
    assert_eq!(answer.json(), json!({"passed": true, "steps": expected}));
    steps.push(step("Get-MobileDevice", failed));
    *server.agents.says.lock().unwrap() = Ok(steps);
    assert_eq!(server.write("POST", &path, "").await.json()["passed"], false);
    *server.agents.says.lock().unwrap() = Err(AgentRefusal::Busy);
    server.write("POST", &path, "").await.error(503);
    server.write("POST", &format!("{path}?a=b"), "").await.error(400);
    let unknown = "/exconn/v1/connectors/11111111-2222-4333-8444-555555555555/test";
    server.write("POST", unknown, "").await.error(404);
    server.end().await;
}

#[tokio::test]
async fn access_decisions_reach_the_agent_and_the_audit() {
    let server = Server::start().await;
    let connector = sync_devices(&server, 1).await;
    let device = server
        .store
        .devices(server.keyring.tenant(), &Query { limit: 1, ..Query::default() })
        .await
        .unwrap()
        .items
        .remove(0);
    let (device, partnership) = (device.id, device.observed.partnership);
    let tenant = server.keyring.tenant();
    let due = || async {
        let due = server.store.due_statistics(tenant, connector, Timestamp::from_unix_seconds(1), 9).await;
        due.unwrap().into_iter().flat_map(|mailbox| mailbox.partnerships).collect::<Vec<_>>()
    };
    let later = Timestamp::from_unix_seconds(2);
    server.store.postpone_statistics(tenant, connector, vec![partnership], later).await.unwrap();
    assert!(due().await.is_empty());
    let path = format!("/exconn/v1/devices/{device}/access");
    server.write("POST", &path, r#"{"decision":"allow"}"#).await.error(503);
    *server.agents.serves.lock().unwrap() = Some(connector);
    for (name, decision) in [
        ("allow", AccessDecision::Allow),
        ("block", AccessDecision::Block),
        ("byRule", AccessDecision::ByRule),
    ] {
        let answer = server.write("POST", &path, json!({"decision": name}).to_string()).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(server.agents.decided.lock().unwrap().pop(), Some((partnership, decision)));
        assert!(server.agents.woken.lock().unwrap().contains(&connector), "its next sync is soon");
    }
    assert_eq!(due().await, [partnership], "its mailbox is asked what became of it");
    let audit = server
        .get("/exconn/v1/audit?$filter=action%20eq%20%27setDeviceAccess%27%20and%20outcome%20eq%20%27done%27")
        .await;
    let details: Vec<_> =
        audit.json()["value"].as_array().unwrap().iter().map(|entry| entry["detail"].clone()).collect();
    assert_eq!(details.iter().filter(|detail| *detail == "block").count(), 1, "{details:?}");

    let exchange =
        AgentRefusal::Exchange { kind: FailureKind::NotPermitted, detail: "the account may not".into() };
    for (refusal, status, says) in [
        (AgentRefusal::ReadOnly, 409, "read_only = false"),
        (AgentRefusal::NoMailbox, 409, "mailbox"),
        (exchange, 502, "the account may not"),
    ] {
        *server.agents.says.lock().unwrap() = Err(refusal);
        let (_, said) = server.write("POST", &path, r#"{"decision":"allow"}"#).await.error(status);
        assert!(said.contains(says), "{said}");
    }
    for body in ["", "{}", r#"{"decision":"Allow"}"#, r#"{"decision":"allow","more":1}"#, "[]"] {
        server.write("POST", &path, body).await.error(400);
    }
    let unknown = "/exconn/v1/devices/11111111-2222-4333-8444-555555555555/access";
    server.write("POST", unknown, r#"{"decision":"allow"}"#).await.error(404);
    assert!(server.agents.decided.lock().unwrap().is_empty());
    server.end().await;
}
