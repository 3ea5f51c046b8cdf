//! One runspace for many questions: used again, replaced when it is lost, and never left behind.

use std::time::Duration;

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_testkit::{Peer, wait_until};
use serde_json::json;

use crate::setup::{BOUND, Client, cmdlets, no_shell_is_left, peer, restarted, sessions};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// A client that keeps its runspace for five minutes.
fn keeping(url: &str) -> Client {
    Client::with(url, |config| config.idle_session = FIVE_MINUTES)
}

fn alias(peer: &Peer, at: usize) -> String {
    peer.org()["mailboxes"][at]["alias"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_shell_serves_observation_listings_and_statistics_also_of_the_next_sync() {
    let peer = peer(&["--count", "300"]);
    let client = keeping(peer.url());
    for _ in 0..2 {
        client.exchange.observe().await.unwrap();
        assert_eq!(client.all().await.unwrap().len(), 300);
        for at in 0..20 {
            assert!(!client.exchange.statistics(&alias(&peer, at)).await.unwrap().is_empty());
        }
        client.clock.advance(Duration::from_secs(60));
    }
    assert_eq!((sessions(&peer), cmdlets(&peer).len()), (1, 46));
    assert_eq!(peer.stats()["open_shells"], 1);
    assert_eq!(peer.stats()["protocol_errors"], json!([]));
    // The end of the process, and a question that comes all the same.
    client.exchange.close().await;
    assert_eq!(peer.stats()["open_shells"], 0);
    client.exchange.observe().await.unwrap();
    assert_eq!(peer.stats()["open_shells"], 1);
    drop(client);
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn an_idle_runspace_is_deleted_after_its_time() {
    let peer = peer(&["--count", "3"]);
    let client = Client::with(peer.url(), |config| config.idle_session = Duration::from_millis(200));
    client.exchange.observe().await.unwrap();
    no_shell_is_left(&peer).await;
    client.exchange.observe().await.unwrap();
    assert_eq!(sessions(&peer), 2);
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn a_runspace_that_is_too_old_by_the_clock_is_replaced_though_its_timer_slept() {
    let peer = peer(&["--count", "3"]);
    let client = keeping(peer.url());
    client.exchange.observe().await.unwrap();
    client.clock.advance(FIVE_MINUTES - Duration::from_secs(1));
    client.exchange.observe().await.unwrap();
    assert_eq!(sessions(&peer), 1);
    client.clock.advance(FIVE_MINUTES);
    client.exchange.observe().await.unwrap();
    assert_eq!(sessions(&peer), 2);
    assert_eq!(peer.stats()["open_shells"], 1, "the old one is deleted before the new one is opened");
}

#[tokio::test]
async fn a_server_that_started_again_knows_no_shell_and_gets_a_new_one() {
    let first = peer(&["--count", "20"]);
    let url = first.url().to_owned();
    let client = keeping(&url);
    client.exchange.observe().await.unwrap();
    drop(first);
    let again = restarted(&url, &["--count", "20"]);
    assert_eq!(client.all().await.unwrap().len(), 20);
    assert_eq!((sessions(&again), cmdlets(&again).len()), (1, 1));
}

#[tokio::test]
async fn an_error_of_a_cmdlet_leaves_the_runspace_and_an_error_of_the_protocol_deletes_it() {
    let peer = peer(&["--count", "20", "--deny", "Get-ExchangeServer"]);
    let client = keeping(peer.url());
    client.exchange.observe().await.unwrap_err();
    assert_eq!(client.exchange.statistics("nobody").await.unwrap(), []);
    assert_eq!(client.all().await.unwrap().len(), 20);
    assert_eq!(sessions(&peer), 1);
    peer.fault(&json!({"kind": "bad-clixml", "cmdlet": "Get-MobileDeviceStatistics"}));
    client.exchange.statistics(&alias(&peer, 0)).await.unwrap_err();
    no_shell_is_left(&peer).await;
    client.exchange.statistics(&alias(&peer, 0)).await.unwrap();
    assert_eq!(sessions(&peer), 2);
}

#[tokio::test]
async fn a_listing_owns_its_runspace_and_others_wait_their_turn() {
    let peer = peer(&["--count", "1000"]);
    let client = keeping(peer.url());
    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    listing.next().await.unwrap();
    let mailbox = alias(&peer, 0);
    let mut waiting = client.exchange.statistics(&mailbox);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "there is one runspace, and it is taken");
    while listing.next().await.unwrap().is_some() {}
    assert!(!waiting.await.unwrap().is_empty());
    assert_eq!(sessions(&peer), 1);

    let hasty = Client::with(peer.url(), |config| config.runspace_wait = Duration::from_millis(100));
    let held = hasty.exchange.devices(DeviceScope::All).await.unwrap();
    let error = hasty.exchange.observe().await.unwrap_err();
    assert!(matches!(error, ExchangeError::RunspacesBusy { limit: 1, .. }), "{error}");
    drop(held);
    hasty.exchange.observe().await.unwrap();
    drop((client, hasty));
    no_shell_is_left(&peer).await;
}

#[tokio::test]
async fn more_runspaces_work_side_by_side_and_no_more_than_allowed() {
    let peer = peer(&["--count", "200", "--latency", "150"]);
    let client = Client::with(peer.url(), |config| {
        config.max_runspaces = 3;
        config.idle_session = FIVE_MINUTES;
    });
    assert_eq!(client.exchange.statistics_concurrency(), 3);
    let mailboxes: Vec<_> = (0..9).map(|at| alias(&peer, at)).collect();
    let asked = mailboxes.iter().map(|mailbox| client.exchange.statistics(mailbox));
    for statistics in futures(asked).await {
        assert!(!statistics.unwrap().is_empty());
    }
    assert_eq!((sessions(&peer), cmdlets(&peer).len()), (3, 9));
    assert_eq!(peer.stats()["open_shells"], 3);
    drop(client);
    no_shell_is_left(&peer).await;
}

/// Runs all at the same time.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(move |context| {
        for (one, output) in &mut pending {
            if output.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if pending.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(pending.iter_mut().filter_map(|(_, output)| output.take()).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn listings_that_are_dropped_midway_leave_no_shell_and_the_next_is_complete() {
    let peer = peer(&["--count", "600"]);
    let client = keeping(peer.url());
    for _ in 0..3 {
        let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
        assert!(listing.next().await.unwrap().is_some());
        drop(listing);
        no_shell_is_left(&peer).await;
    }
    assert_eq!(client.all().await.unwrap().len(), 600);
    assert_eq!(peer.stats()["open_shells"], 1);
}

#[tokio::test]
async fn an_account_at_its_shell_limit_gets_in_once_its_own_shells_are_given_back() {
    // Room for one: the shell of a listing that is given up goes before the next one comes.
    let peer = peer(&["--count", "600", "--max-shells", "1"]);
    let client = keeping(peer.url());
    for _ in 0..3 {
        let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
        listing.next().await.unwrap();
        drop(listing);
    }
    client.exchange.observe().await.unwrap();
    wait_until(BOUND, || async { peer.stats()["open_shells"] == 1 }).await;
}

#[tokio::test]
async fn an_account_that_may_not_look_at_the_whole_forest_goes_on_without() {
    let peer = peer(&["--count", "30", "--deny", "Set-ADServerSettings"]);
    let client = keeping(peer.url());
    assert_eq!(client.all().await.unwrap().len(), 30);
    client.exchange.observe().await.unwrap();
    assert_eq!(sessions(&peer), 1);
    let call = &peer.log()[0];
    assert_eq!(
        *call,
        json!({"cmdlet": "Set-ADServerSettings", "script": false, "parameters": {"viewentireforest": true}})
    );
}
