//! Client commands: what they print, and how they end.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use exconn_testkit::Peer;
use serde_json::Value;

use crate::service::{Home, Service, exconn};

fn run(service: Option<&Service>, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exconn"));
    command.env_remove("EXCONN_TOKEN").env_remove("EXCONN_URL");
    if let Some(service) = service {
        command.env("EXCONN_URL", &service.url).env("EXCONN_TOKEN", &service.token);
    }
    let Output { status, stdout, stderr } = command.args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn connectors_live_their_life_on_the_command_line() {
    let peer = Peer::start(&["--count", "30", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let (code, made, _) =
        run(Some(&service), &["connectors", "create", "--set", "serverName=a b", "--output", "json"]);
    assert_eq!(code, 0);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!((&made["serverName"], &made["status"]), (&"a b".into(), &"connectionPending".into()));
    let id = made["id"].as_str().unwrap();
    let (code, changed, _) =
        run(Some(&service), &["connectors", "update", id, "--set", "serverName=null", "--set", "version=7"]);
    assert_eq!(code, 0);
    assert!(changed.contains("version") && changed.contains('7') && !changed.contains("a b"), "{changed}");
    let (_, listed, _) = run(Some(&service), &["connectors", "list"]);
    assert!(listed.contains(id) && listed.contains("contoso") && listed.contains("connected"), "{listed}");
    assert_eq!(run(Some(&service), &["connectors", "delete", id]).0, 0);
    let (code, _, said) = run(Some(&service), &["connectors", "get", id]);
    assert_eq!(code, 1);
    assert!(said.contains("ResourceNotFound") && said.contains("request-id"), "{said}");

    let contoso = service.connector()["id"].as_str().unwrap().to_owned();
    let (code, said, progress) =
        run(Some(&service), &["connectors", "sync", &contoso, "--type", "full", "--wait"]);
    assert_eq!((code, said.as_str()), (0, "succeeded: 30 seen, 0 added, 0 changed, 0 removed\n"));
    assert!(progress.contains("devices seen"), "{progress}");
}

#[test]
fn a_sync_that_fails_says_why_and_ends_with_1() {
    let peer = Peer::start(&["--count", "30", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    peer.fault(&serde_json::json!({"kind": "error-midway", "at": 5}));
    let id = service.connector()["id"].as_str().unwrap().to_owned();
    let (code, _, said) = run(Some(&service), &["connectors", "sync", &id, "--wait"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("failed") && said.contains("endedEarly") && said.contains("Nothing was changed"),
        "{said}"
    );
}

#[test]
fn devices_are_listed_in_three_forms() {
    let peer = Peer::start(&["--count", "1500", "--strict-uri"]);
    let guid = peer.devices()[0]["Guid"].as_str().unwrap().to_owned();
    peer.change_devices(&serde_json::json!({"change": {guid: {"FriendlyName": "=1+1\u{1b}[2J, \"x\""}}}));
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let (code, listed, _) = run(Some(&service), &["devices", "list", "--output", "json"]);
    let devices: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, devices.len()), (0, 1500));

    let (_, listed, _) = run(Some(&service), &["devices", "list", "--output", "csv"]);
    let mut rows = csv::Reader::from_reader(listed.as_bytes());
    let names = rows.headers().unwrap().clone();
    assert!(names.iter().any(|name| name == "easDeviceId"));
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1500);
    let cells: Vec<&str> = rows.iter().flat_map(|row| row.iter()).collect();
    assert!(cells.contains(&"'=1+1 [2J, \"x\""), "a formula is quoted, an escape sequence is gone");
    assert!(cells.iter().all(|cell| !cell.starts_with(['=', '@'])));

    let filter = "exchangeAccessState eq 'blocked' and startswith(deviceName,'L')";
    let (code, listed, _) = run(
        Some(&service),
        &["devices", "list", "--filter", filter, "--orderby", "deviceName desc", "--top", "2"],
    );
    assert_eq!(code, 0);
    assert!(listed.contains("deviceName") && !listed.contains('\u{1b}'), "{listed}");
    let (code, _, said) = run(Some(&service), &["devices", "list", "--filter", "nonsense eq 1"]);
    assert_eq!(code, 1);
    assert!(said.contains("Could not find a property named 'nonsense'"), "{said}");
    let (code, shown, _) = run(Some(&service), &["devices", "get", devices[7]["id"].as_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(shown.contains(devices[7]["easDeviceId"].as_str().unwrap()), "{shown}");
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    for (arguments, code, says) in [
        (&["--url", "http://127.0.0.1:1", "connectors", "list"][..], 3, "cannot reach"),
        (&["--url", "ftp://x", "connectors", "list"], 2, "is not an address"),
        (&["connectors", "get", "../x"], 2, "is not an id"),
        (&["connectors", "create", "--set", "serverNam=x"], 2, "did you mean 'serverName'"),
        (&["connectors", "create", "--set", "serverName"], 2, "NAME=VALUE"),
        (&["connectors", "nonsense"], 2, "unrecognized subcommand"),
        (&["token", "issue", "--data", "/nonexistent/exconn"], 1, "there is no data folder"),
        (&["serve", "--database", "postgres://x"], 2, "SQLite"),
        (&["serve", "--tls-cert", "x"], 2, "--tls-key"),
        (&[], 2, "Usage"),
    ] {
        let (found, _, said) = run(None, arguments);
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

#[test]
fn tokens_carry_what_was_asked_for_and_no_more() {
    let peer = Peer::start(&["--count", "3", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let data = home.path("data");
    let data = data.to_str().unwrap();
    let scope = "DeviceManagementServiceConfig.Read.All";
    let token = exconn(&["token", "issue", "--data", data, "--scope", scope]);
    let with = |arguments: &[&str]| {
        let mut all = vec!["--url", &service.url, "--token", token.trim()];
        all.extend(arguments);
        run(None, &all)
    };
    assert_eq!(with(&["connectors", "list"]).0, 0);
    let (code, _, said) = with(&["devices", "list"]);
    assert_eq!(code, 1);
    assert!(said.contains("403") && said.contains("DeviceManagementManagedDevices.Read.All"), "{said}");
    assert_eq!(with(&["connectors", "create"]).0, 1);
    let (code, _, said) = run(None, &["token", "issue", "--data", data, "--scope", "Everything"]);
    assert_eq!(code, 2);
    assert!(said.contains("DeviceManagementServiceConfig.Read.All"), "{said}");
    assert_eq!(run(None, &["token", "issue", "--data", data, "--expires", "900d"]).0, 2);
}

#[test]
fn a_demo_ends_by_itself_with_its_figures() {
    let printed = exconn(&["demo", "--once", "--json", "--devices", "250", "--listen", "127.0.0.1:0"]);
    let summary: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&summary["status"], &summary["devices"]), (&"connected".into(), &250.into()));
    assert!(summary["syncSeconds"].is_number() && summary["databaseBytes"].as_u64() > Some(0));
    assert!(summary["connectorId"].as_str().is_some_and(|id| id.len() == 36));
}

#[test]
fn every_command_teaches_and_completions_know_them() {
    for command in [
        &["demo"][..],
        &["serve"],
        &["token", "issue"],
        &["connectors", "list"],
        &["connectors", "create"],
        &["connectors", "sync"],
        &["devices", "list"],
        &["config", "check"],
        &["completions"],
    ] {
        let (code, help, _) = run(None, &[command, &["--help"]].concat());
        assert_eq!(code, 0);
        assert!(help.contains("Example:"), "{command:?}: {help}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, script, _) = run(None, &["completions", shell]);
        assert_eq!(code, 0);
        assert!(
            ["connectors", "devices", "serve", "demo"].iter().all(|name| script.contains(name)),
            "{shell}"
        );
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "that a command waits shows in real time")]
fn commands_wait_when_the_service_asks_them_to() {
    let home = Home::new("http://127.0.0.1:9/PowerShell/", "");
    home.reconfigure("mode = \"off\"", "window = \"3s\"\napp_requests = 1");
    let service = home.serve();
    let began = Instant::now();
    for _ in 0..2 {
        let (code, _, said) = run(Some(&service), &["connectors", "list"]);
        assert_eq!(code, 0, "{said}");
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "the second was answered at once");
}
