//! What a connector's past runs tell, and how many of them are kept for it.

use exconn_model::{ConnectorId, GraphEnum, SyncType, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};

use super::{failure::failed, runs::failure_kind};
use crate::{StoreError, SyncHistory};

/// Runs of one connector that are kept; of older ones, those alone that its history needs.
const KEPT: u32 = 1000;
/// Full runs that its history needs: among so many, failures in a row have long reached the longest pause.
const KEPT_FULL: u32 = 20;

pub(super) fn read(connection: &Connection, connector: ConnectorId) -> Result<SyncHistory, StoreError> {
    // By the order in which runs were asked for: what their times say depends on how the clock was set.
    const HISTORY: &str = "\
        WITH ended AS (SELECT * FROM run WHERE connector_id = ?1 AND state IN ('succeeded', 'failed', 'held')), \
        latest AS (SELECT * FROM ended ORDER BY sequence DESC LIMIT 1), \
        latest_full AS (SELECT * FROM ended WHERE kind = ?2 ORDER BY sequence DESC LIMIT 1), \
        success AS (SELECT * FROM ended WHERE state = 'succeeded' ORDER BY sequence DESC LIMIT 1), \
        full_success AS (SELECT * FROM ended WHERE state = 'succeeded' AND kind = ?2 ORDER BY sequence DESC LIMIT 1) \
        SELECT \
            (SELECT finished_at FROM full_success), \
            (SELECT finished_at FROM success), \
            (SELECT finished_at FROM latest), \
            (SELECT count(*) FROM ended WHERE sequence > coalesce((SELECT sequence FROM success), 0)), \
            (SELECT finished_at FROM latest_full), \
            (SELECT count(*) FROM ended WHERE kind = ?2 \
                AND sequence > coalesce((SELECT sequence FROM full_success), 0)), \
            (SELECT not_before FROM latest), \
            (SELECT failure FROM latest), \
            (SELECT started_at FROM latest), \
            EXISTS (SELECT 1 FROM run WHERE connector_id = ?1 AND state IN ('queued', 'running'))";
    let moment = |row: &Row<'_>, at: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_ticks))
    };
    connection
        .prepare_cached(HISTORY)
        .and_then(|mut statement| {
            statement.query_row(params![connector.to_string(), SyncType::Full.number()], |row| {
                Ok(SyncHistory {
                    last_full: moment(row, 0)?,
                    last_success: moment(row, 1)?,
                    last_finished: moment(row, 2)?,
                    failures: row.get(3)?,
                    last_full_finished: moment(row, 4)?,
                    full_failures: row.get(5)?,
                    not_before: moment(row, 6)?,
                    failure: failure_kind(row, 7)?,
                    last_started: moment(row, 8)?,
                    open: row.get(9)?,
                })
            })
        })
        .map_err(failed)
}

/// Drops runs that are neither among the newest, nor open, nor needed by [`read`]: a feed that is looked at every few
/// seconds would fill the disk with them.
pub(super) fn trim(tx: &Transaction<'_>, connector: ConnectorId) -> Result<(), StoreError> {
    const TRIM: &str = "\
        DELETE FROM run WHERE connector_id = ?1 AND state NOT IN ('queued', 'running') \
        AND sequence <= (SELECT sequence FROM run WHERE connector_id = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2) \
        AND sequence NOT IN \
            (SELECT max(sequence) FROM run WHERE connector_id = ?1 AND state = 'succeeded' GROUP BY kind) \
        AND sequence NOT IN (SELECT sequence FROM run WHERE connector_id = ?1 AND kind = ?3 \
            ORDER BY sequence DESC LIMIT ?4)";
    tx.prepare_cached(TRIM)
        .and_then(|mut statement| {
            statement.execute(params![connector.to_string(), KEPT, SyncType::Full.number(), KEPT_FULL])
        })
        .map_err(failed)?;
    Ok(())
}
