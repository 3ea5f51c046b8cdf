//! Files, settings and schema.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Transaction};

use super::{
    failure::{failed, refused},
    in_transaction, query,
};
use crate::StoreError;

pub(super) const DATABASE: &str = "exconn.db";
const LOCK: &str = "exconn.lock";
pub(super) const STAGING: &str = "staging";
/// `exco` in ASCII: marks the file as ours (`PRAGMA application_id`).
const APPLICATION: i64 = 0x6578_636f;
/// One file for each version of the schema, in order. A released one never changes.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_query_indexes.sql"),
    include_str!("migrations/0003_applications_and_audit.sql"),
    include_str!("migrations/0004_change_feed.sql"),
];
const PAGE_BYTES: u32 = 8192;
/// Counting a million devices by conditions that no index serves takes a second or two.
const QUERY_PATIENCE: Duration = Duration::from_secs(15);
const BUSY: Duration = Duration::from_secs(5);

/// How to open the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Queries that may run at the same time, at least one, each on a connection of its own. One more connection serves
    /// short look-ups alone.
    pub readers: usize,
    /// Memory for cached pages of one connection, in KiB.
    pub cache_kib: u32,
    /// The most pages of 8 KiB that the database may have; no bound but SQLite's where absent.
    pub max_pages: Option<u32>,
    /// The newest entries of the audit that are kept of each tenant's changes, and as many of its refusals and sign-ins;
    /// older ones go as new ones come.
    pub audit_entries: u64,
    /// A query may take so long before it is ended with [`StoreError::TooSlow`].
    pub query_patience: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 3,
            cache_kib: 768,
            max_pages: None,
            audit_entries: 100_000,
            query_patience: QUERY_PATIENCE,
        }
    }
}

/// Takes the data directory for this process alone. The lock ends with the file, so a killed process leaves none behind.
pub(super) fn lock(directory: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    private(&mut options);
    let file = options.open(directory.join(LOCK)).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

/// Opens the connection that writes; creates the database and brings it up to date.
pub(super) fn writer(directory: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    create_private(&directory.join(DATABASE)).map_err(refused)?;
    let mut connection = connect(directory, options)?;
    set_up(&connection)?;
    migrate(&mut connection)?;
    in_transaction(&mut connection, |tx| {
        // This process holds the directory alone: whoever leased these runs is gone.
        tx.execute("UPDATE run SET lease_until = requested_at WHERE state = 'running'", [])
            .map_err(failed)?;
        Ok(())
    })?;
    clear_staging(directory).map_err(refused)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn reader(directory: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let connection = connect(directory, options)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    Ok(connection)
}

/// Opens any connection to the database.
pub(super) fn connect(directory: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(directory.join(DATABASE), flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    query::register(&connection).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kib)).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "mmap_size", 0).map_err(failed)?;
    expect_setting(&connection, "synchronous", "2")?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages).map_err(failed)?;
    }
    Ok(connection)
}

fn set_up(connection: &Connection) -> Result<(), StoreError> {
    let application: i64 = pragma(connection, "application_id")?.parse().unwrap_or(0);
    let version: u32 = pragma(connection, "user_version")?.parse().unwrap_or(0);
    if application != APPLICATION && (application != 0 || version != 0) {
        return Err(StoreError::Corrupt("the file is a database of another program".into()));
    }
    // Half as many frames as with the default of 4 KiB, and so half the index that a large transaction needs in memory.
    connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(failed)?;
    // Reading it back matters: on some file systems SQLite answers with another mode, and durability would be gone.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    expect_setting(connection, "journal_mode", "wal")?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024).map_err(failed)?;
    connection.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> Result<String, StoreError> {
    let read = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
    let value = connection.pragma_query_value(None, name, read).map_err(failed)?;
    Ok(match value {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        _ => String::new(),
    })
}

fn expect_setting(connection: &Connection, name: &str, wanted: &str) -> Result<(), StoreError> {
    let found = pragma(connection, name)?;
    if found == wanted {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!("SQLite's {name} is {found} where {wanted} was asked for").into()))
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as u32;
    let found: u32 = pragma(connection, "user_version")?.parse().unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (version, migration) in (1..).zip(MIGRATIONS).skip(found as usize) {
        in_transaction(connection, |tx: &Transaction<'_>| {
            tx.execute_batch(migration).map_err(failed)?;
            tx.pragma_update(None, "user_version", version).map_err(failed)
        })?;
        tracing::info!(version, "brought the database's schema up to date");
    }
    Ok(())
}

/// Removes what earlier processes staged and never applied.
fn clear_staging(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory.join(STAGING)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Creates a file that only its owner can read, unless it exists.
pub(super) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    private(&mut options);
    options.open(path).map(drop)
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}
