//! Whatever goes wrong in a listing: an error that says what, nothing taken for complete, no shell left, and the next
//! listing works.

use std::time::Duration;

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_model::FailureKind;
use exconn_testkit::{Peer, wait_until};
use serde_json::json;

use crate::setup::{BOUND, Client, no_shell_is_left, peer};

const COUNT: usize = 300;

fn scene() -> (Peer, Client) {
    let peer = peer(&["--count", "300"]);
    let client = Client::with(peer.url(), |config| {
        config.operation_timeout = Duration::from_secs(1);
        config.request_timeout = Duration::from_secs(10);
        config.idle_polls = 2;
    });
    (peer, client)
}

async fn recovers(peer: &Peer, client: &Client) {
    no_shell_is_left(peer).await;
    peer.reset();
    assert_eq!(client.all().await.unwrap().len(), COUNT);
    no_shell_is_left(peer).await;
    assert_eq!(peer.stats()["protocol_errors"], json!([]));
}

async fn breaks(kind: &str, failure: FailureKind, text: &str) {
    let (peer, client) = scene();
    for at in [0, 200] {
        peer.fault(&json!({"kind": kind, "at": at}));
        let error = client.failure().await;
        assert_eq!(error.kind(), failure, "{kind} at {at}: {error}");
        assert!(error.to_string().contains(text), "{kind} at {at}: {error}");
        assert!(peer.stats()["faults_fired"][kind].as_u64() > Some(0));
        recovers(&peer, &client).await;
    }
}

#[tokio::test]
async fn an_answer_cut_in_the_middle_of_its_xml() {
    breaks("truncate-xml", FailureKind::ProtocolViolated, "").await;
}

#[tokio::test]
async fn a_dropped_connection() {
    breaks("drop-connection", FailureKind::Unreachable, "closed the connection").await;
}

#[tokio::test]
async fn a_shell_that_is_gone() {
    breaks("shell-gone", FailureKind::EndedEarly, "shell").await;
}

#[tokio::test]
async fn an_error_in_the_middle() {
    breaks("error-midway", FailureKind::EndedEarly, "domain controller is not available").await;
}

#[tokio::test]
async fn an_object_that_is_half_there() {
    breaks("bad-clixml", FailureKind::ProtocolViolated, "").await;
}

#[tokio::test]
async fn an_object_that_is_500_deep() {
    breaks("deep-object", FailureKind::ProtocolViolated, "").await;
}

#[tokio::test]
async fn a_listing_that_never_ends() {
    let (peer, client) = scene();
    peer.fault(&json!({"kind": "never-ends", "at": 100}));
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::EndedEarly { .. }), "{error}");
    recovers(&peer, &client).await;
}

#[tokio::test]
async fn a_listing_that_ends_at_once_with_success_is_complete_here() {
    let (peer, client) = scene();
    peer.fault(&json!({"kind": "empty"}));
    assert_eq!(client.all().await.unwrap(), []);
    recovers(&peer, &client).await;
}

#[tokio::test]
async fn a_slow_listing_and_one_with_strange_properties_are_complete() {
    let (peer, client) = scene();
    let devices = client.all().await.unwrap();
    for kind in ["slow", "unknown-properties"] {
        peer.fault(&json!({"kind": kind, "at": COUNT - 5, "ms": 30}));
        let found: Vec<_> = client.all().await.unwrap();
        let mut seen = found.clone();
        seen.dedup();
        // The peer sends the object with the strange properties and then the same one again without.
        assert_eq!(seen, devices, "{kind}");
    }
    recovers(&peer, &client).await;
}

#[tokio::test]
async fn a_repeated_fragment_and_a_huge_value_are_passed_over_or_refused() {
    let (peer, client) = scene();
    let devices = client.all().await.unwrap();
    for kind in ["duplicate-fragment", "huge-object"] {
        peer.fault(&json!({"kind": kind, "at": 200}));
        match client.all().await {
            Ok(mut found) => {
                found.dedup();
                assert_eq!(found, devices, "{kind}");
            }
            Err(error) => assert_eq!(error.kind(), FailureKind::ProtocolViolated, "{kind}: {error}"),
        }
        recovers(&peer, &client).await;
    }
}

#[tokio::test]
async fn a_load_quota_says_how_long_to_wait() {
    let (peer, client) = scene();
    for at in [0, 2] {
        peer.fault(&json!({"kind": "quota", "at": at, "ms": 400}));
        let error = client.failure().await;
        let ExchangeError::Throttled { after } = error else { panic!("{error}") };
        assert!(after > Duration::from_millis(100) && after <= Duration::from_millis(400), "{after:?}");
        wait_until(BOUND, || async { client.all().await.is_ok() }).await;
        recovers(&peer, &client).await;
    }
}

#[tokio::test]
async fn a_busy_front_end_says_how_long_to_wait() {
    let (peer, client) = scene();
    for at in [0, 3] {
        peer.fault(&json!({"kind": "http-503", "at": at}));
        let error = client.failure().await;
        assert!(
            matches!(error, ExchangeError::Throttled { after } if after == Duration::from_secs(1)),
            "{error}"
        );
        recovers(&peer, &client).await;
    }
}

#[tokio::test]
async fn a_password_that_stops_working() {
    let (peer, client) = scene();
    for at in [0, 3] {
        peer.fault(&json!({"kind": "wrong-auth", "at": at}));
        let error = client.failure().await;
        assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
        // The password rests for an hour.
        client.clock.advance(Duration::from_secs(3600));
        recovers(&peer, &client).await;
    }
}

#[tokio::test]
async fn errors_while_observing_leave_no_shell_either() {
    let (peer, client) = scene();
    for (kind, cmdlet) in [
        ("drop-connection", "Get-OrganizationConfig"),
        ("error-midway", "Get-ExchangeServer"),
        ("bad-clixml", "Get-ExchangeServer"),
    ] {
        peer.fault(&json!({"kind": kind, "cmdlet": cmdlet}));
        client.exchange.observe().await.unwrap_err();
        no_shell_is_left(&peer).await;
    }
    client.exchange.observe().await.unwrap();
}

#[tokio::test]
async fn a_dropped_listing_gives_back_its_shell() {
    let (peer, client) = scene();
    // Before its first answer, in the middle, and while the server keeps it waiting.
    drop(client.exchange.devices(DeviceScope::All).await.unwrap());
    no_shell_is_left(&peer).await;
    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    assert!(listing.next().await.unwrap().is_some());
    drop(listing);
    no_shell_is_left(&peer).await;
    peer.fault(&json!({"kind": "never-ends", "at": 0}));
    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(100), listing.next()).await;
    assert!(waiting.is_err(), "the peer keeps it waiting");
    drop(listing);
    no_shell_is_left(&peer).await;
    recovers(&peer, &client).await;
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_no_shell() {
    let peer = peer(&["--count", "300", "--latency", "5000"]);
    let client = Client::new(peer.url());
    for bound in [1, 5, 20, 60] {
        let given_up = tokio::time::timeout(Duration::from_millis(bound), client.exchange.observe()).await;
        assert!(given_up.is_err(), "the peer is slower than that");
    }
    wait_until(BOUND, || async { peer.stats()["requests"].as_u64() > Some(0) }).await;
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn a_reader_that_takes_its_time_gets_everything_and_stops_the_server() {
    let peer = peer(&["--count", "3000"]);
    let client = Client::new(peer.url());
    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    let mut seen = listing.next().await.unwrap().unwrap().len();
    // At most one answer is fetched ahead: the peer is asked no further while nobody reads.
    let asked = || peer.stats()["bytes_out"].as_u64().unwrap();
    let mut before = 0;
    wait_until(BOUND, || {
        let now = asked();
        let still = now == before;
        before = now;
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            still
        }
    })
    .await;
    assert!(
        before < 2_000_000,
        "{before} bytes of about 11 million were sent to a reader that took one batch"
    );
    while let Some(batch) = listing.next().await.unwrap() {
        seen += batch.len();
    }
    assert_eq!(seen, 3000);
    no_shell_is_left(&peer).await;
}
