use std::time::Duration;

use exconn_exchange::{DeviceScope, ExchangeError};
use exconn_model::{
    Clock, ConnectorChange, ConnectorDraft, ConnectorId, ConnectorStatus, DeviceChange, Entropy, FailureKind,
    MobileDevice, ObservedDevice, RunId, RunState, SyncCounts, SyncType,
};
use exconn_testkit::wait_until;

use crate::{
    scripted::{Listing, Scripted, device},
    world::{BOUND, TENANT, World},
};

#[tokio::test]
async fn a_new_connection_gets_a_connector_and_its_devices() {
    let world = World::new(250);
    let run = world.ended(None).await;
    assert_eq!((run.state, run.kind, run.attempt), (RunState::Succeeded, SyncType::Full, 1));
    assert_eq!((run.counts.seen, run.counts.added, run.counts.removed), (250, 250, 0));
    let connector = world.connector().await;
    assert_eq!(connector.status, ConnectorStatus::Connected);
    assert_eq!(connector.last_sync, world.clock.now());
    assert_eq!(connector.exchange_alias.as_deref(), Some("contoso"));
    assert_eq!(connector.server_name.as_deref(), Some("ex01.contoso.com"));
    assert_eq!(connector.connector_server_name.as_deref(), Some("agent01"));
    assert_eq!(connector.exchange_organization.as_deref(), Some("Contoso"));
    assert_eq!(connector.version.as_deref(), Some("0.1.0"));
    let stored: Vec<_> = world.devices().await.into_iter().map(|device| device.observed).collect();
    assert_eq!(stored, *world.exchange.devices.lock().unwrap());
}

#[tokio::test]
async fn devices_appear_change_and_disappear_with_a_full_sync() {
    let world = World::new(100);
    world.ended(None).await;
    let before = world.devices().await;
    {
        let mut devices = world.exchange.devices.lock().unwrap();
        devices[3].access_state = Some("Blocked".into());
        devices.remove(7);
        devices.push(device(500));
    }
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.counts.seen, run.counts.added, run.counts.changed, run.counts.removed), (100, 1, 1, 1));
    let after = world.devices().await;
    assert_eq!(after[3].id, before[3].id, "a device keeps its id");
    assert_eq!(after[3].observed.access_state.as_deref(), Some("Blocked"));
    assert!(after.iter().all(|device| device.id != before[7].id));
}

#[tokio::test]
async fn a_listing_that_ends_badly_changes_nothing_and_the_next_one_recovers() {
    let world = World::new(200);
    world.ended(None).await;
    // What mailboxes tell between two syncs is no matter of theirs.
    let listed = |devices: Vec<MobileDevice>| -> Vec<_> {
        devices.into_iter().map(|device| (device.id, device.observed)).collect()
    };
    let before = listed(world.devices().await);
    let synced_at = world.connector().await.last_sync;
    world.exchange.devices.lock().unwrap().truncate(195);
    let reason = || "cut".to_owned();
    for (error, kind) in [
        (
            ExchangeError::Unreachable { endpoint: "ex01:443".into(), reason: reason() },
            FailureKind::Unreachable,
        ),
        (ExchangeError::EndedEarly { reason: reason() }, FailureKind::EndedEarly),
        (ExchangeError::ProtocolViolated { reason: reason() }, FailureKind::ProtocolViolated),
        (ExchangeError::Throttled { after: Duration::from_secs(1) }, FailureKind::Throttled),
    ] {
        world.clock.advance(Duration::from_secs(5));
        world.exchange.script(Listing::Broken(150, error));
        let run = world.sync(SyncType::Full).await;
        assert_eq!((run.state, run.failure), (RunState::Failed, Some(kind)));
        assert!(run.detail.is_some_and(|detail| !detail.is_empty()));
        assert_eq!(listed(world.devices().await), before, "{kind:?}");
        assert_eq!(world.connector().await.last_sync, synced_at);
        assert_eq!(world.connector().await.status, ConnectorStatus::Connected, "Exchange was reached");
    }
    world.clock.advance(Duration::from_secs(60));
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.state, run.counts.removed), (RunState::Succeeded, 5));
}

#[tokio::test]
async fn an_exchange_that_refuses_disconnects_and_keeps_devices() {
    let world = World::new(20);
    world.ended(None).await;
    world.exchange.refuse(ExchangeError::CredentialsRefused { endpoint: "ex01:443".into() });
    let run = world.sync(SyncType::Full).await;
    assert_eq!(run.failure, Some(FailureKind::CredentialsRefused));
    assert_eq!(world.connector().await.status, ConnectorStatus::Disconnected);
    assert_eq!(world.devices().await.len(), 20);
    assert_eq!(world.sync(SyncType::Full).await.state, RunState::Succeeded);
    assert_eq!(world.connector().await.status, ConnectorStatus::Connected);
}

#[tokio::test]
async fn an_implausible_loss_is_held() {
    let world = World::new(40);
    world.ended(None).await;
    world.exchange.devices.lock().unwrap().clear();
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.state, run.failure), (RunState::Held, Some(FailureKind::ImplausibleLoss)));
    assert_eq!(run.counts.removed, 40);
    assert_eq!(world.devices().await.len(), 40);
    let run = world.sync(SyncType::Delta).await;
    assert_eq!(run.state, RunState::Succeeded, "a held full sync does not stop deltas");
}

#[tokio::test]
async fn a_small_organisation_may_lose_everything() {
    let world = World::new(10);
    world.ended(None).await;
    world.exchange.devices.lock().unwrap().clear();
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.state, run.counts.removed), (RunState::Succeeded, 10));
    assert!(world.devices().await.is_empty());
}

#[tokio::test]
async fn a_delta_brings_what_is_new_and_takes_what_is_gone() {
    let world = World::new(30);
    world.ended(None).await;
    let blocked = ObservedDevice { access_state: Some("Blocked".into()), ..device(3) };
    *world.exchange.changes.lock().unwrap() = vec![
        DeviceChange::Present(device(900)),
        DeviceChange::Removed(device(4).partnership),
        DeviceChange::Removed(device(5).partnership),
        DeviceChange::Present(blocked.clone()),
        DeviceChange::Present(device(5)),
        DeviceChange::Removed(device(6).partnership),
        DeviceChange::Removed(device(901).partnership),
    ];
    let run = world.sync(SyncType::Delta).await;
    assert_eq!((run.kind, run.state), (SyncType::Delta, RunState::Succeeded));
    assert_eq!((run.counts.seen, run.counts.added, run.counts.changed, run.counts.removed), (3, 1, 1, 2));
    let stored: Vec<_> = world.devices().await.into_iter().map(|device| device.observed).collect();
    let kept = (0..30).filter(|number| ![3, 4, 6].contains(number)).map(device);
    let mut expected: Vec<_> = kept.chain([blocked, device(900)]).collect();
    expected.sort_by_key(|device| device.partnership);
    assert_eq!(stored, expected);

    let run = world.sync(SyncType::Delta).await;
    assert_eq!((run.state, run.counts), (RunState::Succeeded, SyncCounts::default()));
    let scopes = world.exchange.scopes.lock().unwrap().clone();
    let since = |number| DeviceScope::ChangedSince(Scripted::cookie(number));
    assert_eq!(scopes, [DeviceScope::All, since(1), since(2)], "each goes on where the last one ended");
}

#[tokio::test]
async fn a_delta_may_not_take_more_than_is_plausible() {
    let world = World::new(40);
    world.ended(None).await;
    let gone = |count| (0..count).map(|number| DeviceChange::Removed(device(number).partnership)).collect();
    *world.exchange.changes.lock().unwrap() = gone(13);
    let run = world.sync(SyncType::Delta).await;
    assert_eq!((run.kind, run.state), (SyncType::Delta, RunState::Held));
    assert_eq!((run.failure, run.counts.removed), (Some(FailureKind::ImplausibleLoss), 13));
    assert!(run.detail.unwrap().contains("would remove 13 of 40"));
    assert_eq!(world.devices().await.len(), 40);

    *world.exchange.changes.lock().unwrap() = gone(12);
    let run = world.sync(SyncType::Delta).await;
    assert_eq!((run.state, run.counts.removed), (RunState::Succeeded, 12));
    let scopes = world.exchange.scopes.lock().unwrap().clone();
    assert_eq!(scopes[1], scopes[2], "one that was held is asked for again");
    let run = world.sync(SyncType::Full).await;
    assert_eq!((run.state, run.counts.added), (RunState::Succeeded, 12), "a full sync decides by itself");
}

#[tokio::test]
async fn a_delta_whose_cookie_is_refused_becomes_a_full_sync() {
    let world = World::new(5);
    world.ended(None).await;
    let refused = || ExchangeError::CookieRefused { reason: "another controller".into() };
    for (number, listing) in
        [Listing::Refused(refused()), Listing::Broken(1, refused())].into_iter().enumerate()
    {
        *world.exchange.changes.lock().unwrap() = vec![DeviceChange::Removed(device(0).partnership)];
        world.exchange.script(listing);
        world.exchange.devices.lock().unwrap().push(device(100 + number as u128));
        let run = world.sync(SyncType::Delta).await;
        assert_eq!((run.kind, run.state), (SyncType::Full, RunState::Succeeded));
        assert_eq!((run.counts.seen, run.counts.added, run.counts.removed), (6 + number as u64, 1, 0));
    }
    world.exchange.changes.lock().unwrap().clear();
    assert_eq!(world.sync(SyncType::Delta).await.kind, SyncType::Delta);
    let scope = world.exchange.scopes.lock().unwrap().last().cloned();
    assert_eq!(scope, Some(DeviceScope::ChangedSince(Scripted::cookie(5))));
}

#[tokio::test]
async fn a_delta_with_nothing_to_start_from_becomes_a_full_sync() {
    let world = World::new(5);
    world.exchange.script(Listing::Broken(2, ExchangeError::EndedEarly { reason: "cut".into() }));
    assert_eq!(world.ended(None).await.state, RunState::Failed);
    let run = world.sync(SyncType::Delta).await;
    assert_eq!((run.kind, run.state, run.counts.added), (SyncType::Full, RunState::Succeeded, 5));
}

#[tokio::test]
async fn progress_is_visible_while_exchange_keeps_us_waiting() {
    let mut world = World::idle(50);
    world.exchange.script(Listing::Gated(20));
    world.start();
    wait_until(BOUND, || async {
        matches!(world.latest().await, Some(run) if run.state == RunState::Running && run.counts.seen == 20)
    })
    .await;
    assert!(world.devices().await.is_empty(), "readers see nothing of a sync before its end");
    world.exchange.gate.add_permits(1);
    let run = world.ended(None).await;
    assert_eq!((run.state, run.attempt, run.counts.added), (RunState::Succeeded, 1, 50));
}

#[tokio::test]
async fn a_deleted_connector_ends_its_sync_and_is_not_created_again() {
    let mut world = World::idle(50);
    world.exchange.script(Listing::Gated(20));
    world.start();
    wait_until(BOUND, || async { world.latest().await.is_some_and(|run| run.counts.seen == 20) }).await;
    let id = world.connector().await.id;
    world.store.delete_connector(TENANT, id, None, world.clock.now(), world.entry()).await.unwrap();
    world.exchange.gate.add_permits(1);
    wait_until(BOUND, || async { !world.signals.is_served(id) }).await;
    assert_eq!(world.store.count_connectors(TENANT, None).await.unwrap(), 0);
    assert_eq!(world.store.count_devices(TENANT, None).await.unwrap(), 0);

    let id = ConnectorId(world.entropy.uuid());
    let change =
        ConnectorChange { exchange_alias: Some(Some("contoso".into())), ..ConnectorChange::default() };
    let draft = ConnectorDraft::default().with(change);
    let run = RunId(world.entropy.uuid());
    world.store.create_connector(TENANT, id, draft, run, world.clock.now(), world.entry()).await.unwrap();
    world.signals.wake(id);
    wait_until(BOUND, || async { world.signals.is_served(id) }).await;
    let run = world.ended(None).await;
    assert_eq!((run.connector, run.state, run.counts.added), (id, RunState::Succeeded, 50));
}

#[tokio::test]
async fn a_clock_that_ran_ahead_stops_nothing_once_it_is_right_again() {
    let world = World::new(5);
    let first = world.ended(None).await;
    let right = world.clock.now();
    world.clock.set(right.after(Duration::from_secs(365 * 86_400)));
    let ahead = world.sync(SyncType::Full).await;
    world.clock.set(right.after(Duration::from_secs(1)));
    world.signals.wake(first.connector);
    let full = world.ended(Some(ahead.id)).await;
    assert_eq!(
        (full.kind, full.state, full.requested_at),
        (SyncType::Full, RunState::Succeeded, world.clock.now())
    );
    world.clock.advance(Duration::from_secs(60));
    world.signals.wake(first.connector);
    let delta = world.ended(Some(full.id)).await;
    assert_eq!((delta.kind, delta.requested_at), (SyncType::Delta, world.clock.now()));
    assert_eq!(
        world.store.runs(TENANT, first.connector, 10).await.unwrap().len(),
        4,
        "and no more often than usual"
    );
}
