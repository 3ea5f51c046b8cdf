//! What syncs and statistics make of devices, told a second time without SQL.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use exconn_model::{
    AccessState, DeviceId, DeviceStatistics, GraphEnum, MANAGED_DEVICE, ObservedDevice, SyncCounts, SyncType,
    Timestamp, schema::Value,
};
use exconn_odata::query::{Comparison, Expression, Query};

use super::world::{TENANT, World, device};
use crate::{DeviceRow, MailboxAnswer, StagedChange, Store};

/// What a listing says of the device with a number: there with these words, or gone.
pub type ToldChange = (u8, Option<ToldDevice>);

/// What is told of a device that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldDevice {
    /// Its model.
    pub model: u8,
    /// Its access state, one of three.
    pub access: u8,
}

/// A sync, and what is told of access while it runs.
#[derive(Clone, Debug)]
pub struct ToldSync {
    /// Whether what the listing does not name does not exist.
    pub complete: bool,
    /// What the listing says, in this order.
    pub changes: Vec<ToldChange>,
    /// How many changes come together.
    pub batch: usize,
    /// What mailboxes say between the listing and its end: of which device, and its access state if they tell it.
    pub statistics: Vec<(u8, Option<u8>)>,
}

const STATES: [(&str, AccessState); 3] = [
    ("Allowed", AccessState::Allowed),
    ("Blocked", AccessState::Blocked),
    ("Quarantined", AccessState::Quarantined),
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    id: DeviceId,
    told: ToldDevice,
    newer: Option<u8>,
    is_learned: bool,
}

fn observed(number: u8, told: ToldDevice) -> ObservedDevice {
    let (state, _) = STATES[usize::from(told.access) % STATES.len()];
    ObservedDevice {
        model: Some(format!("Model {}", told.model)),
        access_state: Some(state.to_owned()),
        ..device(number.into())
    }
}

/// The store and a plain map agree after each sync.
pub async fn syncs_agree_with_their_meaning(store: Arc<dyn Store>, syncs: Vec<ToldSync>) {
    let mut world = World::on(store.clone());
    let connector = world.synced().await;
    let mut known: BTreeMap<u8, Known> = BTreeMap::new();
    for sync in syncs {
        let now = world.later(60);
        world.request(connector, if sync.complete { SyncType::Full } else { SyncType::Delta }).await;
        let lease = world.lease(connector).await.unwrap();
        store.begin_stage(&lease).await.unwrap();
        let mut latest: BTreeMap<u8, Option<(DeviceId, ToldDevice)>> = BTreeMap::new();
        for batch in sync.changes.chunks(sync.batch.max(1)) {
            let mut changes = Vec::new();
            for (number, told) in batch {
                let row = told.map(|told| (DeviceId(world.id()), told));
                changes.push(match row {
                    Some((id, told)) => {
                        StagedChange::Present(DeviceRow { id, observed: observed(*number, told) })
                    }
                    None => StagedChange::Removed(device((*number).into()).partnership),
                });
                latest.insert(*number, row);
            }
            store.stage(&lease, changes).await.unwrap();
        }
        let (after, counts) = applied(&known, &latest, sync.complete);
        let counted = store.staged(&lease, sync.complete).await.unwrap();
        assert_eq!(counted, (counts, known.len() as u64), "{sync:?}");
        for (number, state) in &sync.statistics {
            record(&world, &lease.run.connector, *number, *state).await;
            if let Some(device) = known.get_mut(number) {
                (device.newer, device.is_learned) = (*state, true);
            }
        }
        let (after, _) = if sync.statistics.is_empty() {
            (after, counts)
        } else {
            applied(&known, &latest, sync.complete)
        };
        assert_eq!(store.apply_stage(&lease, world.end(sync.complete)).await.unwrap(), counts);
        let due = expected_due(&known, &after);
        known = after;
        assert_same(&*store, &known).await;
        let found = store.due_statistics(TENANT, connector, now, 100).await.unwrap();
        let found: BTreeSet<_> = found.into_iter().flat_map(|mailbox| mailbox.partnerships).collect();
        let due: BTreeSet<_> = due.into_iter().map(|number| device(number.into()).partnership).collect();
        assert_eq!(found, due, "{sync:?}");
    }
}

/// The devices after a sync, and its counts.
fn applied(
    before: &BTreeMap<u8, Known>,
    latest: &BTreeMap<u8, Option<(DeviceId, ToldDevice)>>,
    complete: bool,
) -> (BTreeMap<u8, Known>, SyncCounts) {
    let mut after = before.clone();
    let mut counts = SyncCounts::default();
    if complete {
        after.retain(|number, _| matches!(latest.get(number), Some(Some(_))));
    }
    for (number, row) in latest {
        let Some((id, told)) = *row else {
            after.remove(number);
            continue;
        };
        counts.seen += 1;
        match after.get_mut(number) {
            None => {
                counts.added += 1;
                after.insert(*number, Known { id, told, newer: None, is_learned: false });
            }
            Some(device) if device.told != told => {
                counts.changed += 1;
                let state = |told: ToldDevice| usize::from(told.access) % STATES.len();
                device.newer = device.newer.filter(|_| state(device.told) == state(told));
                device.told = told;
                device.is_learned = false;
            }
            Some(_) => {}
        }
    }
    counts.removed = before.keys().filter(|number| !after.contains_key(number)).count() as u64;
    (after, counts)
}

/// Devices that were never asked for since they came or changed.
fn expected_due(before: &BTreeMap<u8, Known>, after: &BTreeMap<u8, Known>) -> Vec<u8> {
    let is_due = |(number, device): &(&u8, &Known)| !device.is_learned || !before.contains_key(number);
    after.iter().filter(is_due).map(|(number, _)| *number).collect()
}

async fn record(world: &World, connector: &exconn_model::ConnectorId, number: u8, state: Option<u8>) {
    let partnership = device(number.into()).partnership;
    let state = state.map(|state| STATES[usize::from(state) % STATES.len()].0.to_owned());
    let statistics = DeviceStatistics { partnership, access_state: state, ..DeviceStatistics::default() };
    let answer = MailboxAnswer {
        asked: vec![partnership],
        statistics: vec![statistics],
        learned: world.now(),
        next: Timestamp::MAX,
    };
    world.store.record_statistics(TENANT, *connector, answer).await.unwrap();
}

async fn assert_same(store: &dyn Store, known: &BTreeMap<u8, Known>) {
    let query = Query { limit: 1000, ..Query::default() };
    let mut stored = store.devices(TENANT, &query).await.unwrap().items;
    stored.sort_by_key(|device| device.observed.partnership);
    let found: Vec<_> = stored.iter().map(|device| (device.id, device.observed.clone())).collect();
    let wanted: Vec<_> =
        known.iter().map(|(number, known)| (known.id, observed(*number, known.told))).collect();
    assert_eq!(found, wanted);
    let states: Vec<AccessState> = known
        .values()
        .map(|known| STATES[usize::from(known.newer.unwrap_or(known.told.access)) % STATES.len()].1)
        .collect();
    assert_eq!(stored.iter().map(|device| device.access().0).collect::<Vec<_>>(), states);
    let property = MANAGED_DEVICE.position("exchangeAccessState").unwrap();
    for (_, state) in STATES {
        let value = Value::Enum(AccessState::TYPE, state.number());
        let filter = Expression::compare(Expression::Property(property), Comparison::Equal, value.into());
        let count = states.iter().filter(|one| **one == state).count() as u64;
        assert_eq!(store.count_devices(TENANT, Some(&filter)).await.unwrap(), count);
    }
}
