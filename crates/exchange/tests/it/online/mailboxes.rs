//! One mailbox at a time: statistics and access.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use exconn_exchange::{DeviceAddress, Exchange, ExchangeError, ReadOnly};
use exconn_model::{AccessDecision, DeviceStatistics, FailureKind, Timestamp};
use exconn_testkit::OnlinePeer;
use serde_json::{Value, json};

use super::{
    scripted::{Reply, Scripted},
    setup::{Client, peer},
};

/// What a mailbox's statistics should be by the peer's own account of a device.
fn statistics(device: &Value) -> DeviceStatistics {
    let text = |name: &str| device[name].as_str().map(str::to_owned);
    let moment = |name: &str| device[name].as_str().map(|text| Timestamp::parse(text).unwrap());
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

fn of_mailbox(peer: &OnlinePeer, mailbox: &str) -> Vec<DeviceStatistics> {
    let devices = peer.devices();
    devices.iter().filter(|device| device["mailbox"] == mailbox).map(statistics).collect()
}

#[tokio::test]
async fn statistics_are_the_peers_own() {
    let peer = peer(&["--count", "40"]);
    let client = Client::new(peer.url());
    let devices = peer.devices();
    let mailbox = devices[7]["mailbox"].as_str().unwrap();
    let guid = devices[7]["Guid"].as_str().unwrap();
    peer.change_devices(&json!({"change": {guid: {"DeviceWipeRequestTime": "2026-11-01T07:00:00Z", "Status": "DeviceWipePending"}}}));
    let expected = of_mailbox(&peer, mailbox);
    assert!(expected.iter().any(|one| one.last_success.is_some() && one.wipe_requested.is_some()));
    assert_eq!(client.exchange.statistics(mailbox).await.unwrap(), expected);
    let address = format!("{mailbox}@contoso.com");
    assert_eq!(client.exchange.statistics(&address).await.unwrap(), expected);
    assert_eq!(peer.log().last().unwrap()["anchor"], Value::from(format!("UPN:{address}")));
    assert_eq!(client.exchange.statistics_concurrency(), 2);

    let error = client.exchange.statistics("no § such 'mailbox'").await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::EndedEarly, "{error}");
    assert!(error.to_string().contains("no § such 'mailbox'"), "{error}");
}

#[tokio::test]
async fn no_more_than_two_mailboxes_are_asked_at_a_time() {
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let server = Scripted::start(|_| {
        MOST.fetch_max(BUSY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(60));
        BUSY.fetch_sub(1, Ordering::SeqCst);
        Reply::page(&json!([]))
    });
    let client = Client::new(&server.url);
    let ask = || client.exchange.statistics("ann");
    let (a, b, c, d, e, f) = tokio::join!(ask(), ask(), ask(), ask(), ask(), ask());
    for answer in [a, b, c, d, e, f] {
        assert_eq!(answer.unwrap(), []);
    }
    assert_eq!((MOST.load(Ordering::SeqCst), server.cmdlets().len()), (2, 6));
}

fn address(mailbox: &str, device_id: &str) -> DeviceAddress {
    DeviceAddress { mailbox: mailbox.into(), device_id: device_id.into() }
}

#[tokio::test]
async fn access_is_decided_for_one_device_and_the_others_keep_theirs() {
    let peer = peer(&["--count", "40"]);
    let client = Client::new(peer.url());
    let before = peer.devices();
    let at = before.iter().position(|device| device["DeviceAccessStateReason"] == "Global").unwrap();
    let (mailbox, id) = (before[at]["mailbox"].as_str().unwrap(), before[at]["DeviceId"].as_str().unwrap());
    let mailbox = format!("{mailbox}@contoso.com");
    let odd = address(&mailbox, "odd '§' \"id\" \u{1F4F1}");
    client.exchange.set_access(&odd, AccessDecision::Block).await.unwrap();
    let state = || {
        let device = &peer.devices()[at];
        (device["DeviceAccessState"].clone(), device["DeviceAccessStateReason"].clone())
    };
    let by_rule = state();
    let device = address(&mailbox, id);
    for (decision, expected) in [
        (AccessDecision::Block, (json!("Blocked"), json!("Individual"))),
        (AccessDecision::Allow, (json!("Allowed"), json!("Individual"))),
        (AccessDecision::ByRule, by_rule.clone()),
        (AccessDecision::ByRule, by_rule.clone()),
    ] {
        client.exchange.set_access(&device, decision).await.unwrap();
        assert_eq!(state(), expected, "{decision:?}");
    }
    let log = peer.log();
    let asked: Vec<_> = log.iter().map(|call| call["cmdlet"].as_str().unwrap()).collect();
    assert_eq!(asked, ["Set-CASMailbox", "Get-CASMailbox"].repeat(5), "each was read back once");
    // What was decided for the odd id before is still there: it can be allowed, and the lists are read back.
    client.exchange.set_access(&odd, AccessDecision::Allow).await.unwrap();

    let error = client.exchange.set_access(&address("nobody", id), AccessDecision::Allow).await.unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
}

#[tokio::test]
async fn a_read_only_connection_decides_nothing() {
    let peer = peer(&["--count", "1"]);
    let exchange = ReadOnly::new(std::sync::Arc::new(Client::new(peer.url()).exchange));
    let refused = exchange.set_access(&address("ann", "ID"), AccessDecision::Block).await;
    assert!(matches!(refused, Err(ExchangeError::ReadOnly)));
    assert_eq!(peer.log(), [json!(null); 0]);
}

#[tokio::test]
async fn what_is_written_may_take_a_while_to_be_read() {
    // Two looks find a mailbox that nobody has heard of, two the old lists, then the change is there.
    let server = Scripted::start(|request| {
        let lists = |blocked: Value| {
            Reply::page(&json!([{"Guid": "x", "ActiveSyncAllowedDeviceIDs@odata.type": "#Collection(String)",
                "ActiveSyncAllowedDeviceIDs": ["OTHER"], "ActiveSyncBlockedDeviceIDs": blocked}]))
        };
        match (request.cmdlet().as_str(), request.number) {
            ("Set-CASMailbox", _) => Reply::raw(200, ""),
            (_, 0..=3) => Reply::refusal(404, "X.ManagementObjectNotFoundException", "not found"),
            (_, 4..=5) => lists(json!([])),
            _ => lists(json!(["other", "id1"])),
        }
    });
    let client = Client::new(&server.url);
    client.exchange.set_access(&address("ann", "ID1"), AccessDecision::Block).await.unwrap();
    let sent = server.cmdlets();
    assert_eq!(sent.iter().filter(|request| request.cmdlet() == "Get-CASMailbox").count(), 5);
    assert_eq!(
        sent[0].parameters(),
        json!({
            "Identity": "ann",
            "ActiveSyncAllowedDeviceIDs": {"@odata.type": "#Exchange.GenericHashTable", "Remove": ["ID1"]},
            "ActiveSyncBlockedDeviceIDs": {"@odata.type": "#Exchange.GenericHashTable", "Add": ["ID1"]},
            "Confirm": false,
        })
    );
}

#[tokio::test]
async fn a_change_that_is_not_seen_in_time_or_cannot_be_read_is_made_all_the_same() {
    for reply in [
        || Reply::page(&json!([{"ActiveSyncAllowedDeviceIDs": []}])),
        || Reply::raw(403, vec![0; 64]),
        || Reply::raw(503, ""),
    ] {
        let server = Scripted::start(move |request| {
            if request.cmdlet() == "Set-CASMailbox" { Reply::page(&json!([])) } else { reply() }
        });
        let client = Client::new(&server.url);
        client.exchange.set_access(&address("ann", "ID1"), AccessDecision::Allow).await.unwrap();
        assert!(server.cmdlets().len() >= 2);
    }
}

#[tokio::test]
async fn a_change_is_refused_as_the_service_refuses_it() {
    let server = Scripted::start(|_| Reply::raw(403, vec![0; 64]).header("Content-Encoding", "gzip"));
    let client = Client::new(&server.url);
    let error = client.exchange.set_access(&address("ann", "ID1"), AccessDecision::Allow).await.unwrap_err();
    assert!(
        matches!(&error, ExchangeError::NotPermitted { cmdlet, .. } if cmdlet == "Set-CASMailbox"),
        "{error}"
    );
    assert_eq!(server.cmdlets().len(), 1);
}

#[tokio::test]
async fn a_question_means_that_nothing_was_changed() {
    let asks = json!({"value": [], "@adminapi.confirmationmessage": "Are you sure?"});
    let server = Scripted::start(move |_| Reply::json(200, &asks));
    let client = Client::new(&server.url);
    let error = client.exchange.set_access(&address("ann", "ID1"), AccessDecision::Allow).await.unwrap_err();
    assert!(error.to_string().contains("Are you sure?"), "{error}");
    assert_eq!(server.cmdlets().len(), 1);
}

#[tokio::test]
async fn a_mailbox_that_leads_nowhere_is_asked_for_by_the_system() {
    for status in [400, 503] {
        let server = Scripted::start(move |request| {
            if request.header("x-anchormailbox").unwrap().starts_with("upn:") {
                Reply::raw(status, "")
            } else {
                Reply::page(&json!([]))
            }
        });
        let client = Client::new(&server.url);
        assert_eq!(client.exchange.statistics("ann@contoso.com").await.unwrap(), []);
        let [by_mailbox, by_system] = server.cmdlets().try_into().unwrap();
        let routed = |request: &super::scripted::Request| request.header("parameter-based-routing").is_some();
        assert!(routed(&by_mailbox) && !routed(&by_system));
    }
}
