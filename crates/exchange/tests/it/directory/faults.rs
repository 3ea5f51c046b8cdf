//! What a controller may do wrong: each has its own error, nothing is taken for complete, and the next run recovers by itself.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use exconn_exchange::{DeviceScope, Exchange, ExchangeError};
use exconn_testkit::Domain;
use rasn_ldap::ResultCode;

use super::{
    scripted::{DEVICES, Script, Scripted},
    setup::Reader,
};

/// Whether an error is of the right kind.
type Judge = fn(&ExchangeError) -> bool;

fn reader(server: &Scripted) -> Reader {
    Reader::at(&[&server.url()], "svc", Domain::PASSWORD, |config| {
        config.page_size = 10;
        config.search_timeout = Duration::from_millis(300);
    })
    .unwrap()
}

#[tokio::test]
async fn each_fault_is_told_and_gone_with_its_cause() {
    let server = Scripted::start().await;
    let reader = reader(&server);
    let cases: [(Script, Judge, &str); 16] = [
        (
            Script::Ends(ResultCode::SizeLimitExceeded),
            |e| matches!(e, ExchangeError::EndedEarly { .. }),
            "SizeLimitExceeded",
        ),
        (
            Script::Ends(ResultCode::TimeLimitExceeded),
            |e| matches!(e, ExchangeError::EndedEarly { .. }),
            "TimeLimitExceeded",
        ),
        (
            Script::Ends(ResultCode::AdminLimitExceeded),
            |e| matches!(e, ExchangeError::EndedEarly { .. }),
            "AdminLimit",
        ),
        (
            Script::Ends(ResultCode::InsufficientAccessRights),
            |e| matches!(e, ExchangeError::NotPermitted { .. }),
            "partnerships",
        ),
        (Script::Ends(ResultCode::Busy), |e| matches!(e, ExchangeError::Unreachable { .. }), "Busy"),
        (
            Script::Refers,
            |e| matches!(e, ExchangeError::WrongEndpoint { .. }),
            "refers to ldap://dc99.contoso.test",
        ),
        (Script::Drops, |e| matches!(e, ExchangeError::Unreachable { .. }), "closed the connection"),
        (Script::Halves, |e| matches!(e, ExchangeError::Unreachable { .. }), "in the middle"),
        (Script::Announces, |e| matches!(e, ExchangeError::ProtocolViolated { .. }), "announces"),
        (
            Script::Endless,
            |e| matches!(e, ExchangeError::ProtocolViolated { .. }),
            "more than it was asked for",
        ),
        (Script::Silent, |e| matches!(e, ExchangeError::Unreachable { .. }), "nothing was heard"),
        (Script::Leaves, |e| matches!(e, ExchangeError::Unreachable { .. }), "ends the connection"),
        (Script::Mistakes, |e| matches!(e, ExchangeError::ProtocolViolated { .. }), "not asked"),
        (Script::Babbles, |e| matches!(e, ExchangeError::WrongEndpoint { .. }), "not LDAP"),
        (Script::Confuses, |e| matches!(e, ExchangeError::ProtocolViolated { .. }), "something else"),
        (Script::Garbles, |e| matches!(e, ExchangeError::ProtocolViolated { .. }), "broken control"),
    ];
    for (script, kind, says) in cases {
        server.play(script);
        let error = reader.failure().await;
        assert!(kind(&error) && error.to_string().contains(says), "{script:?}: {error:?}");
        server.play(Script::Right);
        let (devices, cookie) = reader.all().await.unwrap();
        assert!(devices.len() == DEVICES && cookie.is_some(), "the run after {script:?}");
    }
}

#[tokio::test]
async fn absurd_attributes_do_not_hide_devices() {
    let server = Scripted::start().await;
    server.play(Script::Absurd);
    let (devices, _) = reader(&server).all().await.unwrap();
    assert_eq!(devices.len(), DEVICES);
    assert!(
        devices.values().all(|device| device.device_id.parse::<usize>().is_ok() && device.model.is_some())
    );
}

#[tokio::test]
async fn a_feed_that_refuses_its_cookie_leads_to_a_full_pass() {
    let server = Scripted::start().await;
    let reader = reader(&server);
    let (_, cookie) = reader.all().await.unwrap();
    let cookie = cookie.unwrap();
    server.play(Script::Forgets);
    let error = reader.list(DeviceScope::ChangedSince(cookie.clone())).await.unwrap_err();
    assert!(
        matches!(&error, ExchangeError::CookieRefused { reason } if reason.contains("UnwillingToPerform")),
        "{error}"
    );
    assert_eq!(reader.all().await.unwrap().0.len(), DEVICES);
    server.play(Script::Circles);
    let error = reader.list(DeviceScope::ChangedSince(cookie.clone())).await.unwrap_err();
    assert!(
        matches!(&error, ExchangeError::ProtocolViolated { reason } if reason.contains("never ends")),
        "{error}"
    );
    server.play(Script::Right);
    let (changes, next) = reader.list(DeviceScope::ChangedSince(cookie)).await.unwrap();
    assert!(changes.is_empty() && next.is_some());
}

#[tokio::test]
async fn the_sign_in_and_the_root_tell_who_is_there() {
    let server = Scripted::start().await;
    for (code, kind) in [
        (ResultCode::AuthMethodNotSupported, "WrongEndpoint"),
        (ResultCode::StrongerAuthRequired, "WrongEndpoint"),
        (ResultCode::InvalidCredentials, "CredentialsRefused"),
        (ResultCode::Unavailable, "Unreachable"),
        (ResultCode::OperationsError, "EndedEarly"),
    ] {
        server.play(Script::Signs(code));
        let error = reader(&server).failure().await;
        assert!(format!("{error:?}").starts_with(kind), "{code:?}: {error:?}");
    }
    server.play(Script::Stranger);
    let error = reader(&server).failure().await;
    assert!(error.to_string().contains("not a domain controller"), "{error}");
}

#[tokio::test]
async fn a_listing_that_is_dropped_asks_for_no_more() {
    let server = Scripted::start().await;
    let reader = reader(&server);
    let mut listing = reader.directory.devices(DeviceScope::All).await.unwrap();
    assert_eq!(listing.next().await.unwrap().unwrap().len(), 10);
    drop(listing);
    assert_eq!(reader.all().await.unwrap().0.len(), DEVICES);
}

#[tokio::test]
async fn a_container_that_cannot_be_seen_does_not_end_all_listings_of_changes() {
    let server = Scripted::start().await;
    let reader = reader(&server);
    let (mut devices, cookie) = reader.all().await.unwrap();
    server.play(Script::Hides);
    reader.update(&mut devices, &cookie.unwrap()).await.unwrap();
    assert_eq!(devices.len(), DEVICES);
}

#[tokio::test]
async fn a_listing_that_failed_or_was_left_alone_never_comes_to_its_end() {
    let server = Scripted::start().await;
    for (script, patience) in
        [(Script::Drops, Duration::from_secs(20)), (Script::Silent, Duration::from_millis(50))]
    {
        server.play(script);
        let client = reader(&server);
        let mut listing = client.directory.devices(DeviceScope::All).await.unwrap();
        assert!(listing.next().await.unwrap().is_some());
        let second = tokio::time::timeout(patience, listing.next()).await;
        assert!(!matches!(second, Ok(Ok(_))), "{script:?}: {second:?}");
        server.play(Script::Right);
        for _ in 0..2 {
            let after = listing.next().await;
            assert!(matches!(after, Err(ExchangeError::EndedEarly { .. })), "{script:?}: {after:?}");
            assert_eq!(listing.cookie(), None);
        }
    }
}

#[tokio::test]
async fn the_directory_leads_no_password_onto_the_network_in_clear_text() {
    let server = Scripted::start().await;
    server.play(Script::Leads);
    let error = reader(&server).failure().await;
    assert!(
        matches!(&error, ExchangeError::WrongEndpoint { url, reason } if url.contains("0.0.0.0") && reason.contains("clear")),
        "{error}"
    );
}

#[tokio::test]
async fn a_controller_whose_tls_is_broken_is_passed_over() {
    let (server, broken) = (Scripted::start().await, TcpListener::bind("127.0.0.1:0").unwrap());
    let broken_url = format!("ldaps://{}", broken.local_addr().unwrap());
    thread::spawn(move || {
        for stream in broken.incoming() {
            let mut stream = stream.unwrap();
            let _ = (stream.read(&mut [0; 4096]), stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    let at = |urls: &[&str]| Reader::at(urls, "svc", Domain::PASSWORD, |_| {}).unwrap();
    let error = at(&[&broken_url]).failure().await;
    assert!(matches!(error, ExchangeError::Tls { .. }), "{error}");
    assert_eq!(at(&[&broken_url, &server.url()]).all().await.unwrap().0.len(), DEVICES);
}
