//! What exconn reads is what the peer says of itself.

use std::time::Duration;

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_model::{ObservedDevice, SyncCookie, Timestamp};
use exconn_testkit::{OnlinePeer, wait_until};
use serde_json::{Value, json};

use super::setup::{Client, distinct, peer};
use crate::{
    equality::{assert_same, device},
    setup::BOUND,
};

/// The peer's devices, in its order, by its own account.
pub(crate) fn expected(peer: &OnlinePeer) -> Vec<ObservedDevice> {
    peer.devices().iter().map(device).collect()
}

#[tokio::test]
async fn every_value_of_every_device_is_the_peers_own_also_after_changes() {
    let peer = peer(&["--count", "2500"]);
    let client = Client::new(peer.url());
    let before = expected(&peer);
    assert_same(&client.all().await.unwrap(), &before);

    let guid = |at: usize| before[at].partnership.to_string();
    peer.change_devices(&json!({
        "addSynthetic": 7,
        "change": {
            guid(0): {"FriendlyName": "Ann's <new> & \"odd\" phone ]]> \u{1F4F1} _x0041_ \t\n\u{1} § \\ /"},
            guid(1): {"DeviceOS": "", "DeviceModel": "  spaces  ", "DeviceImei": null},
            guid(2): {"DeviceAccessState": "DeviceDiscovery", "DeviceAccessStateReason": "Upgrade"},
            guid(3): {"FirstSyncTime": null, "WhenChangedUTC": "2024-02-29T23:59:59.123456Z"},
            guid(4): {"DeviceId": "µ-ids are §odd§ and 'quoted'", "DeviceTelephoneNumber": "+49 30"},
            guid(5): {"WhenChanged": "not a date", "deviceid2": "other", "Unheard": ["of", "lists"]},
        },
        "remove": [guid(20), guid(2000)],
    }));
    let after = expected(&peer);
    assert_ne!(before, after);
    assert_same(&client.all().await.unwrap(), &after);

    let stats = peer.stats();
    assert_eq!((&stats["tokens"], &stats["pages"], &stats["unanchored"]), (&json!(1), &json!(4), &json!(0)));
    let log = peer.log();
    let anchor = format!("APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{}", OnlinePeer::TENANT);
    for call in &log {
        assert_eq!(
            (&call["cmdlet"], &call["parameters"]),
            (&json!("Get-MobileDevice"), &json!({"resultsize": "Unlimited"}))
        );
        assert_eq!(call["anchor"], Value::from(anchor.clone()));
    }
    assert_eq!(log.len(), 2);
    assert_ne!(log[0]["connection"], log[1]["connection"], "each listing is a session of its own");
}

#[tokio::test]
async fn pages_of_any_size_are_the_same_listing() {
    let peer = peer(&["--count", "60"]);
    let all = expected(&peer);
    for page_size in [2, 7, 60, 61, 1000] {
        let client = Client::with(peer.url(), |config| config.page_size = page_size);
        // A last page that is full is looked at twice.
        assert_same(&distinct(client.all().await.unwrap()), &distinct(all.clone()));
    }
}

#[tokio::test]
async fn only_devices_that_first_synced_since_a_moment_are_asked_for() {
    let peer = peer(&["--count", "200"]);
    let client = Client::new(peer.url());
    let all = expected(&peer);
    let moment = all[150].first_sync.unwrap();
    // The listing asks for an hour more, because clocks differ.
    let since = |moment: Timestamp| {
        let cookie = format!("first-sync:{}", moment.after(Duration::from_secs(3600)));
        DeviceScope::ChangedSince(SyncCookie::from_text(cookie))
    };
    let expected: Vec<_> = all.iter().filter(|one| one.first_sync >= Some(moment)).cloned().collect();
    assert_eq!(expected.len(), 50);
    assert_same(&client.list(since(moment)).await.unwrap(), &expected);
    assert_same(&client.list(since(Timestamp::UNSET)).await.unwrap(), &all);

    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    while listing.next().await.unwrap().is_some() {}
    // A device that first synced long before the listing began is no change since.
    let cookie = listing.cookie().unwrap();
    assert_same(&client.list(DeviceScope::ChangedSince(cookie)).await.unwrap(), &[]);

    let foreign = DeviceScope::ChangedSince(SyncCookie::from_text("dirsync:1".into()));
    let refused = client.list(foreign).await.unwrap_err();
    assert!(matches!(refused, ExchangeError::CookieRefused { .. }), "{refused}");
}

#[tokio::test]
async fn an_organisation_without_devices_is_a_complete_listing() {
    let peer = peer(&["--count", "0"]);
    assert_same(&Client::new(peer.url()).all().await.unwrap(), &[]);
}

#[tokio::test]
async fn the_organisation_is_observed() {
    let peer = peer(&["--count", "1"]);
    let organization = Client::new(peer.url()).exchange.observe().await.unwrap();
    assert_eq!(Value::from(organization.name), peer.org()["name"]);
    assert_eq!((organization.servers, organization.server_version), (vec![], None));
}

#[tokio::test]
async fn a_reader_that_takes_its_time_stops_the_listing() {
    let peer = peer(&["--count", "950"]);
    let client = Client::with(peer.url(), |config| config.page_size = 100);
    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    let mut seen = listing.next().await.unwrap().unwrap().len();
    // One page is fetched ahead, and no more while nobody reads.
    let pages = || peer.stats()["pages"].as_u64().unwrap();
    wait_until(BOUND, || async { pages() == 1 }).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(pages(), 1);
    }
    while let Some(batch) = listing.next().await.unwrap() {
        seen += batch.len();
    }
    assert_eq!((seen, &peer.stats()["pages"]), (950, &json!(9)));
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_no_page_and_a_listing_that_is_dropped_asks_for_none() {
    let peer = peer(&["--count", "950"]);
    let client = Client::with(peer.url(), |config| config.page_size = 100);
    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    let mut seen = 0;
    loop {
        match tokio::time::timeout(Duration::from_micros(50), listing.next()).await {
            Ok(batch) => match batch.unwrap() {
                Some(batch) => seen += batch.len(),
                None => break,
            },
            Err(_) => tokio::task::yield_now().await,
        }
    }
    assert_eq!(seen, 950);

    let before = peer.stats()["pages"].as_u64().unwrap();
    let mut listing = client.exchange.devices(DeviceScope::All).await.unwrap();
    assert!(listing.next().await.unwrap().is_some());
    drop(listing);
    assert_eq!(client.all().await.unwrap().len(), 950);
    let pages = peer.stats()["pages"].as_u64().unwrap() - before;
    assert!((9..=10).contains(&pages), "{pages} pages followed a first one");
}
