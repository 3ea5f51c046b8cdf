//! Whatever goes wrong in a listing: an error that says what, nothing taken for complete, no shell left, and the next
//! listing works.

use std::time::Duration;

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_model::FailureKind;
use exconn_testkit::{Peer, wait_until};
use serde_json::json;

use crate::setup::{BOUND, Client, cmdlets, no_shell_is_left, peer, sessions};

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
        // Each time: what is lost before it brought anything is tried again.
        peer.fault(&json!({"kind": kind, "at": at, "times": 0}));
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
async fn what_is_lost_before_it_brought_anything_is_begun_again() {
    let (peer, client) = scene();
    for kind in ["drop-connection", "shell-gone"] {
        peer.fault(&json!({"kind": kind, "at": 0, "times": 2}));
        assert_eq!(client.all().await.unwrap().len(), COUNT, "{kind}");
        assert_eq!(peer.stats()["faults_fired"][kind], 2);
        assert_eq!((cmdlets(&peer).len(), sessions(&peer)), (3, 3), "{kind}");
        recovers(&peer, &client).await;
        peer.reset();
    }
    // Not after that: whoever took the first devices would get them twice.
    peer.fault(&json!({"kind": "drop-connection", "at": 200}));
    client.failure().await;
    assert_eq!(cmdlets(&peer).len(), 1);
}

#[tokio::test]
async fn a_load_quota_is_obeyed_to_the_millisecond_and_nothing_is_lost() {
    let (peer, client) = scene();
    let quick = timed(&client).await;
    // The request that opens the shell, one for a command, one for its answer, and the good-bye.
    for at in [0, 2, 5, 7] {
        peer.reset();
        peer.fault(&json!({"kind": "quota", "at": at, "ms": 700}));
        let slow = timed(&client).await;
        assert!(slow >= Duration::from_millis(690), "at {at}: {slow:?}");
        assert!(slow < quick * 3 + Duration::from_millis(2500), "at {at}: {slow:?} instead of {quick:?}");
        assert_eq!(cmdlets(&peer).len(), 1, "the same listing goes on");
        no_shell_is_left(&peer).await;
    }
    // Of each time the request itself; the last millisecond may be begun when the wait is over.
    assert!(peer.stats()["refused_by_quota"].as_u64() <= Some(8), "{}", peer.stats());
    assert_eq!(peer.stats()["protocol_errors"], json!([]));
}

/// How long a complete listing takes.
#[expect(clippy::disallowed_methods, reason = "it measures a wait")]
async fn timed(client: &Client) -> Duration {
    let start = std::time::Instant::now();
    assert_eq!(client.all().await.unwrap().len(), COUNT);
    start.elapsed()
}

#[tokio::test]
async fn a_long_load_quota_is_for_the_caller_to_wait_out() {
    for at in [0, 2] {
        let (peer, client) = scene();
        peer.fault(&json!({"kind": "quota", "at": at, "ms": 45_000}));
        let error = client.failure().await;
        let ExchangeError::Throttled { after } = error else { panic!("{error}") };
        assert!(after > Duration::from_secs(40) && after <= Duration::from_secs(45), "{after:?}");
        assert_eq!(peer.stats()["refused_by_quota"], 1, "it is not asked again");
    }
}

#[tokio::test]
async fn a_busy_front_end_is_given_its_time() {
    let (peer, client) = scene();
    for at in [0, 3, 6] {
        peer.fault(&json!({"kind": "http-503", "at": at}));
        let took = timed(&client).await;
        assert!(took >= Duration::from_secs(1), "at {at}: {took:?}");
        recovers(&peer, &client).await;
    }
    peer.fault(&json!({"kind": "http-503", "times": 0}));
    let error = client.failure().await;
    assert!(
        matches!(error, ExchangeError::Throttled { after } if after == Duration::from_secs(1)),
        "{error}"
    );
    recovers(&peer, &client).await;
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
        ("truncate-xml", "Get-OrganizationConfig"),
        ("bad-clixml", "Get-OrganizationConfig"),
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
