use std::sync::Arc;

use exconn_model::{
    ConnectorChange, ConnectorDraft, ConnectorType, FailureKind, RunId, RunOutcome, RunState, SyncCookie,
    SyncCounts, SyncType,
};

use super::world::{TENANT, World, devices, rows};
use crate::{ConnectionIdentity, StageEnd, Store, StoreError};

fn cookie(text: &str) -> Option<SyncCookie> {
    Some(SyncCookie::from_text(text.to_owned()))
}

pub(super) async fn move_with_the_devices_alone(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    world.delta_sync(id, rows(&devices(0..2)), "1").await.unwrap();
    world.request(id, SyncType::Delta).await;
    let stale = world.lease(id).await.unwrap();
    assert_eq!(stale.cookie, cookie("1"));
    store.begin_stage(&stale).await.unwrap();
    store.stage(&stale, rows(&devices(2..3))).await.unwrap();

    world.later(60);
    let heir = world.lease(id).await.unwrap();
    let end = StageEnd { cookie: cookie("of the stale one"), ..world.end(false) };
    assert!(matches!(store.apply_stage(&stale, end).await, Err(StoreError::LeaseLost)));
    store.begin_stage(&heir).await.unwrap();
    let mut elsewhere = heir.clone();
    elsewhere.cookie = cookie("another");
    let end = StageEnd { cookie: cookie("of another"), ..world.end(false) };
    assert!(matches!(store.apply_stage(&elsewhere, end).await, Err(StoreError::Superseded)));
    assert_eq!(store.count_devices(TENANT, None).await.unwrap(), 2);

    let outcome = RunOutcome {
        state: RunState::Held,
        failure: Some(FailureKind::ImplausibleLoss),
        detail: None,
        not_before: None,
    };
    let (counts, observed) = (SyncCounts::default(), ConnectorChange::default());
    store.end_run(&heir, outcome, counts, observed, world.now()).await.unwrap();
    world.request(id, SyncType::Delta).await;
    let next = world.lease(id).await.unwrap();
    assert_eq!(next.cookie, cookie("1"), "a run that did not succeed leaves it");

    store.widen_run(&next).await.unwrap();
    store.begin_stage(&next).await.unwrap();
    store.stage(&next, rows(&devices(0..3))).await.unwrap();
    let end = StageEnd { cookie: cookie("of all"), ..world.end(true) };
    store.apply_stage(&next, end).await.unwrap();
    world.request(id, SyncType::Full).await;
    let last = world.lease(id).await.unwrap();
    assert_eq!(last.cookie, cookie("of all"), "a full sync begins the feed anew");
    store.begin_stage(&last).await.unwrap();
    store.stage(&last, rows(&devices(0..3))).await.unwrap();
    store.apply_stage(&last, StageEnd { cookie: None, ..world.end(true) }).await.unwrap();
    world.request(id, SyncType::Delta).await;
    assert_eq!(world.lease(id).await.unwrap().cookie, None, "a listing without one leaves none");
}

pub(super) async fn end_with_the_configuration(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let draft = ConnectorDraft { exchange_alias: Some("contoso".into()), ..ConnectorDraft::default() };
    let id = world.create(draft).await.id;
    world.sync(id, &devices(0..2), true).await;
    for (fingerprint, kept) in [("1", false), ("1", true), ("2", false), ("2", true)] {
        let connection = ConnectionIdentity {
            name: "contoso".into(),
            server: None,
            connector_type: ConnectorType::OnPremises,
            primary_smtp_address: None,
            fingerprint: fingerprint.into(),
        };
        let (run, entry) = (RunId(world.id()), world.entry("bind"));
        store.bind(TENANT, &connection, id, run, world.now(), entry).await.unwrap();
        world.request(id, SyncType::Delta).await;
        assert_eq!(world.lease(id).await.unwrap().cookie.is_some(), kept, "{fingerprint}");
        world.later(60);
        world.sync(id, &devices(0..2), false).await;
    }
}
