//! Applications and the audit from the command line.

use std::{fs, process::Command};

use exconn_testkit::Peer;
use serde_json::Value;

use crate::service::{Home, exconn, http_get};

const READ: &str = "DeviceManagementServiceConfig.Read.All";

#[test]
fn applications_are_managed_and_the_audit_is_read() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    let data = home.path("data");
    let data = data.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let mut all = vec!["--url", &service.url];
        all.extend(arguments);
        all.extend(["--data", data]);
        exconn(&all)
    };
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&run(&[arguments, &["--output", "json"]].concat())).unwrap()
    };

    let shown = run(&["apps", "create", "Inventory", "--permission", READ]);
    assert!(shown.contains("Inventory") && shown.contains("Keep the secret now"), "{shown}");
    let secret = shown.lines().find_map(|line| line.strip_prefix("secret")).unwrap().trim();
    let apps = json(&["apps", "list"]);
    let id = apps[0]["id"].as_str().unwrap();
    assert_eq!(apps[0]["permissions"], serde_json::json!([READ]));
    assert!(!run(&["apps", "list"]).contains(secret), "a secret is shown once");

    let rotated = json(&["apps", "rotate", id, "--overlap", "1h", "--expires", "30d"]);
    assert_eq!(rotated["credentials"].as_array().unwrap().len(), 2);
    assert_ne!(rotated["secretText"], secret);
    let updated = json(&["apps", "update", id, "--name", "Stock", "--permission", "AuditLog.Read.All"]);
    assert_eq!(
        (&updated["displayName"], &updated["permissions"][0]),
        (&"Stock".into(), &"AuditLog.Read.All".into())
    );
    assert_eq!(run(&["apps", "delete", id]), format!("deleted {id}\n"));
    assert_eq!(json(&["apps", "list"]), serde_json::json!([]));

    let (status, _) = http_get(&service.url, "/exconn/v1/audit", &service.token);
    assert_eq!(status, 403, "the token of every day's work does not open the audit");
    let entries = json(&["audit", "list", "--filter", "outcome eq 'done' and actor eq 'application'"]);
    let actions: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["deleteApplication", "updateApplication", "rotateApplication", "createApplication"]);
    assert_eq!(entries[0]["subject"], "exconn apps");
    let agents = json(&["audit", "list", "--filter", "actor eq 'agent'"]);
    assert_eq!((&agents[0]["action"], &agents[0]["subject"]), (&"createConnector".into(), &"contoso".into()));
    assert_eq!(json(&["audit", "list", "--top", "2"]).as_array().unwrap().len(), 2);
    let table = run(&["audit", "list"]);
    assert!(table.contains("createApplication") && table.contains("127.0.0.1"), "{table}");
    let csv = run(&["audit", "list", "--output", "csv"]);
    assert!(csv.starts_with("id,dateTime,actor,subject,"), "{csv}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let peer = Peer::start(&["--count", "1", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    let empty = home.path("empty.pem");
    fs::write(&empty, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let data = home.path("data");
    let data = data.to_str().unwrap();
    for (arguments, code, says) in [
        (vec!["apps", "list"], 1, "403"),
        (vec!["audit", "list"], 1, "AuditLog.Read.All"),
        (vec!["apps", "list", "--data", "/nonexistent"], 1, "no data folder"),
        (vec!["apps", "create", "x", "--permission", "Mail.Read", "--data", data], 1, "is not a permission"),
        (vec!["apps", "create", "x", "--data", data], 2, "--permission"),
        (
            vec![
                "apps",
                "create",
                "x",
                "--permission",
                READ,
                "--certificate",
                empty.to_str().unwrap(),
                "--data",
                data,
            ],
            1,
            "holds no certificate",
        ),
        (vec!["apps", "rotate", "../x", "--data", data], 2, "is not an id"),
        (vec!["audit", "list", "--filter", "nonsense", "--data", data], 1, "400"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_exconn"))
            .args(["--url", &service.url, "--token", &service.token])
            .args(&arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}
