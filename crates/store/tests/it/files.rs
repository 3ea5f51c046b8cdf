//! What becomes of SQLite's files.

use std::{fs, path::Path, time::Duration};

use exconn_model::{
    AuditActor, AuditEntry, AuditId, ConnectorDraft, ConnectorId, ObservedDevice, RunId, SyncCounts,
    SyncType, TenantId, Timestamp,
};
use exconn_odata::query::Query;
use exconn_store::{
    DeviceRow, LeasedRun, RunPatch, SqliteOptions, SqliteStore, StagedChange, Store, StoreError,
};
use tempfile::TempDir;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const OTHER: TenantId = TenantId(Uuid::from_u128(2));
const ID: ConnectorId = ConnectorId(Uuid::from_u128(10));

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000)
}

fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder, SqliteOptions::default())
}

async fn create(store: &SqliteStore, id: ConnectorId) -> Result<(), StoreError> {
    let run = RunId(Uuid::from_u128(id.0.as_u128() + 1_000_000));
    let text = "x".repeat(1000);
    let draft = ConnectorDraft { server_name: Some(text), ..ConnectorDraft::default() };
    let entry = AuditEntry::new(AuditId(run.0), TENANT, now(), AuditActor::Application);
    store.create_connector(TENANT, id, draft, run, now(), entry).await.map(drop)
}

async fn lease(store: &SqliteStore) -> Option<LeasedRun> {
    store.lease_run(TENANT, ID, "me", now(), now().after(Duration::from_secs(30)), 5).await.unwrap()
}

#[tokio::test]
async fn everything_is_there_when_it_is_opened_again() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    create(&store, ID).await.unwrap();
    let first = lease(&store).await.unwrap();
    store.begin_stage(&first).await.unwrap();
    assert_eq!(fs::read_dir(folder.path().join("staging")).unwrap().count(), 1);
    assert!(lease(&store).await.is_none());
    // As a killed process would, it leaves the run running and the stage behind.
    std::mem::drop(store);
    let store = open(folder.path()).unwrap();
    assert!(!folder.path().join("staging").exists());
    let again = lease(&store).await.unwrap();
    assert_eq!((again.run.id, again.run.attempt), (first.run.id, 2), "nobody else can hold it");
    assert!(matches!(store.begin_stage(&first).await, Err(StoreError::LeaseLost)));
    assert!(store.size().await.unwrap() > 0);
}

#[tokio::test]
async fn what_was_staged_goes_with_the_lease() {
    for renews in [false, true] {
        let folder = TempDir::new().unwrap();
        let store = open(folder.path()).unwrap();
        let staged = || fs::read_dir(folder.path().join("staging")).unwrap().count();
        create(&store, ID).await.unwrap();
        let lost = lease(&store).await.unwrap();
        store.begin_stage(&lost).await.unwrap();
        assert_eq!(staged(), 1);
        let entry = AuditEntry::new(AuditId(ID.0), TENANT, now(), AuditActor::Application);
        store.delete_connector(TENANT, ID, None, now(), entry).await.unwrap();
        let told = if renews {
            let patch = RunPatch { now: now(), until: now(), counts: SyncCounts::default() };
            store.renew(&lost, patch).await
        } else {
            store.stage(&lost, Vec::new()).await.map(drop)
        };
        assert!(matches!(told, Err(StoreError::LeaseLost)));
        assert_eq!(staged(), 0, "its owner does not come back");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    create(&store, ID).await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::InUse)));
    drop(store);
    open(folder.path()).unwrap();
}

#[test]
fn what_is_not_ours_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("exconn.db");
    let text = "no database at all, but more than the hundred bytes of a header. ".repeat(100);
    fs::write(&database, &text).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Corrupt(_))));
    assert_eq!(fs::read_to_string(&database).unwrap(), text);

    fs::remove_file(&database).unwrap();
    let other = rusqlite::Connection::open(&database).unwrap();
    other.execute_batch("PRAGMA application_id = 77; CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    drop(other);
    let before = fs::read(&database).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Corrupt(_))));
    assert_eq!(fs::read(&database).unwrap(), before);

    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    assert!(open(folder.path()).is_err());
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    let connection = rusqlite::Connection::open(folder.path().join("exconn.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(open(folder.path()), Err(StoreError::NewerSchema { found: 99, known: 4 })));
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let options = SqliteOptions { max_pages: Some(60), ..SqliteOptions::default() };
    let store = SqliteStore::open(folder.path(), options).unwrap();
    let mut kept = 0;
    let error = loop {
        match create(&store, ConnectorId(Uuid::from_u128(100 + kept))).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "the bound does not bite");
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    assert!(kept > 3);
    assert_eq!(store.count_connectors(TENANT, None).await.unwrap(), kept as u64, "reading goes on");
    drop(store);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.count_connectors(TENANT, None).await.unwrap(), kept as u64);
    create(&store, ID).await.unwrap();
}

#[tokio::test]
async fn a_sync_that_does_not_fit_on_the_disk_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let options = SqliteOptions { max_pages: Some(80), ..SqliteOptions::default() };
    let store = SqliteStore::open(folder.path(), options).unwrap();
    create(&store, ID).await.unwrap();
    let lease = lease(&store).await.unwrap();
    let row = |number: u128| DeviceRow {
        id: exconn_model::DeviceId(Uuid::from_u128(number)),
        observed: ObservedDevice {
            partnership: Uuid::from_u128(number),
            device_id: format!("D{number}"),
            user_agent: Some("u".repeat(500)),
            ..ObservedDevice::default()
        },
    };
    let staged = async {
        store.begin_stage(&lease).await?;
        store.stage(&lease, (1..2000).map(row).map(StagedChange::from).collect()).await?;
        let end = exconn_store::StageEnd {
            remove_absent: true,
            cookie: None,
            observed: Default::default(),
            now: now(),
        };
        store.apply_stage(&lease, end).await
    };
    assert!(matches!(staged.await, Err(StoreError::Full(_))));
    assert_eq!(store.count_devices(TENANT, None).await.unwrap(), 0);
    let run = store.run(TENANT, lease.run.id).await.unwrap();
    assert_eq!((run.kind, run.state.is_open()), (SyncType::Full, true), "it can be taken up again");
}

#[tokio::test]
async fn devices_of_the_first_schema_are_kept() {
    let folder = TempDir::new().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("exconn.db")).unwrap();
    old.execute_batch(include_str!("../../src/sqlite/migrations/0001_initial.sql")).unwrap();
    old.pragma_update(None, "application_id", 0x6578_636f).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    for number in 1..=3_u128 {
        let (id, partnership) = (Uuid::from_u128(number), Uuid::from_u128(number + 100));
        let columns = "connector_id, partnership, tenant_id, id, device_id, model, first_sync, changed, graph_name, \
             graph_access_state, graph_access_state_reason";
        let values = "?1, ?2, ?3, ?4, 'D' || ?5, 'Model', ?5, ?5, 'Phone ' || ?5, 2, 2";
        old.execute(
            &format!("INSERT INTO device ({columns}) VALUES ({values})"),
            (ID.to_string(), partnership.as_bytes(), TENANT.to_string(), id.to_string(), number as i64),
        )
        .unwrap();
    }
    drop(old);
    let store = open(folder.path()).unwrap();
    let query = exconn_odata::query::Query { limit: 10, ..Default::default() };
    let devices = store.devices(TENANT, &query).await.unwrap().items;
    let expected = (1..=3_u128).map(|number| exconn_model::MobileDevice {
        id: exconn_model::DeviceId(Uuid::from_u128(number)),
        connector: ID,
        observed: ObservedDevice {
            partnership: Uuid::from_u128(number + 100),
            device_id: format!("D{number}"),
            model: Some("Model".to_owned()),
            first_sync: Some(Timestamp::from_ticks(number as i64)),
            changed: Some(Timestamp::from_ticks(number as i64)),
            ..ObservedDevice::default()
        },
        statistics: None,
    });
    assert_eq!(devices, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn what_an_older_version_stored_is_kept_and_asked_for_statistics() {
    let folder = TempDir::new().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("exconn.db")).unwrap();
    for migration in [
        include_str!("../../src/sqlite/migrations/0001_initial.sql"),
        include_str!("../../src/sqlite/migrations/0002_query_indexes.sql"),
        include_str!("../../src/sqlite/migrations/0003_applications_and_audit.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    old.pragma_update(None, "application_id", 0x6578_636f).unwrap();
    old.pragma_update(None, "user_version", 3).unwrap();
    old.execute(
        "INSERT INTO connector (id, tenant_id, last_sync, status, connector_type, revision, fence, device_generation) \
         VALUES (?1, ?2, 5, 3, 1, 7, 2, 1)",
        (ID.to_string(), TENANT.to_string()),
    )
    .unwrap();
    let identities = [
        Some("contoso.com/Staff/Lee, Ann/ExchangeActiveSyncDevices/iPhone§1"),
        Some(r"Lila\exchangeactivesyncdevices\REST§2"),
        Some("/ExchangeActiveSyncDevices/a"),
        Some("contoso.com/Staff/iPhone§A"),
        None,
    ];
    for (number, identity) in (1_u128..).zip(identities) {
        let columns = "connector_id, partnership, tenant_id, id, device_id, identity, graph_access_state, \
             graph_access_state_reason";
        old.execute(
            &format!("INSERT INTO device ({columns}) VALUES (?1, ?2, ?3, ?4, 'D', ?5, 2, 2)"),
            (
                ID.to_string(),
                Uuid::from_u128(number).as_bytes(),
                TENANT.to_string(),
                Uuid::from_u128(number + 100).to_string(),
                identity,
            ),
        )
        .unwrap();
    }
    drop(old);
    for _ in 0..2 {
        let store = open(folder.path()).unwrap();
        assert_eq!(store.connector(TENANT, ID).await.unwrap().revision, 7);
        let query = Query { limit: 10, ..Query::default() };
        let devices = store.devices(TENANT, &query).await.unwrap().items;
        assert_eq!(devices.len(), 5);
        assert!(devices.iter().all(|device| device.statistics.is_none()));
        let due = store.due_statistics(TENANT, ID, now(), 10).await.unwrap();
        let mailboxes: Vec<&str> = due.iter().map(|due| due.mailbox.as_str()).collect();
        assert_eq!(mailboxes, ["contoso.com/Staff/Lee, Ann", "Lila"]);
        let lease = lease(&store).await;
        assert_eq!(lease, None);
    }
    let store = open(folder.path()).unwrap();
    let run = RunId(Uuid::from_u128(1));
    let request = exconn_store::SyncRequest { kind: SyncType::Delta, run, expected: None, now: now() };
    store.request_sync(TENANT, ID, request, None).await.unwrap();
    assert_eq!(lease(&store).await.unwrap().cookie, None, "the first delta looks at everything");
}

#[tokio::test]
async fn the_audit_keeps_the_newest_entries() {
    let folder = TempDir::new().unwrap();
    let entries = |from: u128, to: u128| -> Vec<AuditEntry> {
        let one =
            |number| AuditEntry::new(AuditId(Uuid::from_u128(number)), TENANT, now(), AuditActor::Unknown);
        (from..to).map(one).collect()
    };
    let ids = |store: SqliteStore| async move {
        let query = Query { limit: 1000, ..Query::default() };
        let page = store.audit(TENANT, &query).await.unwrap();
        page.items.into_iter().map(|entry| entry.id.0.as_u128()).collect::<Vec<_>>()
    };
    let keep = |audit_entries| SqliteOptions { audit_entries, ..SqliteOptions::default() };
    let store = SqliteStore::open(folder.path(), keep(300)).unwrap();
    store.record(entries(0, 500)).await.unwrap();
    assert_eq!(store.count_audit(TENANT, None).await.unwrap(), 300);
    // Neither do they push out changes, nor another tenant's entries.
    let run = Uuid::from_u128(7);
    let change = AuditEntry::new(AuditId(run), TENANT, now(), AuditActor::Application);
    let draft = ConnectorDraft::default();
    store.create_connector(TENANT, ConnectorId(run), draft, RunId(run), now(), change).await.unwrap();
    let elsewhere = AuditEntry::new(AuditId(Uuid::from_u128(8)), TENANT, now(), AuditActor::Application);
    store.record_change(elsewhere).await.unwrap();
    let theirs = entries(9, 10).into_iter().map(|entry| AuditEntry { tenant: OTHER, ..entry });
    store.record(theirs.collect()).await.unwrap();
    store.record(entries(500, 1000)).await.unwrap();
    assert_eq!(store.count_audit(OTHER, None).await.unwrap(), 1);
    assert_eq!(ids(store).await, [7, 8].into_iter().chain(700..1000).collect::<Vec<_>>());
    // A lowered bound is reached step by step.
    let store = SqliteStore::open(folder.path(), keep(10)).unwrap();
    store.record(entries(1000, 1001)).await.unwrap();
    store.record(entries(1001, 1005)).await.unwrap();
    assert_eq!(ids(store).await, [7, 8].into_iter().chain(995..1005).collect::<Vec<_>>());
}
