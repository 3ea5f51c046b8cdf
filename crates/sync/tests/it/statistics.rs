//! Statistics are learned between syncs.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use exconn_exchange::ExchangeError;
use exconn_model::{Clock, ConnectorStatus, RunState, SyncType, Timestamp};
use exconn_sync::StatisticsSettings;
use exconn_testkit::wait_until;
use tokio::sync::Semaphore;

use crate::{
    scripted::{last_success, mailbox},
    world::{BOUND, World},
};

/// Long enough for any budget of these tests, and short enough for no sync to become due.
const A_WHILE: Duration = Duration::from_secs(30);

impl World {
    /// After the first sync, with so many mailboxes an hour.
    async fn with_statistics(devices: u128, mailboxes_per_hour: u32) -> Self {
        let mut world = Self::idle(devices);
        world.statistics = StatisticsSettings { mailboxes_per_hour, ..StatisticsSettings::default() };
        world.start();
        world.ended(None).await;
        world
    }

    fn asked(&self) -> Vec<String> {
        self.exchange.asked.lock().unwrap().clone()
    }

    async fn has_asked(&self, count: usize) {
        wait_until(BOUND, || async { self.asked().len() == count }).await;
    }

    /// For each device when it last synced, as far as that is known.
    async fn learned(&self) -> Vec<Option<Timestamp>> {
        self.devices().await.iter().map(|device| device.last_success()).collect()
    }

    async fn has_learned(&self, count: usize) {
        wait_until(BOUND, || async { self.learned().await.iter().flatten().count() == count }).await;
    }
}

#[tokio::test]
async fn every_mailbox_is_asked_once() {
    let world = World::with_statistics(150, 1_000_000).await;
    world.clock.advance(A_WHILE);
    world.has_learned(150).await;
    let expected: Vec<_> = (0..150).map(|number| Some(last_success(number))).collect();
    assert_eq!(world.learned().await, expected);
    let asked = world.asked();
    assert_eq!(asked.len(), 150);
    assert_eq!(asked.into_iter().collect::<BTreeSet<_>>(), (0..150).map(mailbox).collect());
    world.sync(SyncType::Full).await;
    world.sync(SyncType::Full).await;
    assert_eq!(world.asked().len(), 150, "what is fresh is not asked for again");
}

#[tokio::test]
async fn the_budget_is_kept() {
    let world = World::with_statistics(50, 3600).await;
    for asked in [1, 4, 10] {
        let due = world.clock.now().after(Duration::from_secs(asked - world.asked().len() as u64));
        world.clock.set(due);
        world.has_asked(asked as usize).await;
    }
    world.sync(SyncType::Full).await;
    world.sync(SyncType::Full).await;
    assert_eq!(world.asked().len(), 10);
}

#[tokio::test]
async fn a_budget_of_nothing_asks_nothing() {
    let world = World::with_statistics(50, 0).await;
    for _ in 0..3 {
        world.clock.advance(A_WHILE);
        world.sync(SyncType::Full).await;
    }
    assert_eq!(world.asked(), [""; 0]);
}

#[tokio::test]
async fn questions_grow_with_quick_answers_and_keep_no_sync_waiting() {
    let mut world = World::idle(40);
    world.statistics = StatisticsSettings { mailboxes_per_hour: 1_000_000, ..StatisticsSettings::default() };
    let gate = &world.exchange.statistics_gate;
    gate.forget_permits(Semaphore::MAX_PERMITS);
    world.start();
    world.ended(None).await;
    world.clock.advance(A_WHILE);
    world.has_asked(1).await;
    let first = world.latest().await.map(|run| run.id);
    world.request(SyncType::Full).await;
    // The answer to what is under way is all that a sync waits for.
    world.exchange.statistics_gate.add_permits(1);
    assert_eq!(world.ended(first).await.state, RunState::Succeeded);
    for answered in 2..40 {
        let gate = &world.exchange.statistics_gate;
        wait_until(BOUND, || async { world.asked().len() >= answered }).await;
        gate.add_permits(1);
    }
    world.exchange.statistics_gate.add_permits(10);
    world.has_learned(40).await;
    assert_eq!(world.exchange.most_at_once.load(Ordering::Relaxed), 3, "as the connection allows");
}

#[tokio::test]
async fn a_mailbox_that_does_not_answer_keeps_no_sync_waiting() {
    let mut world = World::idle(3);
    world.statistics = StatisticsSettings { mailboxes_per_hour: 1_000_000, ..StatisticsSettings::default() };
    world.exchange.statistics_gate.forget_permits(Semaphore::MAX_PERMITS);
    world.start();
    world.ended(None).await;
    world.clock.advance(A_WHILE);
    world.has_asked(1).await;
    assert_eq!(world.sync(SyncType::Full).await.state, RunState::Succeeded);
    world.has_asked(2).await;
    let asked: BTreeSet<_> = world.asked().into_iter().collect();
    assert_eq!(asked.len(), 2, "others come before it");
    world.exchange.statistics_gate.add_permits(10);
    world.has_learned(2).await;
    world.clock.advance(Duration::from_secs(300));
    world.signals.wake(world.connector().await.id);
    world.has_learned(3).await;
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_read_is_asked_later_and_blocks_nobody() {
    let world = World::with_statistics(10, 1_000_000).await;
    world.exchange.trouble(&mailbox(0), ExchangeError::EndedEarly { reason: "its server is away".into() });
    world.clock.advance(A_WHILE);
    world.has_learned(9).await;
    assert_eq!(world.learned().await[0], None);
    world.sync(SyncType::Full).await;
    assert_eq!(world.asked().len(), 10);
    assert_eq!(world.connector().await.status, ConnectorStatus::Connected);
    world.clock.advance(Duration::from_secs(300));
    world.signals.wake(world.connector().await.id);
    world.has_learned(10).await;
}

#[tokio::test]
async fn exchange_is_left_alone_as_long_as_it_asks() {
    let world = World::with_statistics(10, 1_000_000).await;
    world.exchange.trouble("*", ExchangeError::Throttled { after: Duration::from_secs(50) });
    world.clock.advance(Duration::from_secs(1));
    world.has_asked(1).await;
    world.clock.advance(Duration::from_secs(49));
    world.sync(SyncType::Full).await;
    world.sync(SyncType::Full).await;
    assert_eq!(world.asked().len(), 1);
    world.clock.advance(Duration::from_secs(1));
    world.signals.wake(world.connector().await.id);
    world.has_learned(10).await;
    assert_eq!(world.asked().len(), 11, "the one that was not answered is asked again");
}

#[tokio::test]
async fn a_refused_account_ends_the_questions_until_its_secret_is_renewed() {
    let world = World::with_statistics(10, 1_000_000).await;
    world.exchange.trouble("*", ExchangeError::CredentialsRefused { endpoint: "ex01:443".into() });
    world.clock.advance(A_WHILE);
    world.has_asked(1).await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(world.sync(SyncType::Full).await.state, RunState::Succeeded);
    }
    assert_eq!(world.asked().len(), 1);
    assert_eq!(world.connector().await.status, ConnectorStatus::Connected, "syncs alone decide about it");
    *world.exchange.secret_written.lock().unwrap() = Some(world.clock.now());
    world.signals.wake(world.connector().await.id);
    world.has_learned(10).await;
}

#[tokio::test]
async fn trouble_is_over_when_the_clock_that_told_it_is_set_back() {
    let world = World::with_statistics(10, 1_000_000).await;
    let right = world.clock.now().after(A_WHILE);
    world.exchange.trouble("*", ExchangeError::CredentialsRefused { endpoint: "ex01:443".into() });
    world.clock.set(right.after(Duration::from_secs(365 * 86_400)));
    world.has_asked(1).await;
    world.clock.set(right);
    world.signals.wake(world.connector().await.id);
    wait_until(BOUND, || async {
        // The budget too begins anew.
        world.clock.advance(Duration::from_millis(100));
        world.learned().await.iter().flatten().count() == 10
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_fails_is_tried_again_with_another_mailbox() {
    let world = World::with_statistics(10, 1_000_000).await;
    let lost = || ExchangeError::Unreachable { endpoint: "ex01:443".into(), reason: "reset".into() };
    world.exchange.trouble("*", lost());
    world.clock.advance(A_WHILE);
    world.has_asked(1).await;
    world.clock.advance(Duration::from_secs(10));
    world.signals.wake(world.connector().await.id);
    world.has_learned(9).await;
    assert_eq!(world.asked().len(), 10);
}
