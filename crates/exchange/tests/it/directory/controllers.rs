//! Controllers that are restored, restarted, unreachable, or others than before.

use std::time::Duration;

use exconn_exchange::{DeviceScope, Exchange, ExchangeError, Roots, directory::Feed};
use exconn_model::SyncCookie;
use exconn_testkit::{Domain, DomainOptions};

use super::setup::{Reader, domain};

async fn refused(reader: &Reader, cookie: &SyncCookie, because: &str) {
    let error = reader.list(DeviceScope::ChangedSince(cookie.clone())).await.unwrap_err();
    assert!(matches!(&error, ExchangeError::CookieRefused { reason } if reason.contains(because)), "{error}");
}

fn at(url: &str, domain: &Domain, feed: Feed) -> Reader {
    let user = domain.user_dn(Domain::USER);
    Reader::at(&[url], &user, Domain::PASSWORD, |config| config.feed = feed).unwrap()
}

#[tokio::test]
async fn numbers_of_changes_mean_nothing_to_a_restored_controller() {
    let mut original = domain(3, 2);
    let reader = at(&original.url(), &original, Feed::UsnChanged);
    let (_, cookie) = reader.all().await.unwrap();
    original.stop();
    let mut restored = original.restored();
    restored.run();
    let elsewhere = at(&restored.url(), &restored, Feed::UsnChanged);
    refused(&elsewhere, cookie.as_ref().unwrap(), "restored from a backup").await;
    // What follows is a full pass, and then changes again.
    let (mut devices, cookie) = elsewhere.all().await.unwrap();
    assert_eq!(devices.len(), 6);
    elsewhere.update(&mut devices, &cookie.unwrap()).await.unwrap();
}

#[tokio::test]
async fn cookies_that_tell_nothing_are_refused() {
    let domain = domain(1, 1);
    let usn = at(&domain.url(), &domain, Feed::UsnChanged);
    let dirsync = at(&domain.url(), &domain, Feed::DirSync);
    let (_, by_usn) = usn.all().await.unwrap();
    let (_, by_dirsync) = dirsync.all().await.unwrap();
    let (by_usn, by_dirsync) = (by_usn.unwrap(), by_dirsync.unwrap());
    refused(&usn, &by_dirsync, "by uSNChanged now").await;
    refused(&dirsync, &by_usn, "by DirSync now").await;
    refused(&usn, &SyncCookie::from_text("first-sync:2026-01-01T00:00:00Z".into()), "another way").await;
    let text = |cookie: &SyncCookie| String::from_utf8(cookie.as_bytes().to_vec()).unwrap();
    let ahead = text(&by_usn).replace("\"next\":", "\"next\":9");
    refused(&usn, &SyncCookie::from_text(ahead), "lost changes").await;
    let other = text(&by_usn).replace("CN=DC1", "CN=DC2");
    refused(&usn, &SyncCookie::from_text(other), "another domain controller").await;
    let broken = text(&by_dirsync).replace("\"cookie\":\"4d53", "\"cookie\":\"4d");
    refused(&dirsync, &SyncCookie::from_text(broken), "refuses its own cookie").await;
    dirsync.clock.advance(Duration::from_secs(3 * 24 * 3600));
    refused(&dirsync, &by_dirsync, "may have forgotten").await;
}

#[tokio::test]
async fn a_controller_that_restarts_between_two_pages_ends_the_listing() {
    let mut domain = domain(20, 2);
    let user = domain.user_dn(Domain::USER);
    let reader =
        Reader::at(&[&domain.url()], &user, Domain::PASSWORD, |config| config.page_size = 5).unwrap();
    let mut listing = reader.directory.devices(DeviceScope::All).await.unwrap();
    assert!(listing.next().await.unwrap().is_some());
    domain.stop();
    domain.run();
    let ended = loop {
        match listing.next().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(ExchangeError::Unreachable { .. })), "{ended:?}");
    assert_eq!(listing.cookie(), None);
    assert_eq!(reader.all().await.unwrap().0.len(), 40, "the next run recovers by itself");
}

#[tokio::test]
async fn the_next_address_is_used_when_one_cannot_be_reached() {
    let domain = domain(2, 2);
    let user = domain.user_dn(Domain::USER);
    let urls = ["ldap://127.0.0.1:9", &domain.url()];
    let reader = Reader::at(&urls, &user, Domain::PASSWORD, |_| {}).unwrap();
    assert_eq!(reader.all().await.unwrap().0.len(), 4);
    let nowhere = Reader::at(&urls[..1], &user, Domain::PASSWORD, |_| {}).unwrap();
    assert!(matches!(nowhere.failure().await, ExchangeError::Unreachable { .. }));
}

#[tokio::test]
async fn what_was_deleted_is_found_with_the_right_to_see_it_or_by_a_full_pass() {
    let mut domain = Domain::prepare(DomainOptions { population: (2, 2), ..DomainOptions::default() });
    domain.run();
    for feed in [Feed::DirSync, Feed::UsnChanged] {
        let reader = Reader::with(&domain, |config| {
            config.feed = feed;
            config.roots = Roots { system: false, file: Some(domain.authority_file()) };
        });
        let (mut devices, cookie) = reader.all().await.unwrap();
        let before = devices.len();
        domain.delete(&domain.search("(objectClass=msExchActiveSyncDevice)", &["cn"])[0].dn);
        let (cookie, _) = reader.update(&mut devices, &cookie.unwrap()).await.unwrap();
        assert_eq!(devices.len(), before, "{feed} shows what the account may not see");
        assert_eq!(reader.all().await.unwrap().0.len(), before - 1);
        // A cookie still tells everything else.
        reader.update(&mut devices, &cookie).await.unwrap();
    }
}

#[tokio::test]
async fn all_changes_are_read_with_the_right_to_all_of_them() {
    let domain = domain(1, 2);
    let marked = async || {
        let (_, cookie) = Reader::of(&domain).all().await.unwrap();
        String::from_utf8(cookie.unwrap().as_bytes().to_vec()).unwrap()
    };
    assert!(marked().await.contains("\"everything\":false"));
    domain.permit_replication(Domain::USER);
    assert!(marked().await.contains("\"everything\":true"));
    let reader = Reader::of(&domain);
    let (mut devices, cookie) = reader.all().await.unwrap();
    domain.delete(&domain.search("(objectClass=msExchActiveSyncDevice)", &["cn"])[0].dn);
    reader.update(&mut devices, &cookie.unwrap()).await.unwrap();
    assert_eq!((devices.len(), &devices), (1, &reader.all().await.unwrap().0));
}
