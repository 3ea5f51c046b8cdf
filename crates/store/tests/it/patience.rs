//! Queries that take too long, and queries that nobody waits for any more.

use std::time::Duration;

use exconn_model::{
    AUDIT_ENTRY, ApplicationId, AuditActor, AuditEntry, AuditId, ConnectorId, TenantId, Timestamp,
};
use exconn_odata::{
    filter::{self, Context},
    query::Query,
};
use exconn_store::{SqliteOptions, SqliteStore, Store, StoreError};
use tempfile::TempDir;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const ENTRIES: u128 = 10_000;

/// A store that runs one query at a time, and a query over it that takes very long.
async fn slow(folder: &TempDir, query_patience: Duration) -> (SqliteStore, Query) {
    let options = SqliteOptions { readers: 1, query_patience, ..SqliteOptions::default() };
    let store = SqliteStore::open(folder.path(), options).unwrap();
    let entry = |number| AuditEntry {
        resource: Some("/".repeat(4000)),
        ..AuditEntry::new(AuditId(Uuid::from_u128(number)), TENANT, Timestamp::UNSET, AuditActor::Unknown)
    };
    store.record((0..ENTRIES).map(entry).collect()).await.unwrap();
    let long = "concat(concat(resource,resource),concat(resource,resource))";
    let condition = vec![format!("contains(tolower(toupper({long})),'x')"); 40].join(" or ");
    let context = Context { now: Timestamp::UNSET, unknown_members: false };
    let filter = filter::parse(&condition, &AUDIT_ENTRY, context, &[]).unwrap().filter;
    (store, Query { filter: Some(filter), limit: 10, ..Query::default() })
}

async fn answers_at_once(store: &SqliteStore) {
    let one = Query { limit: 1, ..Query::default() };
    assert_eq!(store.audit(TENANT, &one).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_ended() {
    let folder = TempDir::new().unwrap();
    let (store, slow) = slow(&folder, Duration::from_millis(500)).await;
    assert!(matches!(store.audit(TENANT, &slow).await, Err(StoreError::TooSlow)));
    answers_at_once(&store).await;
}

#[tokio::test]
async fn a_query_ends_when_nobody_waits_for_it() {
    let folder = TempDir::new().unwrap();
    let (store, slow) = slow(&folder, Duration::from_secs(600)).await;
    let waited = tokio::time::timeout(Duration::from_millis(200), store.audit(TENANT, &slow)).await;
    assert!(waited.is_err(), "it was not slow");
    // Only one query can run at a time here, and whoever waits for its turn gives up after five seconds.
    answers_at_once(&store).await;
}

#[tokio::test]
async fn look_ups_do_not_wait_for_slow_queries() {
    let folder = TempDir::new().unwrap();
    let (store, slow) = slow(&folder, Duration::from_secs(600)).await;
    let slow_ones =
        async { tokio::join!(store.audit(TENANT, &slow), store.count_audit(TENANT, slow.filter.as_ref())) };
    let look_ups = async {
        assert!(matches!(
            store.application(TENANT, ApplicationId(Uuid::nil())).await,
            Err(StoreError::NotFound)
        ));
        let connector = ConnectorId(Uuid::nil());
        assert!(matches!(store.sync_history(TENANT, connector).await, Err(StoreError::NotFound)));
        store.ping().await.unwrap();
    };
    tokio::select! {
        biased;
        _ = slow_ones => panic!("they were not slow"),
        () = look_ups => {}
    }
}
