use std::{sync::Arc, time::Duration};

use exconn_model::{
    ConnectorChange, ConnectorDraft, FailureKind, RunOutcome, RunState, SyncCookie, SyncCounts, SyncType,
};

use super::world::{TENANT, World, device, rows};
use crate::{RequestedSync, RunPatch, Store, StoreError};

pub(super) async fn are_coalesced(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    let RequestedSync::Queued(delta) = world.request(id, SyncType::Delta).await else {
        panic!("nothing was open")
    };
    assert_eq!(world.request(id, SyncType::Delta).await, RequestedSync::Covered(delta));
    assert_eq!(
        world.request(id, SyncType::Full).await,
        RequestedSync::Covered(delta),
        "it becomes a full one"
    );
    assert_eq!(store.run(TENANT, delta).await.unwrap().kind, SyncType::Full);
    assert_eq!(
        world.request(id, SyncType::Delta).await,
        RequestedSync::Covered(delta),
        "a full one covers it"
    );
    world.lease(id).await.unwrap();
    assert_eq!(world.request(id, SyncType::Full).await, RequestedSync::Covered(delta), "running is as good");
    let RequestedSync::Queued(next) = world.request(id, SyncType::Delta).await else {
        panic!("a running full sync may have passed what is new")
    };
    assert_eq!(store.runs(TENANT, id, 10).await.unwrap()[0].id, next);
}

pub(super) async fn are_leased_fenced_and_abandoned(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.create(ConnectorDraft::default()).await.id;
    let first = world.lease(id).await.unwrap();
    assert_eq!((first.run.attempt, first.run.state, &first.cookie), (1, RunState::Running, &None));
    assert_eq!(world.lease(id).await, None, "a lease holds");
    let now = world.later(20);
    let counts = SyncCounts { seen: 5, ..SyncCounts::default() };
    let patch = RunPatch { now, until: now.after(Duration::from_secs(30)), counts };
    store.renew(&first, patch).await.unwrap();
    assert_eq!(store.run(TENANT, first.run.id).await.unwrap().counts.seen, 5, "progress is visible");
    world.later(20);
    assert_eq!(world.lease(id).await, None, "a renewed lease holds longer");
    world.later(20);
    let second = world.lease(id).await.unwrap();
    assert_eq!((second.run.id, second.run.attempt), (first.run.id, 2));
    assert!(second.fence > first.fence);

    assert!(matches!(store.renew(&first, patch).await, Err(StoreError::LeaseLost)));
    assert!(matches!(store.begin_stage(&first).await, Err(StoreError::LeaseLost)));
    assert!(matches!(store.stage(&first, rows(&[device(1)])).await, Err(StoreError::LeaseLost)));
    let failed = RunOutcome {
        state: RunState::Failed,
        failure: Some(FailureKind::EndedEarly),
        detail: Some("cut".into()),
        not_before: None,
    };
    let late = store.end_run(&first, failed.clone(), counts, ConnectorChange::default(), now).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)));

    world.later(60);
    assert_eq!(world.lease(id).await.unwrap().run.attempt, 3);
    world.later(60);
    assert_eq!(world.lease(id).await, None, "after three attempts it is given up");
    let run = store.run(TENANT, first.run.id).await.unwrap();
    assert_eq!((run.state, run.failure), (RunState::Failed, Some(FailureKind::Abandoned)));
    assert!(run.finished_at.is_some());
}

pub(super) async fn leave_a_history(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.create(ConnectorDraft::default()).await.id;
    assert!(store.sync_history(TENANT, id).await.unwrap().open);
    world.sync(id, &[], true).await;
    let full_at = world.now();
    world.later(100);
    world.request(id, SyncType::Delta).await;
    let lease = world.lease(id).await.unwrap();
    assert_eq!(lease.cookie, Some(SyncCookie::from_text(full_at.to_string())));
    let outcome = RunOutcome {
        state: RunState::Failed,
        failure: Some(FailureKind::Throttled),
        detail: None,
        not_before: Some(world.now().after(Duration::from_secs(5))),
    };
    let counts = SyncCounts { seen: 3, ..SyncCounts::default() };
    store.end_run(&lease, outcome, counts, ConnectorChange::default(), world.now()).await.unwrap();
    let history = store.sync_history(TENANT, id).await.unwrap();
    assert_eq!((history.last_full, history.last_success), (Some(full_at), Some(full_at)));
    assert_eq!((history.failures, history.full_failures, history.open), (1, 0, false));
    assert_eq!(history.last_finished, Some(world.now()));
    assert_eq!(history.last_full_finished, Some(full_at));
    assert_eq!(history.not_before, Some(world.now().after(Duration::from_secs(5))));
    assert_eq!((history.failure, history.last_started), (Some(FailureKind::Throttled), lease.run.started_at));
    let run = store.run(TENANT, lease.run.id).await.unwrap();
    assert_eq!(
        (run.state, run.failure, run.counts.seen),
        (RunState::Failed, Some(FailureKind::Throttled), 3)
    );
    let delta_at = world.later(10);
    world.request(id, SyncType::Delta).await;
    world.sync(id, &[], false).await;
    let history = store.sync_history(TENANT, id).await.unwrap();
    assert_eq!(
        (history.failures, history.last_success, history.last_full),
        (0, Some(delta_at), Some(full_at))
    );

    world.request(id, SyncType::Delta).await;
    let lease = world.lease(id).await.unwrap();
    store.widen_run(&lease).await.unwrap();
    assert_eq!(store.run(TENANT, lease.run.id).await.unwrap().kind, SyncType::Full);
}

pub(super) async fn are_forgotten_when_they_are_many(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    let full_at = world.now();
    let full = store.runs(TENANT, id, 1).await.unwrap()[0].id;
    world.later(1);
    world.request(id, SyncType::Delta).await;
    world.sync(id, &[], false).await;
    let delta_at = world.now();
    let delta = store.runs(TENANT, id, 1).await.unwrap()[0].id;
    let failed = RunOutcome {
        state: RunState::Failed,
        failure: Some(FailureKind::Unreachable),
        detail: None,
        not_before: None,
    };
    for _ in 0..1005 {
        world.later(1);
        world.request(id, SyncType::Delta).await;
        let lease = world.lease(id).await.unwrap();
        let (counts, observed) = (SyncCounts::default(), ConnectorChange::default());
        store.end_run(&lease, failed.clone(), counts, observed, world.now()).await.unwrap();
    }
    let kept = store.runs(TENANT, id, 2000).await.unwrap();
    assert_eq!(kept.len(), 1002, "the newest, and the latest success of each kind");
    assert_eq!(kept[1000..].iter().map(|run| run.id).collect::<Vec<_>>(), [delta, full]);
    let history = store.sync_history(TENANT, id).await.unwrap();
    assert_eq!((history.last_full, history.last_success), (Some(full_at), Some(delta_at)));
    assert_eq!((history.failures, history.full_failures), (1000, 0));
    world.request(id, SyncType::Delta).await;
    world.sync(id, &[], false).await;
    assert!(matches!(store.run(TENANT, delta).await, Err(StoreError::NotFound)), "another took its place");
    assert!(store.run(TENANT, full).await.is_ok());
}
