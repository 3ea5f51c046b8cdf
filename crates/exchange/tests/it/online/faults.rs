//! Whatever goes wrong in a listing: an error that says what, nothing taken for complete, and the next listing works.

use std::time::Duration;

use exconn_exchange::ExchangeError;
use exconn_model::FailureKind;
use exconn_testkit::OnlinePeer;
use serde_json::json;

use super::{
    listing::expected,
    setup::{Client, distinct, peer},
};
use crate::equality::assert_same;

const COUNT: usize = 300;

fn scene() -> (OnlinePeer, Client) {
    let peer = peer(&["--count", "300"]);
    let client = Client::with(peer.url(), |config| config.page_size = 90);
    (peer, client)
}

/// A fault that comes again and again ends the listing, at its start and in its middle; the next one works.
async fn breaks(kind: &str, failure: FailureKind, text: &str) {
    let (peer, client) = scene();
    for at in [0, 1] {
        peer.fault(&json!({"kind": kind, "at": at, "times": 0}));
        let error = client.failure().await;
        assert_eq!(error.kind(), failure, "{kind} at {at}: {error}");
        assert!(error.to_string().contains(text), "{kind} at {at}: {error}");
        peer.reset();
        assert_same(&client.all().await.unwrap(), &expected(&peer));
    }
}

/// A fault that comes once is overcome within the listing.
async fn is_overcome(kind: &str) {
    let (peer, client) = scene();
    for at in [0, 1, 2] {
        peer.fault(&json!({"kind": kind, "at": at, "times": 1}));
        let devices = client.all().await.unwrap_or_else(|error| panic!("{kind} at {at}: {error}"));
        assert_same(&distinct(devices), &distinct(expected(&peer)));
        peer.reset();
    }
    assert_eq!(peer.stats()["faults_fired"][kind], 3);
}

#[tokio::test]
async fn a_connection_that_is_dropped() {
    breaks("drop-connection", FailureKind::Unreachable, "closed the connection").await;
    is_overcome("drop-connection").await;
}

#[tokio::test]
async fn a_service_that_is_not_there() {
    breaks("http-503", FailureKind::Unreachable, "503").await;
    is_overcome("http-503").await;
}

#[tokio::test]
async fn half_an_answer() {
    breaks("half-json", FailureKind::ProtocolViolated, "EOF").await;
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_and_passed_on() {
    let (peer, client) = scene();
    peer.fault(&json!({"kind": "throttle", "at": 1, "times": 0}));
    let error = client.failure().await;
    assert!(
        matches!(error, ExchangeError::Throttled { after } if after == Duration::from_secs(1)),
        "{error}"
    );
    assert_eq!(peer.stats()["faults_fired"]["throttle"], 4, "the first time and three more");
    peer.fault(&json!({"kind": "throttle", "at": 1, "times": 2}));
    assert_same(&client.all().await.unwrap(), &expected(&peer));
}

#[tokio::test]
async fn a_wait_without_a_length() {
    breaks("throttle-no-header", FailureKind::Throttled, "30000 ms").await;
    is_overcome("throttle-no-header").await;
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_renewed_once() {
    breaks("wrong-auth", FailureKind::CredentialsRefused, "refused").await;
    breaks("expired-token", FailureKind::CredentialsRefused, "refused").await;
    is_overcome("wrong-auth").await;
    is_overcome("expired-token").await;
}

#[tokio::test]
async fn a_place_that_is_lost_once_begins_the_listing_anew() {
    let (peer, client) = scene();
    for at in [1, 2] {
        peer.fault(&json!({"kind": "bad-page", "at": at, "times": 1}));
        let devices = client.all().await.unwrap();
        assert_eq!(devices.len(), COUNT + at * 90, "what came before came again");
        assert_same(&distinct(devices), &distinct(expected(&peer)));
        peer.reset();
    }
    peer.fault(&json!({"kind": "bad-page", "at": 1, "times": 0}));
    let error = client.failure().await;
    assert!(
        matches!(&error, ExchangeError::EndedEarly { reason } if reason.contains("pagination")),
        "{error}"
    );
    peer.reset();
    assert_same(&client.all().await.unwrap(), &expected(&peer));
}

#[tokio::test]
async fn a_listing_that_is_cut_at_a_page_is_not_believed() {
    let (peer, client) = scene();
    peer.fault(&json!({"kind": "truncated-list", "times": 1}));
    let devices = client.all().await.unwrap();
    assert_same(&distinct(devices), &distinct(expected(&peer)));
    peer.fault(&json!({"kind": "truncated-list", "times": 0}));
    let error = client.failure().await;
    assert!(
        matches!(&error, ExchangeError::EndedEarly { reason } if reason.contains("full page")),
        "{error}"
    );
    peer.reset();
    assert_same(&distinct(client.all().await.unwrap()), &distinct(expected(&peer)));
}

#[tokio::test]
async fn a_listing_that_fills_its_last_page_is_complete_after_a_second_look() {
    let peer = peer(&["--count", "1000"]);
    let client = Client::new(peer.url());
    let devices = client.all().await.unwrap();
    assert_eq!((devices.len(), peer.log().len()), (2000, 2));
    assert_same(&distinct(devices), &distinct(expected(&peer)));
}

#[tokio::test]
async fn a_listing_that_claims_to_be_empty_is_complete_here() {
    let (peer, client) = scene();
    peer.fault(&json!({"kind": "empty"}));
    assert_same(&client.all().await.unwrap(), &[]);
    assert_same(&client.all().await.unwrap(), &expected(&peer));
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&url).failure().await;
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
}
