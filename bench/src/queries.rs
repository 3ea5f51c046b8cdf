use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use exconn_model::{
    ConnectorChange, ConnectorDraft, ConnectorId, DeviceId, MANAGED_DEVICE, MobileDevice, ObservedDevice,
    RunId, TenantId, Timestamp, schema::Entity,
};
use exconn_odata::{
    filter::{self, Context},
    options::{self, Purpose},
    query::{After, Query},
};
use exconn_store::{DeviceRow, SqliteOptions, SqliteStore, StageEnd, StagedChange, Store};
use uuid::Uuid;

use crate::{report::Section, system::System};

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const CONTEXT: Context = Context { now: Timestamp::from_unix_seconds(1_800_000_000), unknown_members: false };
const PAGE: u32 = 20;
const ROUNDS: usize = 201;

/// Queries as an administrator asks them, each with the property whose index finds it.
const LISTS: [(&str, &str, &str); 5] = [
    ("blocked devices by name", "exchangeAccessState eq 'blocked'", "deviceName"),
    ("by a range of names", "deviceName ge 'Phone 05' and contains(model,'1')", "deviceName"),
    ("by the beginning of the user's name", "startswith(userDisplayName,'User 9')", "userDisplayName"),
    (
        "first seen in the last day, newest first",
        "easActivationDateTime gt now() sub duration'P1D'",
        "easActivationDateTime desc",
    ),
    ("by the device's own id", "easDeviceId eq 'DEV00000500'", "deviceName"),
];

/// Reading filters, and pages out of many devices, straight at the store.
pub(crate) fn run() -> Result<Section, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut section = Section::new("Queries");
    section.at_most("reading a `$filter` of 1 KiB", parse()?, 20.0, " µs");
    let folders: Vec<_> = [1_000, 100_000, 1_000_000]
        .into_iter()
        .map(|count| Ok((count, tempfile::tempdir().map_err(|error| error.to_string())?)))
        .collect::<Result<_, String>>()?;
    let mut stores = Vec::new();
    for (count, folder) in &folders {
        let store = SqliteStore::open(folder.path(), SqliteOptions::default()).map_err(text)?;
        let began = Instant::now();
        runtime.block_on(fill(&store, *count))?;
        let (seconds, bytes) = (began.elapsed().as_secs_f64(), runtime.block_on(store.size()).map_err(text)?);
        section.note(format!("storing {count} devices"), format!("{seconds:.2} s, {} MiB", bytes >> 20));
        stores.push(store);
    }
    let [thousand, hundred_thousand, million] = stores.as_slice() else { return Err("three stores".into()) };
    for (what, filter, order) in LISTS {
        let query = query(Some(filter), order)?;
        let few = runtime.block_on(time(thousand, &query))?;
        let many = runtime.block_on(time(hundred_thousand, &query))?;
        section.note(format!("{what}: 20 of 1,000"), format!("{few:.1} µs"));
        section.at_most("of 100,000, times that", many / few, 1.5, "");
    }
    for order in ["id", "deviceName", "easActivationDateTime desc"] {
        let first = query(None, order)?;
        let near = runtime.block_on(time(million, &first))?;
        section.note(format!("first page of 1,000,000 by {order}"), format!("{near:.1} µs"));
        for part in [2, 1] {
            let deep = runtime.block_on(behind(million, &first, 1_000_000 / part * 9 / 10))?;
            let far = runtime.block_on(time(million, &deep))?;
            let depth = 1_000_000 / part * 9 / 10;
            section.at_most(format!("behind {depth} devices, times that"), far / near, 1.5, "");
        }
    }
    Ok(section)
}

/// Microseconds, the median of many.
fn parse() -> Result<f64, String> {
    let one = "exchangeAccessState eq 'blocked' and startswith(deviceName,'iPhone') or \
               easActivationDateTime gt 2026-01-31T08:00:00.1234567-08:00 and model in ('A','B','C')";
    let mut text = one.to_owned();
    while text.len() + 4 + one.len() <= 1024 {
        text.push_str(" or ");
        text.push_str(one);
    }
    let name = " or contains(userDisplayName,'";
    text.push_str(&format!("{name}{}')", "x".repeat(1024 - text.len() - name.len() - 2)));
    assert_eq!(text.len(), 1024);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..20 {
            let parsed = filter::parse(black_box(&text), &MANAGED_DEVICE, CONTEXT, &[]);
            black_box(parsed.map_err(|error| error.to_string())?);
        }
        rounds.push(began.elapsed() / 20);
    }
    Ok(median(rounds))
}

async fn fill(store: &SqliteStore, count: u128) -> Result<(), String> {
    let (id, run) = (ConnectorId(Uuid::from_u128(2)), RunId(Uuid::from_u128(3)));
    let now = CONTEXT.now;
    let created =
        store.create_connector(TENANT, id, ConnectorDraft::default(), run, now, System.audit(TENANT));
    created.await.map_err(text)?;
    let until = now.after(Duration::from_secs(3600));
    let lease = store.lease_run(TENANT, id, "bench", now, until, 3).await.map_err(text)?;
    let lease = lease.ok_or("nothing to lease")?;
    store.begin_stage(&lease).await.map_err(text)?;
    for start in (0..count).step_by(500) {
        let rows = (start..(start + 500).min(count)).map(|number| device(number, count)).collect();
        store.stage(&lease, rows).await.map_err(text)?;
    }
    let end = StageEnd { remove_absent: true, cookie: None, observed: ConnectorChange::default(), now };
    store.apply_stage(&lease, end).await.map(drop).map_err(text)
}

fn device(number: u128, count: u128) -> StagedChange {
    // An odd factor mixes the numbers without a repetition.
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let shuffled = mixed >> 64;
    let age = (number * 1_000_000 / count) as u64;
    let observed = ObservedDevice {
        partnership: Uuid::from_u128(number),
        device_id: format!("DEV{number:08}"),
        model: Some(format!("Model {}", shuffled % 30)),
        operating_system: Some("iOS 18.1 22B83".to_owned()),
        friendly_name: Some(format!("Phone {:08}", shuffled % 10_000_000)),
        user_display_name: Some(format!("contoso.com/Staff/User {:08}", shuffled % 100_000_000)),
        access_state: Some(
            ["Allowed", "Allowed", "Blocked", "Quarantined"][(shuffled % 4) as usize].to_owned(),
        ),
        access_state_reason: Some("Global".to_owned()),
        // The newest tenth is less than a day old.
        first_sync: Some(CONTEXT.now.before(Duration::from_secs(age))),
        ..ObservedDevice::default()
    };
    StagedChange::Present(DeviceRow { id: DeviceId(Uuid::from_u128(mixed)), observed })
}

fn query(filter: Option<&str>, order: &str) -> Result<Query, String> {
    let given = format!("$orderby={order}");
    let options = options::parse(Some(&given), Purpose::List(CONTEXT), &MANAGED_DEVICE).map_err(text)?;
    let filter = filter.map(|text| filter::parse(text, &MANAGED_DEVICE, CONTEXT, &[])).transpose();
    let filter = filter.map_err(text)?.map(|parsed| parsed.filter);
    Ok(Query { filter, order: options.order, limit: PAGE, ..Query::default() })
}

/// The same query behind so many devices.
async fn behind(store: &SqliteStore, first: &Query, depth: u64) -> Result<Query, String> {
    let skipping = Query { skip: depth - 1, limit: 1, ..first.clone() };
    let page = store.devices(TENANT, &skipping).await.map_err(text)?;
    let last: &MobileDevice = page.items.last().ok_or("no device there")?;
    let keys = first.order.iter().map(|by| last.value(by.property).into_owned()).collect();
    Ok(Query { after: Some(After { keys, id: last.id.to_string() }), ..first.clone() })
}

/// Microseconds, the median of many.
async fn time(store: &SqliteStore, query: &Query) -> Result<f64, String> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        black_box(store.devices(TENANT, query).await.map_err(text)?);
        rounds.push(began.elapsed());
    }
    Ok(median(rounds))
}

fn median(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort_unstable();
    rounds.get(rounds.len() / 2).map_or(f64::NAN, |round| round.as_secs_f64() * 1e6)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
