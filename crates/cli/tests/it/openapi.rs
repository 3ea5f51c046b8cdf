//! What the binary answers is what its OpenAPI documents say, whatever it is asked: schemathesis asks.

use std::{fs, process::Command};

use exconn_testkit::{Peer, python, repository_root};
use serde_json::Value;

use crate::{
    program::output_of,
    service::{Home, Service, exconn},
};

/// Asks what a document describes, with every check in every phase. `settings` is a file of schemathesis' own, in which
/// the ids stand as variables.
fn hold_to(service: &Service, home: &Home, document: &str, settings: &str, ids: &[(&str, &Value)]) {
    let ids = ids.iter().map(|(name, id)| (name, id.as_str().unwrap()));
    output_of(
        Command::new(python().with_file_name("schemathesis"))
            .args(["--no-color", "--config-file"])
            .arg(repository_root().join("crates/cli/tests/openapi").join(settings))
            .args(["run", &format!("{}{document}", service.url)])
            .args(["--header", &format!("Authorization: Bearer {}", service.token)])
            .args(["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"])
            .current_dir(home.path(""))
            .envs(ids),
    );
}

#[test]
fn exconns_own_routes_are_as_described() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    home.reconfigure("type = \"onPremises\"\n", "type = \"onPremises\"\nread_only = false\n");
    let mut service = home.serve();
    let run = service.next_end(&[]);
    let device = service.devices()[0]["id"].clone();
    let data = home.path("data");
    let mut issue = vec!["token", "issue", "--data", data.to_str().unwrap()];
    for permission in [
        "DeviceManagementServiceConfig.ReadWrite.All",
        "DeviceManagementManagedDevices.ReadWrite.All",
        "Application.ReadWrite.All",
        "AuditLog.Read.All",
    ] {
        issue.extend(["--scope", permission]);
    }
    service.token = exconn(&issue).trim().to_owned();
    let create = ["apps", "create", "kept", "--permission", "AuditLog.Read.All", "--output", "json"];
    let app: Value = serde_json::from_str(&service.exconn(&create)).unwrap();
    let keyring: Value = serde_json::from_slice(&fs::read(data.join("keyring.json")).unwrap()).unwrap();
    let ids = [
        ("EXCONN_CONNECTOR", &run["connectorId"]),
        ("EXCONN_RUN", &run["id"]),
        ("EXCONN_DEVICE", &device),
        ("EXCONN_APP", &app["id"]),
        ("EXCONN_TENANT", &keyring["tenant"]),
    ];
    hold_to(&service, &home, "/exconn/v1/openapi.json", "exconn.toml", &ids);
}

#[test]
fn the_graphs_routes_are_as_described() {
    let peer = Peer::start(&["--count", "20", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let device = &service.devices()[0]["id"];
    hold_to(&service, &home, "/v1.0/openapi.json", "graph.toml", &[("EXCONN_DEVICE", device)]);
}
