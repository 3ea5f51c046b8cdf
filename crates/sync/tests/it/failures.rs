//! What each failure makes of the connector and of the schedule.

use std::time::Duration;

use exconn_exchange::ExchangeError;
use exconn_model::{Clock, ConnectorStatus, FailureKind, RunState, SyncType, Timestamp};
use exconn_store::SyncHistory;
use exconn_testkit::wait_until;

use crate::{
    scripted::Listing,
    world::{BOUND, TENANT, World},
};

fn endpoint() -> String {
    "ex01:443".to_owned()
}

fn reason() -> String {
    "as the test wants".to_owned()
}

fn refused() -> ExchangeError {
    ExchangeError::CredentialsRefused { endpoint: endpoint() }
}

impl World {
    async fn history(&self) -> SyncHistory {
        self.store.sync_history(TENANT, self.connector().await.id).await.unwrap()
    }
}

/// Every failure that can meet a connection, its kind, and what the run says to do.
fn failures(now: Timestamp) -> Vec<(ExchangeError, FailureKind, &'static str)> {
    vec![
        (
            ExchangeError::Unreachable { endpoint: endpoint(), reason: reason() },
            FailureKind::Unreachable,
            "network",
        ),
        (ExchangeError::Tls { endpoint: endpoint(), reason: reason() }, FailureKind::Tls, "ca_file"),
        (refused(), FailureKind::CredentialsRefused, "as soon as the file changes"),
        (
            ExchangeError::CredentialsHeld { endpoint: endpoint(), until: now },
            FailureKind::CredentialsRefused,
            "not tried again before",
        ),
        (
            ExchangeError::PasswordExpired { endpoint: endpoint() },
            FailureKind::PasswordExpired,
            "Set a new password",
        ),
        (
            ExchangeError::AccountLocked { endpoint: endpoint(), reason: reason() },
            FailureKind::AccountLocked,
            "Unlock",
        ),
        (
            ExchangeError::ClockSkew { endpoint: endpoint(), reason: reason() },
            FailureKind::ClockSkew,
            "five minutes",
        ),
        (
            ExchangeError::ServiceUnknown { principal: "HTTP/ex01".into() },
            FailureKind::ServiceUnknown,
            "setspn",
        ),
        (
            ExchangeError::WrongEndpoint { url: "http://ex01".into(), reason: reason() },
            FailureKind::WrongEndpoint,
            "/PowerShell/",
        ),
        (
            ExchangeError::PasswordUnavailable { path: "/p".into(), reason: reason() },
            FailureKind::CredentialsRefused,
            "no password in /p",
        ),
    ]
}

#[tokio::test]
async fn each_disconnects_says_why_keeps_devices_and_is_over_with_the_next_sync() {
    let world = World::new(20);
    world.ended(None).await;
    for at_listing in [false, true] {
        for (error, kind, says) in failures(world.clock.now()) {
            if at_listing {
                // The server that lists devices may be another one than the one that was asked first.
                world.exchange.script(Listing::Refused(error));
            } else {
                world.exchange.refuse(error);
            }
            let run = world.sync(SyncType::Delta).await;
            assert_eq!((run.state, run.failure), (RunState::Failed, Some(kind)));
            assert!(run.detail.as_ref().is_some_and(|detail| detail.contains(says)), "{:?}", run.detail);
            assert_eq!(world.connector().await.status, ConnectorStatus::Disconnected, "{kind:?}");
            assert_eq!(world.devices().await.len(), 20);
            assert_eq!(world.sync(SyncType::Delta).await.state, RunState::Succeeded);
            assert_eq!(world.connector().await.status, ConnectorStatus::Connected);
        }
    }
}

#[tokio::test]
async fn an_account_that_is_refused_is_left_alone_for_an_hour() {
    let world = World::new(5);
    world.ended(None).await;
    let now = world.clock.now();
    let until = now.after(Duration::from_secs(1234));
    let hour = now.after(Duration::from_secs(3600));
    for (error, not_before) in [
        (refused(), Some(hour)),
        (ExchangeError::PasswordExpired { endpoint: endpoint() }, Some(hour)),
        (ExchangeError::AccountLocked { endpoint: endpoint(), reason: reason() }, Some(hour)),
        (ExchangeError::CredentialsHeld { endpoint: endpoint(), until }, Some(until)),
        (ExchangeError::Throttled { after: Duration::from_secs(7) }, Some(now.after(Duration::from_secs(7)))),
        (ExchangeError::PasswordUnavailable { path: "/p".into(), reason: reason() }, None),
        (ExchangeError::Unreachable { endpoint: endpoint(), reason: reason() }, None),
    ] {
        world.exchange.refuse(error);
        world.sync(SyncType::Full).await;
        assert_eq!(world.history().await.not_before, not_before);
    }
}

#[tokio::test]
async fn a_new_password_is_tried_before_the_hour_is_over() {
    let world = World::new(5);
    world.ended(None).await;
    world.exchange.refuse(refused());
    let failed = world.sync(SyncType::Full).await;
    world.clock.advance(Duration::from_secs(120));
    *world.exchange.secret_written.lock().unwrap() = Some(world.clock.now());
    world.signals.wake(failed.connector);
    let run = world.ended(Some(failed.id)).await;
    assert_eq!((run.state, run.requested_at), (RunState::Succeeded, world.clock.now()));
}

#[tokio::test]
async fn an_old_password_is_tried_again_after_the_hour_and_not_before() {
    let world = World::new(5);
    world.ended(None).await;
    *world.exchange.secret_written.lock().unwrap() = Some(world.clock.now());
    world.clock.advance(Duration::from_secs(1));
    world.exchange.refuse(refused());
    let failed = world.sync(SyncType::Full).await;
    let refused_at = world.clock.now();
    // Each look at a time at which it would be too early comes before the one at which it is not.
    for seconds in [120, 3599, 3600] {
        world.clock.set(refused_at.after(Duration::from_secs(seconds)));
        let looks = world.exchange.secret_looks();
        world.signals.wake(failed.connector);
        wait_until(BOUND, || async { world.exchange.secret_looks() > looks }).await;
    }
    let run = world.ended(Some(failed.id)).await;
    assert_eq!(run.requested_at, refused_at.after(Duration::from_secs(3600)));
    assert_eq!(run.state, RunState::Succeeded);
}
