//! The OpenAPI document of the Graph's routes.

use std::collections::BTreeSet;

use exconn_server::routes::{Access, ROUTES};
use http::Request;
use http_body_util::Full;
use serde_json::Value;

use crate::harness::Server;

async fn document(server: &Server, version: &str) -> Value {
    let request = Request::get(format!("/{version}/openapi.json")).header("host", "localhost");
    let answer = server.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Every operation with its path and method.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(|(method, operation)| (path.clone(), method.to_uppercase(), operation))
    });
    methods.collect()
}

/// A path with every parameter named `id`, as the route table has it.
fn with_id(path: &str) -> String {
    match (path.find('{'), path.find('}')) {
        (Some(open), Some(close)) => format!("{}{{id}}{}", &path[..open], &path[close + 1..]),
        _ => path.to_owned(),
    }
}

#[tokio::test]
async fn the_document_has_the_routes_of_the_table() {
    let server = Server::start().await;
    let served: BTreeSet<_> = ROUTES
        .iter()
        .filter_map(|route| {
            Some((route.path.strip_prefix("/{version}")?.to_owned(), route.method.to_string()))
        })
        .collect();
    for version in ["v1.0", "beta"] {
        let document = document(&server, version).await;
        assert_eq!(document["openapi"], "3.0.3");
        assert_eq!(document["info"]["version"], version);
        assert_eq!(document["servers"][0]["url"], format!("/{version}"));
        let mut described: BTreeSet<_> =
            operations(&document).into_iter().map(|(path, method, _)| (with_id(&path), method)).collect();
        let sync = "/deviceManagement/exchangeConnectors/{id}/microsoft.graph.sync".to_owned();
        assert!(described.remove(&(sync, "POST".to_owned())));
        assert_eq!(described, served);
    }
    server.end().await;
}

#[tokio::test]
async fn access_is_described_as_it_is() {
    let server = Server::start().await;
    let document = document(&server, "v1.0").await;
    for (path, method, operation) in operations(&document) {
        let path = path.replace("microsoft.graph.sync", "sync");
        let table = format!("/{{version}}{}", with_id(&path));
        let route =
            ROUTES.iter().find(|route| route.path == table && route.method.as_str() == method).unwrap();
        let has = |status: &str| operation["responses"].get(status).is_some();
        assert_eq!(operation.get("security").is_some(), route.access == Access::Open, "{path}");
        assert_eq!(has("401"), route.access != Access::Open, "{path}");
        assert_eq!(has("403"), matches!(route.access, Access::Needs(_)), "{path}");
        let parameters = operation["parameters"].as_array().unwrap();
        let names_id = parameters
            .iter()
            .filter_map(|parameter| parameter["$ref"].as_str())
            .any(|reference| reference.ends_with("-id"));
        assert_eq!(names_id, path.contains('{'), "{path}");
    }
    server.end().await;
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("$ref", Value::String(reference)) => {
                        found.insert(reference.clone());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn references_lead_somewhere_and_operations_have_names_of_their_own() {
    let server = Server::start().await;
    let document = document(&server, "beta").await;
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 30, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let operations = operations(&document);
    let ids: BTreeSet<_> = operations.iter().map(|(.., one)| one["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len());
    for name in [
        "deviceManagement.ListExchangeConnectors",
        "deviceManagement.CreateExchangeConnectors",
        "deviceManagement.GetExchangeConnectors",
        "deviceManagement.UpdateExchangeConnectors",
        "deviceManagement.DeleteExchangeConnectors",
        "deviceManagement.exchangeConnectors.deviceManagementExchangeConnector.sync",
        "deviceManagement.exchangeConnectors.GetCount-7e43",
    ] {
        assert!(ids.contains(name), "{name}");
    }
    server.end().await;
}

#[tokio::test]
async fn bodies_are_described_as_they_are_taken() {
    let server = Server::start().await;
    let document = document(&server, "v1.0").await;
    let body = |path: &str, method: &str| {
        document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"].clone()
    };
    let connectors = "/deviceManagement/exchangeConnectors";
    let connector = format!("{connectors}/{{deviceManagementExchangeConnector-id}}");
    let created = body(connectors, "post");
    let names: BTreeSet<_> = created["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 10, "{names:?}");
    assert!(names.contains("@odata.type") && !names.contains("id"), "{names:?}");
    assert_eq!(created["additionalProperties"], false);
    let status = &created["properties"]["status"];
    let members = ["none", "connectionPending", "connected", "disconnected"];
    assert_eq!(status["enum"], serde_json::json!(members));
    assert_eq!(status.get("nullable"), None);
    assert_eq!(created["properties"]["serverName"]["nullable"], true);
    let changed = body(&connector, "patch");
    assert_eq!(changed["properties"], created["properties"]);
    assert_eq!(changed["anyOf"].as_array().unwrap().len(), 9);
    for name in ["sync", "microsoft.graph.sync"] {
        let sync = body(&format!("{connector}/{name}"), "post");
        assert_eq!(sync["required"], serde_json::json!(["syncType"]));
        assert_eq!(sync["properties"]["syncType"]["enum"], serde_json::json!(["fullSync", "deltaSync"]));
    }
    server.end().await;
}
