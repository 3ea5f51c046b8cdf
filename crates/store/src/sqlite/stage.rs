//! What a run has found and not yet made the stored state.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use exconn_model::{SyncCounts, SyncRun};
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, ToSql, Transaction, params, params_from_iter,
};
use uuid::Uuid;

use super::{
    bulk, connectors,
    device_values::{Derived, Observed},
    devices::{self, DERIVED, OBSERVED},
    failure::{failed, refused},
    in_transaction,
    open::{self, STAGING, SqliteOptions},
    runs,
    statistics::AT_ONCE,
};
use crate::{DeviceRow, LeasedRun, StageEnd, StagedChange, StoreError};

/// How a staged partnership compares with the stored one; kept as a number.
const SAME: i64 = 0;
const ADDED: i64 = 1;
const CHANGED: i64 = 2;
/// Stored, and named as removed.
const REMOVED: i64 = 3;
/// Not stored, and named as removed.
const NEVER_STORED: i64 = 4;

/// The stage of one run: a database file of its own, attached to a connection of its own. Nothing in it outlives the
/// process, so it is written without a journal and without waiting for the disk.
pub(super) struct Stage {
    connection: Connection,
    file: PathBuf,
    run: SyncRun,
    counts: SyncCounts,
    statements: Statements,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("run", &self.run.id)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays behind is removed when the store is opened next.
        let _ = fs::remove_file(&self.file);
    }
}

impl Stage {
    pub(super) fn create(folder: &Path, options: &SqliteOptions, run: &SyncRun) -> Result<Self, StoreError> {
        let staging = folder.join(STAGING);
        fs::create_dir_all(&staging).map_err(refused)?;
        let file = staging.join(format!("{}-{}.db", run.id, run.attempt));
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        open::create_private(&file).map_err(refused)?;
        let connection = open::connect(folder, options)?;
        let path =
            file.to_str().ok_or_else(|| StoreError::Unavailable("the data directory is not UTF-8".into()))?;
        connection.execute("ATTACH ?1 AS stage", [path]).map_err(failed)?;
        connection
            .execute_batch(&format!(
                "PRAGMA stage.journal_mode = OFF; PRAGMA stage.synchronous = OFF; PRAGMA stage.cache_size = -{}; \
                 CREATE TABLE stage.found (partnership BLOB NOT NULL PRIMARY KEY, comparison INTEGER NOT NULL, id TEXT, \
                 has_mailbox INTEGER, {}, {}) WITHOUT ROWID;",
                options.cache_kib,
                OBSERVED.iter().skip(1).copied().collect::<Vec<_>>().join(", "),
                DERIVED.join(", "),
            ))
            .map_err(failed)?;
        Ok(Self {
            connection,
            file,
            run: run.clone(),
            counts: SyncCounts::default(),
            statements: Statements::new(),
        })
    }

    pub(super) fn add(&mut self, changes: &[StagedChange]) -> Result<SyncCounts, StoreError> {
        let mut counts = self.counts;
        let connector = self.run.connector.to_string();
        let tx = self.connection.transaction().map_err(failed)?;
        let mut stager = Stager::new(&tx, &connector, &self.statements)?;
        for change in changes {
            let (comparison, before) = match change {
                StagedChange::Present(row) => stager.present(row)?,
                StagedChange::Removed(partnership) => stager.removed(*partnership)?,
            };
            if let Some(before) = before {
                counters(&mut counts, before).into_iter().flatten().for_each(|counter| *counter -= 1);
            }
            counters(&mut counts, comparison).into_iter().flatten().for_each(|counter| *counter += 1);
        }
        drop(stager);
        tx.commit().map_err(failed)?;
        self.counts = counts;
        Ok(counts)
    }

    /// The counts, with what a complete listing would remove if `remove_absent`, and the number of stored devices.
    pub(super) fn outcome(&mut self, remove_absent: bool) -> Result<(SyncCounts, u64), StoreError> {
        let stored = devices::count_of(&self.connection, self.run.connector)?;
        let found_again = self.counts.seen - self.counts.added;
        let absent = stored.saturating_sub(found_again);
        let removed = if remove_absent { absent } else { self.counts.removed };
        Ok((SyncCounts { removed, ..self.counts }, stored))
    }

    pub(super) fn apply(&mut self, lease: &LeasedRun, end: StageEnd) -> Result<SyncCounts, StoreError> {
        let counts = if end.remove_absent { self.outcome(true)?.0 } else { self.counts };
        let run = &self.run;
        in_transaction(&mut self.connection, |tx| {
            runs::check_lease(tx, lease)?;
            runs::check_generation(tx, lease)?;
            let connector = run.connector.to_string();
            if counts.added > 0 {
                let aside = bulk::put_indexes_aside(tx)?;
                add(tx, run)?;
                bulk::put_indexes_back(tx, aside)?;
            }
            if counts.changed > 0 {
                change(tx, &connector)?;
            }
            if counts.removed > 0 {
                remove(tx, &connector, end.remove_absent)?;
            }
            if counts.added + counts.changed + counts.removed > 0 {
                tx.execute(
                    "UPDATE connector SET device_generation = device_generation + 1 WHERE id = ?1",
                    [&connector],
                )
                .map_err(failed)?;
            }
            runs::move_cookie(tx, lease, end.cookie.as_ref())?;
            connectors::update(tx, run.tenant, run.connector, end.observed)?;
            runs::succeed(tx, run, counts, end.now)
        })?;
        Ok(counts)
    }
}

/// The counters in which a partnership of this comparison is counted.
fn counters(counts: &mut SyncCounts, comparison: i64) -> [Option<&mut u64>; 2] {
    let SyncCounts { seen, added, changed, removed } = counts;
    match comparison {
        ADDED => [Some(seen), Some(added)],
        CHANGED => [Some(seen), Some(changed)],
        REMOVED => [Some(removed), None],
        NEVER_STORED => [None, None],
        _ => [Some(seen), None],
    }
}

/// The texts of the statements that stage a device.
struct Statements {
    compare: String,
    insert: String,
    replace: String,
}

impl Statements {
    fn new() -> Self {
        let same: Vec<String> = OBSERVED
            .iter()
            .enumerate()
            .skip(1)
            .map(|(at, column)| format!("{column} IS ?{}", at + 2))
            .collect();
        let columns = format!("{}, comparison, id, has_mailbox, {}", OBSERVED.join(", "), DERIVED.join(", "));
        let values: Vec<String> =
            (1..=OBSERVED.len() + 3 + DERIVED.len()).map(|at| format!("?{at}")).collect();
        let values = values.join(", ");
        Self {
            compare: format!(
                "SELECT {} FROM device WHERE connector_id = ?1 AND partnership = ?2",
                same.join(" AND ")
            ),
            insert: format!("INSERT OR IGNORE INTO stage.found ({columns}) VALUES ({values})"),
            replace: format!("INSERT OR REPLACE INTO stage.found ({columns}) VALUES ({values})"),
        }
    }
}

/// Stages changes within one transaction.
struct Stager<'a> {
    tx: &'a Transaction<'a>,
    connector: &'a str,
    compare: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    replace: &'a str,
}

impl<'a> Stager<'a> {
    fn new(
        tx: &'a Transaction<'a>,
        connector: &'a str,
        statements: &'a Statements,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            tx,
            connector,
            compare: tx.prepare_cached(&statements.compare).map_err(failed)?,
            insert: tx.prepare_cached(&statements.insert).map_err(failed)?,
            replace: &statements.replace,
        })
    }

    /// Stages a device; gives how it compares, and how the partnership compared if it was staged before.
    fn present(&mut self, row: &DeviceRow) -> Result<(i64, Option<i64>), StoreError> {
        let observed = Observed::of(&row.observed);
        let key: [&dyn ToSql; 1] = [&self.connector];
        let values = params_from_iter(key.into_iter().chain(observed.all()));
        let same: Option<bool> =
            self.compare.query_row(values, |row| row.get(0)).optional().map_err(failed)?;
        let comparison = match same {
            None => ADDED,
            Some(false) => CHANGED,
            Some(true) => SAME,
        };
        let (id, has_mailbox) = (row.id.to_string(), row.observed.mailbox().is_some());
        let derived = Derived::of(&row.observed);
        let about: [&dyn ToSql; 3] = [&comparison, &id, &has_mailbox];
        let values: Vec<&dyn ToSql> = observed.all().into_iter().chain(about).chain(derived.all()).collect();
        if self.insert.execute(values.as_slice()).map_err(failed)? == 1 {
            return Ok((comparison, None));
        }
        let before = self.staged(row.observed.partnership)?;
        self.tx
            .prepare_cached(self.replace)
            .and_then(|mut statement| statement.execute(values.as_slice()))
            .map_err(failed)?;
        Ok((comparison, before))
    }

    /// Stages that a partnership is gone; gives the same as [`Self::present`].
    fn removed(&mut self, partnership: Uuid) -> Result<(i64, Option<i64>), StoreError> {
        let is_stored: bool = self
            .tx
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM device WHERE connector_id = ?1 AND partnership = ?2)",
            )
            .and_then(|mut statement| {
                statement.query_row(params![self.connector, partnership.as_bytes()], |row| row.get(0))
            })
            .map_err(failed)?;
        let comparison = if is_stored { REMOVED } else { NEVER_STORED };
        let before = self.staged(partnership)?;
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO stage.found (partnership, comparison) VALUES (?1, ?2)")
            .and_then(|mut statement| statement.execute(params![partnership.as_bytes(), comparison]))
            .map_err(failed)?;
        Ok((comparison, before))
    }

    /// How a staged partnership compared.
    fn staged(&self, partnership: Uuid) -> Result<Option<i64>, StoreError> {
        self.tx
            .prepare_cached("SELECT comparison FROM stage.found WHERE partnership = ?1")
            .and_then(|mut statement| statement.query_row([partnership.as_bytes()], |row| row.get(0)))
            .optional()
            .map_err(failed)
    }
}

/// Stores what is new.
fn add(tx: &Transaction<'_>, run: &SyncRun) -> Result<(), StoreError> {
    let columns = format!("id, {}, {}", OBSERVED.join(", "), DERIVED.join(", "));
    tx.execute(
        &format!(
            "INSERT INTO device (connector_id, tenant_id, statistics_due, {columns}) \
             SELECT ?1, ?2, CASE WHEN has_mailbox THEN {AT_ONCE} END, {columns} FROM stage.found \
             WHERE comparison = {ADDED}"
        ),
        params![run.connector.to_string(), run.tenant.to_string()],
    )
    .map_err(failed)?;
    Ok(())
}

/// Stores what is different. The access that a mailbox told stays newer until a listing brings another one.
fn change(tx: &Transaction<'_>, connector: &str) -> Result<(), StoreError> {
    const SAME_ACCESS: &str = "device.access_state IS found.access_state \
        AND device.access_state_reason IS found.access_state_reason";
    let plain = OBSERVED.iter().skip(1).chain(&DERIVED).filter(|column| !ACCESS.contains(*column));
    let plain = plain.map(|column| format!("{column} = found.{column}"));
    let access = ACCESS.iter().map(|column| {
        format!("{column} = CASE WHEN {SAME_ACCESS} THEN device.{column} ELSE found.{column} END")
    });
    let newer = NEWER_ACCESS
        .iter()
        .map(|column| format!("{column} = CASE WHEN {SAME_ACCESS} THEN device.{column} END"));
    let set: Vec<String> = plain.chain(access).chain(newer).collect();
    tx.execute(
        &format!(
            "UPDATE device SET {}, statistics_failures = 0, \
             statistics_due = CASE WHEN has_mailbox THEN {AT_ONCE} END \
             FROM stage.found AS found WHERE found.comparison = {CHANGED} \
             AND device.connector_id = ?1 AND device.partnership = found.partnership",
            set.join(", ")
        ),
        [connector],
    )
    .map_err(failed)?;
    Ok(())
}

/// What the Graph shows of a device's access.
const ACCESS: [&str; 2] = ["graph_access_state", "graph_access_state_reason"];
/// What its mailbox said of it.
const NEWER_ACCESS: [&str; 2] = ["newer_access_state", "newer_access_state_reason"];

/// Removes what was named as removed, and with it what was not named if the listing is complete.
fn remove(tx: &Transaction<'_>, connector: &str, remove_absent: bool) -> Result<(), StoreError> {
    let gone = if remove_absent {
        format!(
            "NOT EXISTS (SELECT 1 FROM stage.found AS found WHERE found.partnership = device.partnership \
             AND found.comparison IN ({SAME}, {ADDED}, {CHANGED}))"
        )
    } else {
        format!("partnership IN (SELECT partnership FROM stage.found WHERE comparison = {REMOVED})")
    };
    tx.execute(&format!("DELETE FROM device WHERE connector_id = ?1 AND {gone}"), [connector])
        .map_err(failed)?;
    Ok(())
}
