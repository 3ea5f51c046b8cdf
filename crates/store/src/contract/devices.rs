use std::sync::Arc;

use exconn_model::{
    AccessState, ConnectorDraft, ConnectorStatus, DeviceId, GraphEnum, MANAGED_DEVICE, MobileDevice,
    ObservedDevice, RunState, SyncCounts, SyncType, Timestamp,
    schema::{Entity, Value},
};
use exconn_odata::query::{After, Comparison, Expression, OrderBy, Query};
use uuid::Uuid;

use super::{
    oracle,
    world::{TENANT, World, device, devices, rows},
};
use crate::{StagedChange, Store, StoreError};

fn counts(seen: u64, added: u64, changed: u64, removed: u64) -> SyncCounts {
    SyncCounts { seen, added, changed, removed }
}

pub(super) async fn appear_change_and_disappear(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    let mut observed = devices(0..100);
    assert_eq!(world.full_sync(id, &observed).await, counts(100, 100, 0, 0));
    let before = world.stored().await;
    assert_eq!(before.iter().map(|(_, device)| device.clone()).collect::<Vec<_>>(), observed);

    assert_eq!(world.full_sync(id, &observed).await, counts(100, 0, 0, 0));
    assert_eq!(world.stored().await, before);
    world.request(id, SyncType::Full).await;
    let unchanged = world.lease(id).await.unwrap();
    let end = world.end(true);
    store.begin_stage(&unchanged).await.unwrap();
    store.stage(&unchanged, rows(&observed)).await.unwrap();
    store.apply_stage(&unchanged, end).await.unwrap();
    world.request(id, SyncType::Full).await;
    let next = world.lease(id).await.unwrap();
    assert_eq!(next.generation, unchanged.generation, "a sync without differences writes no device");

    observed[4].access_state = Some("Quarantined".into());
    observed[5].friendly_name = None;
    observed.swap(0, 99);
    let gone = observed.pop().unwrap();
    observed.push(device(500));
    let mut listed = observed.clone();
    listed.push(observed[4].clone());
    store.begin_stage(&next).await.unwrap();
    let so_far = store.stage(&next, rows(&listed)).await.unwrap();
    assert_eq!(so_far, counts(100, 1, 2, 0), "one that comes twice counts once");
    assert_eq!(store.staged(&next, true).await.unwrap(), (counts(100, 1, 2, 1), 100));
    assert_eq!(world.stored().await, before, "what is staged is not seen");
    world.later(5);
    let end = world.end(true);
    assert_eq!(store.apply_stage(&next, end).await.unwrap(), counts(100, 1, 2, 1));
    let after = world.stored().await;
    assert!(after.iter().all(|(_, device)| device.partnership != gone.partnership));
    for (kept, device) in &after {
        let known = before.iter().find(|(_, known)| known.partnership == device.partnership);
        assert!(known.is_none_or(|(id, _)| id == kept), "a device keeps its id");
        let wanted = observed.iter().find(|wanted| wanted.partnership == device.partnership);
        assert_eq!(wanted, Some(device));
    }
    let connector = store.connector(TENANT, id).await.unwrap();
    assert_eq!((connector.status, connector.last_sync), (ConnectorStatus::Connected, world.now()));
    assert_eq!(store.run(TENANT, next.run.id).await.unwrap().state, RunState::Succeeded);

    world.request(id, SyncType::Delta).await;
    assert_eq!(world.sync(id, &[device(501)], false).await, counts(1, 1, 0, 0), "a delta removes nothing");
    assert_eq!(store.count_devices(TENANT, None).await.unwrap(), 101);
}

pub(super) async fn go_when_a_listing_of_changes_says_so(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    world.full_sync(id, &devices(0..10)).await;
    let before = world.stored().await;
    let gone = |number| StagedChange::Removed(device(number).partnership);
    let here = |number| rows(&[device(number)]).remove(0);
    let other = |number| rows(&[ObservedDevice { model: Some("New".into()), ..device(number) }]).remove(0);

    world.request(id, SyncType::Delta).await;
    let lease = world.lease(id).await.unwrap();
    store.begin_stage(&lease).await.unwrap();
    for (changes, so_far) in [
        (vec![gone(1), gone(1), gone(99)], counts(0, 0, 0, 1)),
        (vec![gone(2), here(2)], counts(1, 0, 0, 1)),
        (vec![here(20), gone(20)], counts(1, 0, 0, 1)),
        (vec![other(3), here(3), other(3)], counts(2, 0, 1, 1)),
        (vec![other(4), gone(4)], counts(2, 0, 1, 2)),
        (vec![gone(21), other(21)], counts(3, 1, 1, 2)),
    ] {
        assert_eq!(store.stage(&lease, changes).await.unwrap(), so_far);
    }
    assert_eq!(store.staged(&lease, false).await.unwrap(), (counts(3, 1, 1, 2), 10));
    assert_eq!(world.stored().await, before);
    let end = world.end(false);
    assert_eq!(store.apply_stage(&lease, end).await.unwrap(), counts(3, 1, 1, 2));
    let after = world.stored().await;
    let numbers: Vec<&str> = after.iter().map(|(_, device)| device.device_id.as_str()).collect();
    assert_eq!(numbers, ["D0", "D2", "D3", "D5", "D6", "D7", "D8", "D9", "D21"]);
    assert_eq!(after[1], before[2], "what went and came back is the same device");
    assert_eq!((after[2].0, after[2].1.model.as_deref()), (before[3].0, Some("New")));

    let again = world.delta_sync(id, vec![gone(1), gone(4)], "again").await.unwrap();
    assert_eq!(again, counts(0, 0, 0, 0), "what is gone cannot go again");
    assert_eq!(world.full_sync(id, &devices(0..10)).await, counts(10, 2, 1, 1));
}

pub(super) async fn are_not_touched_by_what_is_late(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    world.full_sync(id, &devices(0..10)).await;
    let before = world.stored().await;
    world.request(id, SyncType::Full).await;
    let late = world.lease(id).await.unwrap();
    store.begin_stage(&late).await.unwrap();
    store.stage(&late, rows(&devices(5..20))).await.unwrap();
    world.later(60);
    let heir = world.lease(id).await.unwrap();
    let applied = store.apply_stage(&late, world.end(true)).await;
    assert!(matches!(applied, Err(StoreError::LeaseLost)));
    assert_eq!(world.stored().await, before);

    store.begin_stage(&heir).await.unwrap();
    store.stage(&heir, rows(&devices(0..11))).await.unwrap();
    let mut elsewhere = heir.clone();
    elsewhere.generation -= 1;
    let applied = store.apply_stage(&elsewhere, world.end(true)).await;
    assert!(matches!(applied, Err(StoreError::Superseded)), "it did not start from what is stored");
    assert_eq!(world.stored().await, before);
}

pub(super) async fn go_with_their_connector(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let (one, other) = (world.synced().await, world.create(ConnectorDraft::default()).await.id);
    world.full_sync(one, &devices(0..20)).await;
    world.request(one, SyncType::Full).await;
    let lease = world.lease(one).await.unwrap();
    store.begin_stage(&lease).await.unwrap();
    store.stage(&lease, rows(&devices(0..5))).await.unwrap();
    let first = world.stored().await[0].0;
    assert_eq!(store.device(TENANT, first).await.unwrap().connector, one);
    store.delete_connector(TENANT, one, None, world.now(), world.entry("deleteConnector")).await.unwrap();
    assert_eq!(store.count_devices(TENANT, None).await.unwrap(), 0);
    assert!(matches!(store.device(TENANT, first).await, Err(StoreError::NotFound)));
    assert!(matches!(store.apply_stage(&lease, world.end(true)).await, Err(StoreError::LeaseLost)));
    assert_eq!(store.run(TENANT, lease.run.id).await.unwrap().state, RunState::Cancelled);
    assert_eq!(store.count_devices(TENANT, None).await.unwrap(), 0);
    assert!(store.connector(TENANT, other).await.is_ok());
}

pub(super) async fn are_never_seen_between(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    world.full_sync(id, &devices(0..5000)).await;
    world.request(id, SyncType::Full).await;
    let lease = world.lease(id).await.unwrap();
    store.begin_stage(&lease).await.unwrap();
    for part in devices(3000..10_000).chunks(1000) {
        store.stage(&lease, rows(part)).await.unwrap();
    }
    let reader = {
        let store = store.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.last() != Some(&7000) {
                seen.push(store.count_devices(TENANT, None).await.unwrap());
            }
            seen
        })
    };
    store.apply_stage(&lease, world.end(true)).await.unwrap();
    let seen = reader.await.unwrap();
    assert!(seen.iter().all(|count| [5000, 7000].contains(count)), "{seen:?}");
}

pub(super) async fn are_filtered_by_what_the_graph_shows(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    let observed = devices(0..60);
    world.full_sync(id, &observed).await;
    let compare = |name: &str, value: Value<'static>| {
        let property = Expression::Property(MANAGED_DEVICE.position(name).unwrap());
        Expression::compare(property, Comparison::Equal, value.into())
    };
    let text = |text: &str| Value::Text(text.to_owned().into());
    let blocked = Value::Enum(AccessState::TYPE, AccessState::Blocked.number());
    for (filter, count) in [
        (compare("exchangeAccessState", blocked), 12),
        (compare("operatingSystem", text("iOS")), 30),
        (compare("osVersion", text("15")), 30),
        (compare("userDisplayName", text("User 7")), 1),
        (compare("deviceName", Value::Null), 20),
        (compare("easActivated", Value::Boolean(true)), 60),
        (compare("userPrincipalName", Value::Null), 15),
        (compare("userPrincipalName", text("user7@contoso.com")), 1),
        (compare("emailAddress", text("User.7@contoso.com")), 1),
        (compare("exchangeLastSuccessfulSyncDateTime", Value::Timestamp(Timestamp::UNSET)), 60),
    ] {
        assert_eq!(store.count_devices(TENANT, Some(&filter)).await.unwrap(), count, "{filter:?}");
    }
    let overview = store.device_overview(TENANT).await.unwrap();
    assert_eq!((overview.blocked, overview.allowed, overview.total()), (12, 48, 60));
    assert!(matches!(store.device(TENANT, DeviceId(Uuid::nil())).await, Err(StoreError::NotFound)));
}

/// By each property, up and down, with nulls and many that are alike: as one page and as many.
pub(super) async fn are_paged_in_every_order(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    let observed: Vec<ObservedDevice> = devices(0..50)
        .into_iter()
        .enumerate()
        .map(|(number, device)| ObservedDevice {
            model: (number % 4 > 0).then(|| format!("Model {}", number % 3)),
            friendly_name: None,
            first_sync: device.first_sync.filter(|_| number % 5 > 0),
            user_display_name: (number % 7 > 0).then(|| format!("User {}", number % 6)),
            ..device
        })
        .collect();
    world.full_sync(id, &observed).await;
    let state = MANAGED_DEVICE.position("exchangeAccessState").unwrap();
    let id_property = MANAGED_DEVICE.position("id").unwrap();
    let allowed = Value::Enum(AccessState::TYPE, AccessState::Allowed.number());
    let is_allowed = Expression::compare(Expression::Property(state), Comparison::Equal, allowed.into());
    for (property, descending) in (0..MANAGED_DEVICE.properties.len()).flat_map(|p| [(p, false), (p, true)]) {
        for filter in [None, Some(is_allowed.clone())] {
            let by = |property, descending| OrderBy { property, descending };
            let ids = [vec![by(id_property, false)], vec![by(id_property, true)]];
            let ids = ids.into_iter().filter(|_| property != id_property);
            for order in [vec![], vec![by(state, true)]].into_iter().chain(ids) {
                let order = [vec![OrderBy { property, descending }], order].concat();
                let whole = Query { filter: filter.clone(), order, limit: 100, ..Query::default() };
                let all = store.devices(TENANT, &whole).await.unwrap().items;
                assert_eq!(all.len(), if filter.is_some() { 40 } else { 50 });
                let in_order = |pair: &[MobileDevice]| {
                    oracle::in_order(&whole.order, &pair[0], &pair[1]) == std::cmp::Ordering::Less
                };
                assert!(all.windows(2).all(in_order), "{:?}", whole.order);
                assert_eq!(paged(&*store, &whole).await, all, "{:?}", whole.order);
            }
        }
    }
}

async fn paged(store: &dyn Store, whole: &Query) -> Vec<MobileDevice> {
    let mut found: Vec<MobileDevice> = Vec::new();
    loop {
        let after = found.last().map(|last| After {
            keys: whole.order.iter().map(|by| last.value(by.property).into_owned()).collect(),
            id: last.id.to_string(),
        });
        let page = store.devices(TENANT, &Query { limit: 7, after, ..whole.clone() }).await.unwrap();
        found.extend(page.items);
        if !page.more {
            return found;
        }
    }
}
