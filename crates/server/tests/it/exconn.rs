//! exconn's own routes.

use std::collections::BTreeSet;

use exconn_server::routes::ROUTES;

use crate::harness::{CONNECTORS, Server};

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
