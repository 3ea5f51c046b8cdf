//! Statistics are the peer's own account, decisions arrive, and a read-only connection changes nothing.

use exconn_exchange::{DeviceAddress, Exchange, ExchangeError, ReadOnly, Step};
use exconn_model::{AccessDecision, DeviceStatistics, Timestamp};
use exconn_testkit::Peer;
use serde_json::{Value, json};

use crate::setup::{Client, cmdlets, peer};

fn expected(device: &Value) -> DeviceStatistics {
    let moment = |name: &str| device[name].as_str().map(|text| Timestamp::parse(text).unwrap());
    let text = |name: &str| device[name].as_str().map(str::to_owned);
    DeviceStatistics {
        partnership: device["Guid"].as_str().unwrap().parse().unwrap(),
        last_success: moment("LastSuccessSync"),
        last_attempt: moment("LastSyncAttemptTime"),
        wipe_requested: moment("DeviceWipeRequestTime"),
        wipe_sent: moment("DeviceWipeSentTime"),
        wipe_acknowledged: moment("DeviceWipeAckTime"),
        status: text("Status"),
        access_state: text("DeviceAccessState"),
        access_state_reason: text("DeviceAccessStateReason"),
    }
}

/// Mailboxes and devices with the names that break things.
fn odd_names() -> (tempfile::TempDir, Peer) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("org.json");
    let org = json!({"name": "Contoso", "domain": "contoso.com", "servers": [{"name": "EX01"}], "mailboxes": [
        {"alias": "obrien", "displayName": "Seán O'Brien \"Ops\" <x> & Söhne 王"},
        {"alias": "d'angelo", "displayName": "D$(whoami)`Angelo"},
        {"alias": "empty", "displayName": "Nobody's"},
    ], "devices": [
        {"mailbox": "obrien", "DeviceId": "it's§\"odd\"", "DeviceType": "iPhone"},
        {"mailbox": "obrien", "DeviceId": "µ-$(x)-]]>", "DeviceType": "Outlook"},
        {"mailbox": "d'angelo", "DeviceId": "plain", "DeviceType": "iPad"},
    ]});
    std::fs::write(&file, org.to_string()).unwrap();
    let peer = peer(&["--org", file.to_str().unwrap()]);
    (folder, peer)
}

#[tokio::test]
async fn statistics_are_the_peers_own_whatever_the_names() {
    let (_folder, peer) = odd_names();
    let client = Client::new(peer.url());
    for (mailbox, alias) in [
        ("Seán O'Brien \"Ops\" <x> & Söhne 王", "obrien"),
        ("obrien@contoso.com", "obrien"),
        ("d'angelo", "d'angelo"),
        ("D$(whoami)`Angelo", "d'angelo"),
        ("empty", "empty"),
        // A mailbox that does not exist has no partnerships.
        ("no such mailbox's name", "nobody"),
    ] {
        let found = client.exchange.statistics(mailbox).await.unwrap();
        let devices = peer.devices();
        let own = devices.iter().filter(|device| device["mailbox"] == alias);
        assert_eq!(found, own.map(expected).collect::<Vec<_>>(), "{mailbox}");
    }
}

#[tokio::test]
async fn statistics_of_many_mailboxes_are_the_peers_own() {
    let peer = peer(&["--count", "120"]);
    let client = Client::new(peer.url());
    let (org, devices) = (peer.org(), peer.devices());
    let mut seen = 0;
    for mailbox in org["mailboxes"].as_array().unwrap() {
        let found = client.exchange.statistics(mailbox["guid"].as_str().unwrap()).await.unwrap();
        let own = devices.iter().filter(|device| device["mailbox"] == mailbox["alias"]);
        assert_eq!(found, own.map(expected).collect::<Vec<_>>());
        assert!(found.iter().all(|one| one.status.is_some()));
        seen += found.len();
    }
    assert_eq!(seen, 120);
    assert!(devices.iter().any(|device| device["LastSuccessSync"].is_string()));
}

fn exemptions(peer: &Peer) -> (Value, Value) {
    let mailbox = &peer.org()["mailboxes"][0];
    (mailbox["allowedDeviceIds"].clone(), mailbox["blockedDeviceIds"].clone())
}

#[tokio::test]
async fn a_decision_changes_its_device_and_no_other() {
    let (_folder, peer) = odd_names();
    let client = Client::new(peer.url());
    let device = |id: &str| DeviceAddress {
        mailbox: "Seán O'Brien \"Ops\" <x> & Söhne 王".into(),
        device_id: id.into(),
    };
    let (odd, other) = (device("it's§\"odd\""), device("µ-$(x)-]]>"));
    let set =
        async |device: &DeviceAddress, decision| client.exchange.set_access(device, decision).await.unwrap();
    set(&odd, AccessDecision::Allow).await;
    set(&other, AccessDecision::Block).await;
    assert_eq!(exemptions(&peer), (json!([odd.device_id]), json!([other.device_id])));
    set(&odd, AccessDecision::Block).await;
    assert_eq!(exemptions(&peer), (json!([]), json!([other.device_id, odd.device_id])));
    set(&other, AccessDecision::ByRule).await;
    set(&odd, AccessDecision::ByRule).await;
    set(&odd, AccessDecision::ByRule).await;
    assert_eq!(exemptions(&peer), (json!([]), json!([])));

    let nobody = DeviceAddress { mailbox: "nobody".into(), device_id: "x".into() };
    let error = client.exchange.set_access(&nobody, AccessDecision::Allow).await.unwrap_err();
    assert!(matches!(&error, ExchangeError::EndedEarly { reason } if reason.contains("nobody")), "{error}");
}

#[tokio::test]
async fn a_decision_whose_answer_is_lost_is_not_sent_twice() {
    let peer = peer(&["--count", "2"]);
    let client = Client::with(peer.url(), |config| config.idle_session = std::time::Duration::from_secs(60));
    client.exchange.observe().await.unwrap();
    let mailbox = peer.org()["mailboxes"][0]["alias"].as_str().unwrap().to_owned();
    let device = DeviceAddress { mailbox, device_id: "A".into() };
    // The command is taken; the poll for its answer is turned away. The peer runs a command at the first poll, so one that
    // were sent again would be seen.
    peer.fault(&json!({"kind": "http-503", "at": 1}));
    client.exchange.set_access(&device, AccessDecision::Allow).await.unwrap_err();
    let writes = |peer: &Peer| cmdlets(peer).iter().filter(|call| call["cmdlet"] == "Set-CASMailbox").count();
    assert_eq!(writes(&peer), 0);
    // The command itself is turned away by quota: it did not run, so it is sent again.
    client.exchange.observe().await.unwrap();
    peer.fault(&json!({"kind": "quota", "ms": 50}));
    client.exchange.set_access(&device, AccessDecision::Allow).await.unwrap();
    assert_eq!(writes(&peer), 1);
}

#[tokio::test]
async fn a_read_only_connection_sends_nothing_that_writes() {
    let peer = peer(&["--count", "50"]);
    let (open, closed) =
        (Client::new(peer.url()), Client::with(peer.url(), |config| config.read_only = true));
    let wall = ReadOnly::new(open.exchange.clone());
    let mailbox = peer.org()["mailboxes"][0]["alias"].as_str().unwrap().to_owned();
    let device = DeviceAddress { mailbox: mailbox.clone(), device_id: "A".into() };
    let both: [&dyn Exchange; 2] = [&wall, &*closed.exchange];
    for exchange in both {
        exchange.observe().await.unwrap();
        let mut listing = exchange.devices(exconn_exchange::DeviceScope::All).await.unwrap();
        while listing.next().await.unwrap().is_some() {}
        exchange.statistics(&mailbox).await.unwrap();
        for decision in [AccessDecision::Allow, AccessDecision::Block, AccessDecision::ByRule] {
            let refused = exchange.set_access(&device, decision).await;
            assert!(matches!(refused, Err(ExchangeError::ReadOnly)), "{refused:?}");
        }
        exchange.examine(&mut Vec::<Step>::new()).await;
        exchange.close().await;
    }
    let log = peer.log();
    assert!(log.len() > 10);
    for call in log {
        let name = call["cmdlet"].as_str().unwrap();
        assert!(name.starts_with("Get-") || name == "Set-ADServerSettings", "{name} was sent");
    }
}
