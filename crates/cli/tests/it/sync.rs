//! `exconn serve` against the independent Exchange peer.

use std::{collections::BTreeMap, fs};

use exconn_testkit::Peer;
use serde_json::{Value, json};

use crate::service::{Home, Service, until};

/// What the peer says of its devices, in the shape of the Graph.
fn expected(peer: &Peer) -> BTreeMap<String, Value> {
    let text = |value: &Value| match value.as_str() {
        None | Some("") => Value::Null,
        Some(text) => Value::from(text),
    };
    peer.devices()
        .iter()
        .map(|device| {
            let os = device["DeviceOS"].as_str().unwrap_or_default();
            let version = os.split(' ').position(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            let words: Vec<&str> = os.split(' ').collect();
            let (name, version) = words.split_at(version.unwrap_or(words.len()));
            let path =
                device["Identity"].as_str().unwrap().split("/ExchangeActiveSyncDevices/").next().unwrap();
            let state = match device["DeviceAccessState"].as_str().unwrap() {
                "Allowed" => "allowed",
                "Blocked" => "blocked",
                "Quarantined" => "quarantined",
                _ => "unknown",
            };
            let reason = match device["DeviceAccessStateReason"].as_str().unwrap() {
                "Global" => "exchangeGlobalRule",
                "Individual" => "exchangeIndividualRule",
                "DeviceRule" => "exchangeDeviceRule",
                "Unknown" => "unknown",
                other => panic!("the test does not know the reason {other}"),
            };
            let friendly = [&device["FriendlyName"], &device["DeviceModel"], &device["DeviceType"]];
            let shown = json!({
                "deviceName": friendly.into_iter().map(text).find(|name| !name.is_null()),
                "managementAgent": "eas",
                "operatingSystem": text(&Value::from(name.join(" "))),
                "osVersion": text(&Value::from(version.join(" "))),
                "easActivated": true,
                "easDeviceId": device["DeviceId"],
                "easActivationDateTime": device["FirstSyncTime"].as_str().unwrap().replace("+00:00", "Z"),
                "model": text(&device["DeviceModel"]),
                "imei": text(&device["DeviceImei"]),
                "phoneNumber": text(&device["DeviceTelephoneNumber"]),
                "subscriberCarrier": text(&device["DeviceMobileOperator"]),
                "userDisplayName": path.rsplit('/').next(),
                "userPrincipalName": null,
                "emailAddress": null,
                "exchangeAccessState": state,
                "exchangeAccessStateReason": reason,
                "exchangeLastSuccessfulSyncDateTime": "0001-01-01T00:00:00Z",
            });
            (device["DeviceId"].as_str().unwrap().to_owned(), shown)
        })
        .collect()
}

fn served(service: &Service) -> BTreeMap<String, Value> {
    let devices = service.devices().into_iter().map(|mut device| {
        let members = device.as_object_mut().unwrap();
        members.retain(|name, _| name != "id" && !name.starts_with("@odata."));
        (members["easDeviceId"].as_str().unwrap().to_owned(), device)
    });
    devices.collect()
}

fn assert_same(served: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>) {
    assert_eq!(served.len(), expected.len());
    for (id, device) in expected {
        assert_eq!(served.get(id), Some(device));
    }
}

#[test]
fn ten_thousand_devices_are_the_peers_own_before_and_after_changes() {
    let peer = Peer::start(&["--count", "10000", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    let run = service.next_end(&[]);
    assert_eq!(
        (&run["state"], &run["counts"]["seen"], &run["counts"]["added"]),
        (&json!("succeeded"), &json!(10_000), &json!(10_000))
    );
    let before = expected(&peer);
    assert_same(&served(&service), &before);

    let connector = service.connector();
    assert_eq!(connector["status"], "connected");
    assert_eq!(connector["exchangeAlias"], "contoso");
    assert_eq!(connector["serverName"], "ex01.contoso.com");
    assert_eq!(connector["exchangeOrganization"], "Contoso");
    assert_eq!(connector["version"], env!("CARGO_PKG_VERSION"));
    assert!(connector["connectorServerName"].is_string());
    assert_ne!(connector["lastSyncDateTime"], "0001-01-01T00:00:00Z");

    let devices = peer.devices();
    let guid = |at: usize| devices[at]["Guid"].as_str().unwrap().to_owned();
    peer.change_devices(&json!({
        "addSynthetic": 3,
        "change": {guid(10): {"DeviceOS": "iOS 18.1 22B83"}, guid(11): {"FriendlyName": "Ann's <new> & \"odd\" phone"}},
        "remove": [guid(20), guid(21)],
    }));
    let run = service.sync();
    assert_eq!(
        (&run["state"], &run["counts"]["added"], &run["counts"]["changed"], &run["counts"]["removed"]),
        (&json!("succeeded"), &json!(3), &json!(2), &json!(2))
    );
    let after = expected(&peer);
    assert_ne!(before, after);
    assert_same(&served(&service), &after);
    let count =
        service.get("/v1.0/deviceManagement/managedDeviceOverview")["deviceExchangeAccessStateSummary"]
            .clone();
    let sum: u64 = count.as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 10_001);
    assert!(peer.stats()["open_shells"].as_u64() <= Some(1), "one runspace is kept for the next sync");

    let token = service.token.clone();
    let (well, log) = service.terminate();
    assert_eq!(peer.stats()["open_shells"], 0, "and given back at the end");
    assert!(well, "SIGTERM ends it well: {log}");
    assert!(log.contains("audit"), "changes leave an audit line: {log}");
    assert!(!log.contains("\"pw\"") && !log.contains("c3ZjOnB3"), "the password is in the log");
    assert!(!log.contains(&token), "a token is in the log");
}

#[test]
fn killed_in_the_middle_of_a_sync_it_shows_the_devices_from_before_then_those_from_after() {
    let peer = Peer::start(&["--count", "600", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let before = expected(&peer);
    let guid = peer.devices()[0]["Guid"].as_str().unwrap().to_owned();
    peer.change_devices(&json!({"addSynthetic": 5, "remove": [guid]}));

    // Halfway the peer begins to trickle, so that there is a middle to be killed in.
    peer.fault(&json!({"kind": "slow", "at": 300, "times": 1, "ms": 200}));
    let known = service.runs();
    let id = service.connector()["id"].as_str().unwrap().to_owned();
    service.exconn(&["connectors", "sync", &id, "--type", "full"]);
    until("the sync is in its middle", || {
        let run = service.runs().into_iter().next()?;
        (run["state"] == "running" && run["counts"]["seen"].as_u64() > Some(0)).then_some(())
    });
    service.kill();

    peer.reset();
    let service = home.serve();
    let while_it_recovers = served(&service);
    let run = service.next_end(&known);
    assert_eq!((&run["state"], &run["attempt"]), (&json!("succeeded"), &json!(2)));
    let after = served(&service);
    assert_same(&after, &expected(&peer));
    assert!(while_it_recovers == before || while_it_recovers == after, "readers saw something in between");
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let peer = Peer::start(&["--count", "3", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let mut service = home.serve();
    service.next_end(&[]);
    for round in 0..5 {
        let name = format!("serverName=round {round}");
        let made = service.exconn(&["connectors", "create", "--set", &name, "--output", "json"]);
        let id = serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
        service.exconn(&["connectors", "update", &id, "--set", "version=7"]);
        service.exconn(&["connectors", "sync", &id, "--type", "delta"]);
        service.kill();
        service = home.serve();
        let kept = service.get(&format!("/v1.0/deviceManagement/exchangeConnectors/{id}"));
        assert_eq!((&kept["serverName"], &kept["version"]), (&json!(format!("round {round}")), &json!("7")));
        let runs = service.get(&format!("/exconn/v1/connectors/{id}/runs"));
        assert_eq!(
            (&runs["value"][0]["state"], &runs["value"][0]["waitingFor"]),
            (&json!("queued"), &json!("agent"))
        );
    }
}

#[test]
fn a_password_that_was_refused_rests_until_it_changes_or_the_service_is_new() {
    let peer = Peer::start(&["--count", "30", "--strict-uri"]);
    let home = Home::new(peer.url(), "");
    let service = home.serve();
    service.next_end(&[]);
    let devices = served(&service);
    fs::write(home.path("password"), "wrong\n").unwrap();
    // The runspace that is open would not sign in again.
    peer.fault(&json!({"kind": "shell-gone", "at": 0, "times": 1}));
    let refused = service.sync();
    assert_eq!((&refused["state"], &refused["failure"]), (&json!("failed"), &json!("credentialsRefused")));
    let requests = || peer.stats()["requests"].clone();
    let before = until("the peer has counted all", || {
        let before = requests();
        std::thread::sleep(std::time::Duration::from_millis(50));
        (before == requests()).then_some(before)
    });
    let held = service.sync();
    assert_eq!(
        (&held["state"], &held["failure"]),
        (&json!("failed"), &json!("credentialsRefused")),
        "{held}"
    );
    assert!(held["detail"].as_str().unwrap().contains("not tried again before"), "{held}");
    assert_eq!(requests(), before, "nobody was asked");
    assert!(served(&service) == devices);
    fs::write(home.path("password"), "pw\n").unwrap();
    let recovered = service.sync();
    assert_eq!((&recovered["state"], &recovered["counts"]["removed"]), (&json!("succeeded"), &json!(0)));
}

#[test]
fn no_fault_of_exchange_loses_a_device_and_the_next_run_recovers() {
    let peer = Peer::start(&["--count", "300", "--strict-uri"]);
    let home = Home::new(peer.url(), "operation_timeout = \"1s\"\n");
    let service = home.serve();
    service.next_end(&[]);
    let devices = served(&service);
    for (kind, at, states, failures) in [
        ("truncate-xml", 100, "failed", &["protocolViolated", "endedEarly"][..]),
        ("drop-connection", 100, "failed", &["unreachable", "endedEarly"][..]),
        ("shell-gone", 100, "failed", &["endedEarly"][..]),
        ("empty", 0, "held", &["implausibleLoss"][..]),
        ("error-midway", 100, "failed", &["endedEarly"][..]),
        ("never-ends", 100, "failed", &["endedEarly"][..]),
        ("bad-clixml", 100, "failed", &["protocolViolated"][..]),
        ("deep-object", 100, "failed", &["protocolViolated"][..]),
        ("quota", 0, "failed", &["throttled"][..]),
        ("http-503", 0, "failed", &["throttled"][..]),
    ] {
        // Once would not be enough: what was not heard of at all is asked for again at once.
        let times = if ["quota", "http-503"].contains(&kind) { 0 } else { 10 };
        peer.fault(&json!({"kind": kind, "at": at, "times": times, "ms": 300}));
        let run = service.sync();
        assert_eq!(run["state"], states, "{kind}: {run}");
        assert!(failures.contains(&run["failure"].as_str().unwrap()), "{kind}: {run}");
        assert!(run["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{kind}: {run}");
        assert!(served(&service) == devices, "{kind} changed the devices");
        peer.reset();
        let recovered = until("the next run recovers", || {
            let run = service.sync();
            (run["state"] == "succeeded").then_some(run)
        });
        assert_eq!(
            (&recovered["counts"]["seen"], &recovered["counts"]["removed"]),
            (&json!(300), &json!(0)),
            "{kind}"
        );
    }
    for kind in ["duplicate-fragment", "huge-object", "unknown-properties", "slow"] {
        peer.fault(&json!({"kind": kind, "at": 290, "times": 1, "ms": 10}));
        let run = service.sync();
        let clean = run["state"] == "succeeded" && run["counts"]["removed"] == 0;
        let refused = run["state"] == "failed" && run["failure"] == "protocolViolated";
        assert!(clean || refused, "{kind}: {run}");
        peer.reset();
        let run = service.sync();
        assert_eq!(run["state"], "succeeded", "{kind}: {run}");
        assert_eq!(service.devices().len(), devices.len(), "{kind}");
    }
}
