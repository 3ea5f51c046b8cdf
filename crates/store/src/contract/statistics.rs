use std::{sync::Arc, time::Duration};

use exconn_model::{
    AccessState, AccessStateReason, ConnectorDraft, ConnectorId, DeviceId, DeviceStatistics, GraphEnum,
    MANAGED_DEVICE, MobileDevice, ObservedDevice, SyncCounts, SyncType, Timestamp, schema::Value,
};
use exconn_odata::query::{Comparison, Expression, OrderBy, Query};
use uuid::Uuid;

use super::world::{STRANGER, TENANT, World, device, devices, rows};
use crate::{DueMailbox, MailboxAnswer, StagedChange, Store, StoreError};

const DAY: Duration = Duration::from_secs(86_400);

fn statistics(number: u128, last_success: i64) -> DeviceStatistics {
    DeviceStatistics {
        partnership: device(number).partnership,
        last_success: Some(Timestamp::from_unix_seconds(last_success)),
        last_attempt: Some(Timestamp::from_unix_seconds(last_success + 1)),
        wipe_requested: Some(Timestamp::from_unix_seconds(last_success + 2)),
        wipe_sent: Some(Timestamp::from_unix_seconds(last_success + 3)),
        wipe_acknowledged: Some(Timestamp::from_unix_seconds(last_success + 4)),
        status: Some("DeviceOk".into()),
        ..DeviceStatistics::default()
    }
}

impl World {
    async fn due(&self, connector: ConnectorId, limit: u32) -> Vec<DueMailbox> {
        self.store.due_statistics(TENANT, connector, self.now(), limit).await.unwrap()
    }

    /// The names of the devices of due mailboxes, in their order.
    async fn due_devices(&self, connector: ConnectorId, limit: u32) -> Vec<String> {
        let stored = self.stored().await;
        let name = |partnership: Uuid| {
            let known = stored.iter().find(|(_, device)| device.partnership == partnership);
            known.unwrap().1.device_id.clone()
        };
        let due = self.due(connector, limit).await;
        due.into_iter().flat_map(|mailbox| mailbox.partnerships).map(name).collect()
    }

    async fn record(&self, connector: ConnectorId, asked: &[u128], statistics: Vec<DeviceStatistics>) {
        let answer = MailboxAnswer {
            asked: asked.iter().map(|number| device(*number).partnership).collect(),
            statistics,
            learned: self.now(),
            next: self.now().after(DAY),
        };
        self.store.record_statistics(TENANT, connector, answer).await.unwrap();
    }

    async fn shown(&self, number: u128) -> MobileDevice {
        let query = Query { limit: 1000, ..Query::default() };
        let devices = self.store.devices(TENANT, &query).await.unwrap().items;
        let wanted = device(number).partnership;
        devices.into_iter().find(|device| device.observed.partnership == wanted).unwrap()
    }

    async fn count(&self, property: &str, comparison: Comparison, value: Value<'static>) -> u64 {
        let property = Expression::Property(MANAGED_DEVICE.position(property).unwrap());
        let filter = Expression::compare(property, comparison, value.into());
        self.store.count_devices(TENANT, Some(&filter)).await.unwrap()
    }
}

pub(super) async fn are_due_until_they_are_learned(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    let mut observed = devices(0..4);
    observed[1].identity = device(0).identity.map(|identity| identity.replace("D0", "D1"));
    observed[3].identity = None;
    world.full_sync(id, &observed).await;
    let due = world.due(id, 100).await;
    let zero = DueMailbox {
        mailbox: "contoso.com/Staff/User 0".into(),
        partnerships: vec![device(0).partnership, device(1).partnership],
        failures: 0,
    };
    let two = DueMailbox {
        mailbox: "contoso.com/Staff/User 2".into(),
        partnerships: vec![device(2).partnership],
        failures: 0,
    };
    assert_eq!(due, [zero, two], "by mailbox, and none for a device without one");
    assert_eq!(world.due_devices(id, 1).await, ["D0"]);
    assert_eq!(world.shown(0).await.statistics, None);

    world.later(10);
    world.record(id, &[0, 1], vec![statistics(0, 1_750_000_000)]).await;
    let learned = world.shown(0).await.statistics.unwrap();
    assert_eq!((learned.learned, learned.statistics), (world.now(), statistics(0, 1_750_000_000)));
    assert_eq!(world.shown(1).await.statistics, None, "the mailbox did not speak of it");
    assert_eq!(world.due_devices(id, 100).await, ["D2"], "but it was asked");

    let shown = |shown: MobileDevice| shown.id;
    let (known, without_mailbox) = (shown(world.shown(0).await), shown(world.shown(3).await));
    for device in [known, without_mailbox, DeviceId(Uuid::nil())] {
        store.want_statistics(TENANT, device).await.unwrap();
    }
    assert_eq!(world.due_devices(id, 1).await, ["D0"], "wanted, so it comes first");
    world.record(id, &[0], vec![statistics(0, 1_750_000_000)]).await;
    store.want_statistics(STRANGER, known).await.unwrap();
    assert_eq!(world.due_devices(id, 100).await, ["D2"]);

    // Known without being asked for, gone meanwhile, of another connector or tenant.
    let other = world.create(ConnectorDraft::default()).await.id;
    world.record(other, &[2], vec![statistics(2, 1_750_000_000)]).await;
    let answer = MailboxAnswer {
        asked: vec![device(2).partnership],
        statistics: vec![statistics(2, 1_750_000_000)],
        learned: world.now(),
        next: Timestamp::MAX,
    };
    store.record_statistics(STRANGER, id, answer.clone()).await.unwrap();
    store.postpone_statistics(STRANGER, id, answer.asked, Timestamp::MAX).await.unwrap();
    assert!(matches!(store.due_statistics(STRANGER, id, world.now(), 9).await, Err(StoreError::NotFound)));
    assert_eq!(world.due_devices(id, 100).await, ["D2"]);
    world.record(id, &[77], vec![statistics(2, 1_760_000_000), statistics(77, 1_760_000_000)]).await;
    assert_eq!(world.due(id, 100).await, []);
    assert_eq!(store.count_devices(TENANT, None).await.unwrap(), 4);

    world.later(86_399);
    assert_eq!(world.due(id, 100).await, []);
    world.later(1);
    assert_eq!(world.due_devices(id, 100).await, ["D0", "D1", "D2"], "what was learned becomes stale");

    let set = "exchangeLastSuccessfulSyncDateTime";
    let moment = |seconds| Value::Timestamp(Timestamp::from_unix_seconds(seconds));
    assert_eq!(world.count(set, Comparison::Equal, Value::Timestamp(Timestamp::UNSET)).await, 2);
    assert_eq!(world.count(set, Comparison::Greater, moment(1_750_000_000)).await, 1);
    let order = vec![OrderBy { property: MANAGED_DEVICE.position(set).unwrap(), descending: true }];
    let query = Query { order, limit: 2, ..Query::default() };
    let latest = store.devices(TENANT, &query).await.unwrap().items;
    let names: Vec<&str> = latest.iter().map(|device| device.observed.device_id.as_str()).collect();
    assert_eq!(names, ["D2", "D0"]);
}

pub(super) async fn are_postponed_where_a_mailbox_cannot_be_asked(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    world.full_sync(id, &devices(0..3)).await;
    for failures in 1..=3 {
        let until = world.now().after(Duration::from_secs(100));
        store.postpone_statistics(TENANT, id, vec![device(1).partnership], until).await.unwrap();
        assert_eq!(world.due_devices(id, 100).await, ["D0", "D2"], "it does not block the others");
        world.later(100);
        let due = world.due(id, 100).await;
        assert_eq!(due.iter().map(|mailbox| mailbox.failures).collect::<Vec<_>>(), [0, 0, failures]);
    }
    world.record(id, &[1], vec![statistics(1, 1_750_000_000)]).await;
    world.later(86_400);
    let due = world.due(id, 100).await;
    assert!(due.iter().all(|mailbox| mailbox.failures == 0), "{due:?}");
}

pub(super) async fn follow_what_syncs_find(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    world.full_sync(id, &devices(0..4)).await;
    for number in 0..4 {
        world.record(id, &[number], vec![statistics(number, 1_750_000_000)]).await;
    }
    world.later(60);
    let changed = ObservedDevice { model: Some("New".into()), ..device(1) };
    let homeless = ObservedDevice { identity: None, ..device(2) };
    let changes = [
        rows(&[changed.clone(), homeless, device(3), device(4)]),
        vec![StagedChange::Removed(device(0).partnership)],
    ]
    .concat();
    world.delta_sync(id, changes, "next").await.unwrap();
    assert_eq!(world.due_devices(id, 100).await, ["D1", "D4"], "what is changed or new is due at once");
    assert_eq!(world.shown(1).await.statistics.unwrap().statistics, statistics(1, 1_750_000_000));
    world.later(86_400);
    assert_eq!(world.due_devices(id, 100).await, ["D1", "D4", "D3"], "the longest due first");
    world.full_sync(id, &[changed, device(3), device(4)]).await;
    assert_eq!(world.due_devices(id, 100).await, ["D1", "D4", "D3"], "what is the same keeps its place");
}

/// What the mailbox says of access is newer than the listing before it, and older than the listing behind it.
pub(super) async fn tell_access_before_listings_do(store: Arc<dyn Store>) {
    let mut world = World::on(store.clone());
    let id = world.synced().await;
    world.full_sync(id, &devices(1..4)).await;
    world.request(id, SyncType::Full).await;
    let lease = world.lease(id).await.unwrap();
    store.begin_stage(&lease).await.unwrap();
    let renamed = ObservedDevice { friendly_name: Some("Renamed".into()), ..device(1) };
    let let_in = ObservedDevice { access_state: Some("Quarantined".into()), ..device(2) };
    store.stage(&lease, rows(&[renamed.clone(), let_in.clone(), device(3)])).await.unwrap();

    let blocked = |number| DeviceStatistics {
        access_state: Some("Blocked".into()),
        access_state_reason: Some("Individual".into()),
        ..statistics(number, 1_750_000_000)
    };
    let (state, reason) = (AccessState::Blocked, AccessStateReason::ExchangeIndividualRule);
    for number in 1..4 {
        world.record(id, &[number], vec![blocked(number)]).await;
        assert_eq!(world.shown(number).await.access(), (state, reason));
    }
    let value = Value::Enum(AccessState::TYPE, state.number());
    assert_eq!(world.count("exchangeAccessState", Comparison::Equal, value.clone()).await, 3);
    let value_of_reason = Value::Enum(AccessStateReason::TYPE, reason.number());
    assert_eq!(world.count("exchangeAccessStateReason", Comparison::Equal, value_of_reason).await, 3);
    assert_eq!(store.device_overview(TENANT).await.unwrap().blocked, 3);
    assert_eq!(world.shown(3).await.observed, device(3), "what the listing said stays known");

    let end = world.end(true);
    let applied = store.apply_stage(&lease, end).await;
    let counts = SyncCounts { seen: 3, changed: 2, ..SyncCounts::default() };
    assert_eq!(applied.unwrap(), counts, "statistics do not disturb a running sync");
    assert_eq!(world.shown(1).await.access(), (state, reason), "the listing brought no other access");
    assert_eq!(world.shown(1).await.observed, renamed);
    let quarantined = (AccessState::Quarantined, AccessStateReason::ExchangeGlobalRule);
    assert_eq!(world.shown(2).await.access(), quarantined, "the listing is newer");
    assert_eq!(world.shown(2).await.last_success(), blocked(2).last_success, "the rest stays");
    assert_eq!(world.shown(3).await.access(), (state, reason));
    assert_eq!(world.count("exchangeAccessState", Comparison::Equal, value).await, 2);

    world.record(id, &[3], vec![statistics(3, 1_760_000_000)]).await;
    let listed = (AccessState::Allowed, AccessStateReason::ExchangeGlobalRule);
    assert_eq!(
        world.shown(3).await.access(),
        listed,
        "a mailbox that says nothing of it leaves it to the listing"
    );
}
