//! A decision about a device, from the command line to the mailbox at Exchange.

use std::process::Command;

use exconn_testkit::Peer;
use serde_json::{Value, json};

use crate::service::{Home, Service, exconn, until};

/// A service for this Exchange, which may be written or not, after its first sync.
fn serve(peer: &Peer, read_only: bool) -> (Home, Service) {
    let home = Home::new(peer.url(), "");
    if !read_only {
        home.reconfigure("type = \"onPremises\"\n", "type = \"onPremises\"\nread_only = false\n");
    }
    let mut service = home.serve();
    service.next_end(&[]);
    let mut issue = vec!["token", "issue", "--data"];
    let data = home.path("data");
    issue.push(data.to_str().unwrap());
    for permission in [
        "DeviceManagementManagedDevices.ReadWrite.All",
        "DeviceManagementServiceConfig.ReadWrite.All",
        "AuditLog.Read.All",
    ] {
        issue.extend(["--scope", permission]);
    }
    service.token = exconn(&issue).trim().to_owned();
    (home, service)
}

/// What the device's mailbox at Exchange has in its lists: allowed and blocked.
fn lists(peer: &Peer, device_id: &str) -> [Vec<Value>; 2] {
    let org = peer.org();
    let of = |list: &str| org[list].as_array().unwrap().clone();
    let device = of("devices").into_iter().find(|device| device["DeviceId"] == device_id).unwrap();
    let mailbox = of("mailboxes").into_iter().find(|mailbox| mailbox["alias"] == device["mailbox"]).unwrap();
    ["allowedDeviceIds", "blockedDeviceIds"].map(|list| mailbox[list].as_array().cloned().unwrap_or_default())
}

/// The cmdlets at Exchange that change something.
fn changes(peer: &Peer) -> usize {
    peer.log().iter().filter(|call| call["cmdlet"] == "Set-CASMailbox").count()
}

fn decide(service: &Service, decision: &str, id: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_exconn"))
        .args(["--url", &service.url, "--token", &service.token, "devices", decision, id])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

/// The lines about decisions, newest first.
fn audit(service: &Service) -> Vec<Value> {
    let listed = service.exconn(&["audit", "list", "--output", "json"]);
    let lines: Vec<Value> = serde_json::from_str(&listed).unwrap();
    lines.into_iter().filter(|line| line["action"] == "setDeviceAccess").collect()
}

#[test]
fn a_decision_changes_the_lists_of_the_mailbox_and_nothing_else() {
    let peer = Peer::start(&["--count", "6", "--strict-uri"]);
    let (_home, service) = serve(&peer, false);
    let device = &service.devices()[0];
    let (id, device_id) = (device["id"].as_str().unwrap(), device["easDeviceId"].as_str().unwrap());
    let before = lists(&peer, device_id);
    let listed = json!(device_id);
    for (decision, is_listed) in
        [("block", [false, true]), ("allow", [true, false]), ("by-rule", [false, false])]
    {
        let (code, said) = decide(&service, decision, id);
        assert_eq!(code, 0, "{decision}: {said}");
        let now = lists(&peer, device_id);
        for ((now, before), is_listed) in now.iter().zip(&before).zip(is_listed) {
            assert_eq!(now.contains(&listed), is_listed, "{decision}: {now:?}");
            let others =
                |list: &[Value]| list.iter().filter(|one| **one != listed).cloned().collect::<Vec<_>>();
            assert_eq!(
                others(now),
                others(before),
                "{decision}: other devices of the mailbox are left alone"
            );
        }
    }
    assert_eq!(changes(&peer), 3);
    decide(&service, "block", id);
    service.sync();
    let found = service.devices().into_iter().find(|device| device["id"] == id).unwrap();
    assert_eq!(
        (&found["exchangeAccessState"], &found["exchangeAccessStateReason"]),
        (&"blocked".into(), &"exchangeIndividualRule".into())
    );
    let lines = audit(&service);
    let details: Vec<_> = lines.iter().map(|line| line["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["block", "byRule", "allow", "block"], "newest first");
}

#[test]
fn a_connection_that_only_reads_refuses_and_exchange_hears_nothing() {
    let peer = Peer::start(&["--count", "3", "--strict-uri"]);
    let (_home, service) = serve(&peer, true);
    let device = &service.devices()[0];
    let before = lists(&peer, device["easDeviceId"].as_str().unwrap());
    for decision in ["allow", "block", "by-rule"] {
        let (code, said) = decide(&service, decision, device["id"].as_str().unwrap());
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("409") && said.contains("read_only = false"), "{said}");
    }
    assert_eq!(lists(&peer, device["easDeviceId"].as_str().unwrap()), before);
    assert_eq!(changes(&peer), 0);
    // Refusals are written behind the answers.
    until("each refusal has its line", || {
        let lines = audit(&service);
        assert!(lines.iter().all(|line| line["outcome"] != "done"), "{lines:?}");
        let refused = lines.iter().filter(|line| line["outcome"] == "refused" && line["status"] == 409);
        (refused.count() == 3).then_some(())
    });
}
