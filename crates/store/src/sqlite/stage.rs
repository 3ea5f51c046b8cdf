//! What a run has found and not yet made the stored state.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use exconn_model::{GraphEnum, ObservedDevice, SyncCounts, SyncRun, Timestamp};
use rusqlite::{Connection, OptionalExtension, ToSql, params, params_from_iter};

use super::{
    bulk, connectors,
    devices::{self, DERIVED, OBSERVED},
    failure::{failed, refused},
    in_transaction,
    open::{self, STAGING, SqliteOptions},
    runs,
};
use crate::{DeviceRow, LeasedRun, StageEnd, StoreError};

/// How a staged device compares with the stored one; kept as a number.
const SAME: i64 = 0;
const ADDED: i64 = 1;
const CHANGED: i64 = 2;

/// The stage of one run: a database file of its own, attached to a connection of its own. Nothing in it outlives the
/// process, so it is written without a journal and without waiting for the disk.
pub(super) struct Stage {
    connection: Connection,
    file: PathBuf,
    run: SyncRun,
    counts: SyncCounts,
    compare: String,
    insert: String,
    replace: String,
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
        let file = staging.join(format!("{}.db", run.id));
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
                 {}, {}) WITHOUT ROWID;",
                options.cache_kib,
                OBSERVED.iter().skip(1).copied().collect::<Vec<_>>().join(", "),
                DERIVED.join(", "),
            ))
            .map_err(failed)?;
        let same: Vec<String> = OBSERVED
            .iter()
            .enumerate()
            .skip(1)
            .map(|(at, column)| format!("{column} IS ?{}", at + 2))
            .collect();
        let compare =
            format!("SELECT {} FROM device WHERE connector_id = ?1 AND partnership = ?2", same.join(" AND "));
        let columns = format!("{}, comparison, id, {}", OBSERVED.join(", "), DERIVED.join(", "));
        let values: Vec<String> =
            (1..=OBSERVED.len() + 2 + DERIVED.len()).map(|at| format!("?{at}")).collect();
        let values = values.join(", ");
        Ok(Self {
            connection,
            file,
            run: run.clone(),
            counts: SyncCounts::default(),
            compare,
            insert: format!("INSERT OR IGNORE INTO stage.found ({columns}) VALUES ({values})"),
            replace: format!("INSERT OR REPLACE INTO stage.found ({columns}) VALUES ({values})"),
        })
    }

    pub(super) fn add(&mut self, devices: &[DeviceRow]) -> Result<SyncCounts, StoreError> {
        let mut counts = self.counts;
        let connector = self.run.connector.to_string();
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let mut compare = transaction.prepare_cached(&self.compare).map_err(failed)?;
            let mut insert = transaction.prepare_cached(&self.insert).map_err(failed)?;
            for DeviceRow { id, observed } in devices {
                let observed_values = Observed::of(observed);
                let key: [&dyn ToSql; 1] = [&connector];
                let same: Option<bool> = compare
                    .query_row(params_from_iter(key.into_iter().chain(observed_values.all())), |row| {
                        row.get(0)
                    })
                    .optional()
                    .map_err(failed)?;
                let comparison = match same {
                    None => ADDED,
                    Some(false) => CHANGED,
                    Some(true) => SAME,
                };
                let id = id.to_string();
                let derived = Derived::of(observed);
                let about: [&dyn ToSql; 2] = [&comparison, &id];
                let row: Vec<&dyn ToSql> =
                    observed_values.all().into_iter().chain(about).chain(derived.all()).collect();
                if insert.execute(row.as_slice()).map_err(failed)? == 1 {
                    counts.seen += 1;
                } else {
                    let before: i64 = transaction
                        .query_row(
                            "SELECT comparison FROM stage.found WHERE partnership = ?1",
                            params![observed.partnership.as_bytes()],
                            |row| row.get(0),
                        )
                        .map_err(failed)?;
                    transaction.execute(&self.replace, row.as_slice()).map_err(failed)?;
                    counts.changed -= u64::from(before == CHANGED);
                    counts.added -= u64::from(before == ADDED);
                }
                counts.changed += u64::from(comparison == CHANGED);
                counts.added += u64::from(comparison == ADDED);
            }
        }
        transaction.commit().map_err(failed)?;
        self.counts = counts;
        Ok(counts)
    }

    /// The counts with what a complete listing would remove, and the number of stored devices.
    pub(super) fn outcome(&mut self) -> Result<(SyncCounts, u64), StoreError> {
        let stored = devices::count_of(&self.connection, self.run.connector)?;
        let found_again = self.counts.seen - self.counts.added;
        Ok((SyncCounts { removed: stored.saturating_sub(found_again), ..self.counts }, stored))
    }

    pub(super) fn apply(&mut self, lease: &LeasedRun, end: StageEnd) -> Result<SyncCounts, StoreError> {
        let (with_removed, _) = self.outcome()?;
        let counts = if end.remove_absent { with_removed } else { self.counts };
        let (run, observed) = (&self.run, OBSERVED.join(", "));
        let derived = DERIVED.join(", ");
        in_transaction(&mut self.connection, |tx| {
            runs::check_lease(tx, lease)?;
            runs::check_generation(tx, lease)?;
            let connector = run.connector.to_string();
            if counts.added > 0 {
                let aside = bulk::put_indexes_aside(tx)?;
                tx.execute(
                    &format!(
                        "INSERT INTO device (connector_id, tenant_id, id, {observed}, {derived}) \
                         SELECT ?1, ?2, id, {observed}, {derived} FROM stage.found WHERE comparison = {ADDED}"
                    ),
                    params![connector, run.tenant.to_string()],
                )
                .map_err(failed)?;
                bulk::put_indexes_back(tx, aside)?;
            }
            if counts.changed > 0 {
                let set: Vec<String> =
                    OBSERVED.iter().skip(1).chain(&DERIVED).map(|c| format!("{c} = found.{c}")).collect();
                tx.execute(
                    &format!(
                        "UPDATE device SET {} FROM stage.found AS found WHERE found.comparison = {CHANGED} \
                         AND device.connector_id = ?1 AND device.partnership = found.partnership",
                        set.join(", ")
                    ),
                    [&connector],
                )
                .map_err(failed)?;
            }
            if counts.removed > 0 {
                tx.execute(
                    "DELETE FROM device WHERE connector_id = ?1 AND NOT EXISTS \
                     (SELECT 1 FROM stage.found AS found WHERE found.partnership = device.partnership)",
                    [&connector],
                )
                .map_err(failed)?;
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
            runs::succeed(tx, run.id, counts, end.now)
        })?;
        Ok(counts)
    }
}

/// The values of [`OBSERVED`].
struct Observed<'a> {
    partnership: &'a [u8; 16],
    device_id: &'a str,
    texts: [&'a Option<String>; 15],
    moments: [Option<i64>; 3],
}

impl<'a> Observed<'a> {
    fn of(device: &'a ObservedDevice) -> Self {
        Self {
            partnership: device.partnership.as_bytes(),
            device_id: &device.device_id,
            texts: [
                &device.device_type,
                &device.model,
                &device.operating_system,
                &device.friendly_name,
                &device.imei,
                &device.mobile_operator,
                &device.telephone_number,
                &device.user_agent,
                &device.user_display_name,
                &device.identity,
                &device.access_state,
                &device.access_state_reason,
                &device.access_rule,
                &device.client_type,
                &device.client_version,
            ],
            moments: [device.first_sync, device.created, device.changed]
                .map(|moment| moment.map(Timestamp::ticks)),
        }
    }

    fn all(&self) -> impl IntoIterator<Item = &dyn ToSql> {
        let first: [&dyn ToSql; 2] = [&self.partnership, &self.device_id];
        let texts = self.texts.iter().map(|text| text as &dyn ToSql);
        let moments = self.moments.iter().map(|moment| moment as &dyn ToSql);
        first.into_iter().chain(texts).chain(moments)
    }
}

/// The values of [`DERIVED`].
struct Derived<'a> {
    texts: [Option<&'a str>; 4],
    numbers: [i32; 2],
}

impl<'a> Derived<'a> {
    fn of(device: &'a ObservedDevice) -> Self {
        let (system, version) = device.split_operating_system();
        Self {
            texts: [device.device_name(), system, version, device.mailbox_name()],
            numbers: [device.graph_access_state().number(), device.graph_access_state_reason().number()],
        }
    }

    fn all(&self) -> impl Iterator<Item = &dyn ToSql> {
        let texts = self.texts.iter().map(|text| text as &dyn ToSql);
        texts.chain(self.numbers.iter().map(|number| number as &dyn ToSql))
    }
}
