//! What becomes of changes that come together.

use std::{fs, path::Path, sync::Arc, time::Duration};

use exconn_model::{
    AuditActor, AuditEntry, AuditId, Connector, ConnectorChange, ConnectorDraft, ConnectorId, RunId,
    SyncType, TenantId, Timestamp,
};
use exconn_store::{SqliteOptions, SqliteStore, Store, StoreError, SyncRequest};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
/// As many as share a commit.
const GROUP: usize = 64;

struct Scene {
    folder: TempDir,
    store: Arc<SqliteStore>,
}

fn id(number: usize) -> ConnectorId {
    ConnectorId(Uuid::from_u128(1000 + number as u128))
}

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000)
}

fn entry() -> AuditEntry {
    AuditEntry::new(AuditId(Uuid::from_u128(1)), TENANT, now(), AuditActor::Application)
}

impl Scene {
    fn new(options: SqliteOptions) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path(), options).unwrap());
        Self { folder, store }
    }

    fn create(&self, number: usize, name: &str) -> JoinHandle<Result<Connector, StoreError>> {
        let (store, name) = (self.store.clone(), name.to_owned());
        tokio::spawn(async move {
            let draft = ConnectorDraft { server_name: Some(name), ..ConnectorDraft::default() };
            let run = RunId(Uuid::from_u128(9_000_000 + number as u128));
            store.create_connector(TENANT, id(number), draft, run, now(), entry()).await
        })
    }

    fn rename(&self, number: usize, name: &str, expected: i64) -> JoinHandle<Result<Connector, StoreError>> {
        let change =
            ConnectorChange { server_name: Some(Some(name.to_owned())), ..ConnectorChange::default() };
        let store = self.store.clone();
        tokio::spawn(async move {
            store.update_connector(TENANT, id(number), change, Some(expected), entry()).await
        })
    }

    async fn count(&self) -> u64 {
        self.store.count_connectors(TENANT, None).await.unwrap()
    }

    /// Another program holds the database's lock: the writer waits, and what is asked for queues up behind it.
    fn hold(&self) -> Connection {
        let connection = Connection::open(self.folder.path().join("exconn.db")).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }
}

/// Lets every task of this thread come as far as it can by itself.
async fn all_have_asked() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// Commits in the write-ahead log since it was last begun anew (SQLite's file format, 4.1: a frame whose second word is
/// not 0 ends a transaction).
fn commits(folder: &Path) -> usize {
    let log = fs::read(folder.join("exconn.db-wal")).unwrap();
    let (header, frames) = log.split_at(32);
    let page = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
    let of_now = |frame: &&[u8]| frame[8..16] == header[16..24];
    frames.chunks_exact(24 + page).take_while(of_now).filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test]
async fn what_waits_together_is_one_commit() {
    let scene = Scene::new(SqliteOptions::default());
    let before = commits(scene.folder.path());
    let lock = scene.hold();
    let asked: Vec<_> = (0..GROUP).map(|number| scene.create(number, "ex01")).collect();
    all_have_asked().await;
    lock.execute_batch("ROLLBACK").unwrap();
    for (number, asked) in asked.into_iter().enumerate() {
        assert_eq!(asked.await.unwrap().unwrap().id, id(number));
    }
    assert_eq!(commits(scene.folder.path()) - before, 1);
    assert_eq!(scene.count().await, GROUP as u64);
}

#[tokio::test]
async fn a_group_has_a_bound_and_the_queue_has_one() {
    let scene = Scene::new(SqliteOptions::default());
    let before = commits(scene.folder.path());
    let lock = scene.hold();
    let asked: Vec<_> = (0..5 * GROUP).map(|number| scene.create(number, "ex01")).collect();
    all_have_asked().await;
    lock.execute_batch("ROLLBACK").unwrap();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    let commits = commits(scene.folder.path()) - before;
    assert!((5..5 * GROUP).contains(&commits), "{commits}");
    assert_eq!(scene.count().await, 5 * GROUP as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_need_fewer_commits_than_changes() {
    let scene = Arc::new(Scene::new(SqliteOptions::default()));
    let before = commits(scene.folder.path());
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let scene = scene.clone();
            tokio::spawn(async move {
                for number in 0..8 {
                    scene.create(writer * 8 + number, "ex01").await.unwrap().unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let commits = commits(scene.folder.path()) - before;
    assert!(commits < 128, "{commits}");
    assert_eq!(scene.count().await, 128);
}

#[tokio::test]
async fn one_that_is_refused_takes_nothing_from_the_others() {
    let scene = Scene::new(SqliteOptions::default());
    let made = scene.create(0, "before").await.unwrap().unwrap();
    let before = commits(scene.folder.path());
    let lock = scene.hold();
    let first = scene.create(1, "one");
    let renamed = scene.rename(0, "after", made.revision);
    let late = scene.rename(0, "too late", made.revision);
    let missing = scene.rename(77, "nobody", 1);
    // Its connector comes first and is undone with it when the run's id turns out to be taken.
    let half = {
        let (store, run) = (scene.store.clone(), RunId(Uuid::from_u128(9_000_001)));
        tokio::spawn(async move {
            store.create_connector(TENANT, id(2), ConnectorDraft::default(), run, now(), entry()).await
        })
    };
    let last = scene.create(3, "three");
    all_have_asked().await;
    lock.execute_batch("ROLLBACK").unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(renamed.await.unwrap().unwrap().server_name.as_deref(), Some("after"));
    assert!(matches!(late.await.unwrap(), Err(StoreError::RevisionMismatch)), "it sees what came before it");
    assert!(matches!(missing.await.unwrap(), Err(StoreError::NotFound)));
    assert!(matches!(half.await.unwrap(), Err(StoreError::Unavailable(_))));
    last.await.unwrap().unwrap();
    assert_eq!(commits(scene.folder.path()) - before, 1);
    assert!(matches!(scene.store.connector(TENANT, id(2)).await, Err(StoreError::NotFound)));
    assert_eq!(scene.count().await, 3);
    let stored = scene.store.connector(TENANT, id(0)).await.unwrap();
    assert_eq!((stored.server_name.as_deref(), stored.revision), (Some("after"), made.revision + 1));
}

#[tokio::test]
async fn one_for_which_the_disk_is_full_takes_nothing_from_the_others() {
    let scene = Scene::new(SqliteOptions { max_pages: Some(60), ..SqliteOptions::default() });
    let lock = scene.hold();
    let before: Vec<_> = (0..5).map(|number| scene.create(number, "small")).collect();
    let large = scene.create(5, &"x".repeat(1_000_000));
    let behind: Vec<_> = (6..10).map(|number| scene.create(number, "small")).collect();
    all_have_asked().await;
    lock.execute_batch("ROLLBACK").unwrap();
    for small in before.into_iter().chain(behind) {
        small.await.unwrap().unwrap();
    }
    assert!(matches!(large.await.unwrap(), Err(StoreError::Full(_))));
    assert_eq!(scene.count().await, 9);
    let Scene { folder, store } = scene;
    drop(store);
    let store = SqliteStore::open(folder.path(), SqliteOptions::default()).unwrap();
    assert_eq!(store.count_connectors(TENANT, None).await.unwrap(), 9, "they are on the disk");
}

#[tokio::test]
async fn a_disk_that_fills_up_keeps_what_was_acknowledged() {
    let scene = Scene::new(SqliteOptions { max_pages: Some(60), ..SqliteOptions::default() });
    let lock = scene.hold();
    let asked: Vec<_> = (0..GROUP).map(|number| scene.create(number, &"x".repeat(20_000))).collect();
    all_have_asked().await;
    lock.execute_batch("ROLLBACK").unwrap();
    let mut kept = Vec::new();
    for (number, asked) in asked.into_iter().enumerate() {
        match asked.await.unwrap() {
            Ok(connector) => kept.push(connector.id),
            Err(error) => assert!(matches!(error, StoreError::Full(_)), "{number}: {error:?}"),
        }
    }
    assert!((1..GROUP).contains(&kept.len()), "{}", kept.len());
    assert_eq!(scene.count().await, kept.len() as u64);
    for id in kept {
        scene.store.connector(TENANT, id).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_waits_for_a_lock_that_does_not_come_hears_of_it_together() {
    let scene = Scene::new(SqliteOptions::default());
    let lock = scene.hold();
    let asked: Vec<_> = (0..10).map(|number| scene.create(number, "ex01")).collect();
    let all = async {
        for asked in asked {
            assert!(matches!(asked.await.unwrap(), Err(StoreError::Unavailable(_))));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("one wait for all, not one for each");
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(scene.count().await, 0);
    scene.create(0, "ex01").await.unwrap().unwrap();
}

#[tokio::test]
async fn who_goes_away_before_the_turn_withdraws() {
    let scene = Scene::new(SqliteOptions::default());
    let lock = scene.hold();
    let first = scene.create(0, "stays");
    let gone = scene.create(1, "goes");
    let last = scene.create(2, "stays");
    all_have_asked().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    lock.execute_batch("ROLLBACK").unwrap();
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert!(matches!(scene.store.connector(TENANT, id(1)).await, Err(StoreError::NotFound)));
    assert_eq!(scene.count().await, 2);
}

#[tokio::test]
async fn changes_keep_their_order_around_one_that_is_alone() {
    let scene = Scene::new(SqliteOptions::default());
    let made = scene.create(0, "a").await.unwrap().unwrap();
    let lock = scene.hold();
    let renamed = scene.rename(0, "b", made.revision);
    let deleted = {
        let store = scene.store.clone();
        tokio::spawn(async move { store.delete_connector(TENANT, id(0), Some(2), now(), entry()).await })
    };
    let asked = {
        let store = scene.store.clone();
        let run = RunId(Uuid::from_u128(5));
        tokio::spawn(async move {
            let request = SyncRequest { kind: SyncType::Delta, run, expected: None, now: now() };
            store.request_sync(TENANT, id(0), request, Some(entry())).await
        })
    };
    all_have_asked().await;
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(renamed.await.unwrap().unwrap().revision, 2);
    deleted.await.unwrap().unwrap();
    assert!(matches!(asked.await.unwrap(), Err(StoreError::NotFound)));
}

#[tokio::test]
async fn the_first_of_a_group_may_be_refused_or_not_fit() {
    let scene = Scene::new(SqliteOptions { max_pages: Some(60), ..SqliteOptions::default() });
    let lock = scene.hold();
    let missing = scene.rename(77, "nobody", 1);
    let large = scene.create(5, &"x".repeat(1_000_000));
    let small: Vec<_> = (0..3).map(|number| scene.create(number, "small")).collect();
    all_have_asked().await;
    lock.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(missing.await.unwrap(), Err(StoreError::NotFound)));
    assert!(matches!(large.await.unwrap(), Err(StoreError::Full(_))));
    for small in small {
        small.await.unwrap().unwrap();
    }
    assert_eq!(scene.count().await, 3);
}
