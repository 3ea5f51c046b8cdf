//! What a controller may do wrong: each has its own error, nothing is taken for complete, and the next run recovers by itself.

use std::time::Duration;

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
