use exconn_model::{
    ConnectorId, FailureKind, GraphEnum, RunId, RunOutcome, RunState, SyncCookie, SyncCounts, SyncRun,
    SyncType, TenantId, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{
    connectors::{member, uuid},
    failure::failed,
    history,
};
use crate::{LeasedRun, RequestedSync, RunPatch, StoreError};

const COLUMNS: &str = "id, tenant_id, connector_id, kind, state, requested_at, started_at, finished_at, attempt, \
    seen, added, changed, removed, failure, detail";

pub(super) fn get(connection: &Connection, tenant: TenantId, id: RunId) -> Result<SyncRun, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1 AND tenant_id = ?2");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    statement.query_row(params![id.to_string(), tenant.to_string()], run).map_err(failed)
}

pub(super) fn latest(
    connection: &Connection,
    tenant: TenantId,
    connector: ConnectorId,
    limit: u32,
) -> Result<Vec<SyncRun>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run WHERE connector_id = ?1 AND tenant_id = ?2 ORDER BY sequence DESC LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = statement
        .query_map(params![connector.to_string(), tenant.to_string(), limit], run)
        .map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

pub(super) fn insert(
    tx: &Transaction<'_>,
    tenant: TenantId,
    connector: ConnectorId,
    kind: SyncType,
    id: RunId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO run (id, tenant_id, connector_id, kind, state, requested_at) \
         VALUES (?1, ?2, ?3, ?4, 'queued', ?5)",
    )
    .and_then(|mut statement| {
        statement.execute(params![
            id.to_string(),
            tenant.to_string(),
            connector.to_string(),
            kind.number(),
            now.ticks()
        ])
    })
    .map_err(failed)?;
    Ok(())
}

/// Queues a run unless one that is open covers it.
pub(super) fn request(
    tx: &Transaction<'_>,
    tenant: TenantId,
    connector: ConnectorId,
    kind: SyncType,
    id: RunId,
    now: Timestamp,
) -> Result<RequestedSync, StoreError> {
    let mut statement = tx
        .prepare_cached(
            "SELECT id, kind, state FROM run WHERE connector_id = ?1 AND state IN ('queued', 'running') ORDER BY sequence",
        )
        .map_err(failed)?;
    let rows = statement
        .query_map([connector.to_string()], |row| {
            Ok((RunId(uuid(row, 0)?), member::<SyncType>(row, 1)?, row.get::<_, String>(2)? == "queued"))
        })
        .map_err(failed)?;
    let open = rows.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let covering =
        open.iter().find(|(_, open, queued)| *open == kind || (*queued && *open == SyncType::Full));
    if let Some((covering, ..)) = covering {
        return Ok(RequestedSync::Covered(*covering));
    }
    if let Some((delta, ..)) = open.iter().find(|(_, _, queued)| *queued) {
        widen(tx, *delta)?;
        return Ok(RequestedSync::Covered(*delta));
    }
    insert(tx, tenant, connector, kind, id, now)?;
    Ok(RequestedSync::Queued(id))
}

/// Makes a delta run a full one.
pub(super) fn widen(tx: &Transaction<'_>, id: RunId) -> Result<(), StoreError> {
    tx.execute("UPDATE run SET kind = ?2 WHERE id = ?1", params![id.to_string(), SyncType::Full.number()])
        .map_err(failed)?;
    Ok(())
}

pub(super) fn cancel_open(
    tx: &Transaction<'_>,
    connector: ConnectorId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE run SET state = 'cancelled', finished_at = ?2 \
         WHERE connector_id = ?1 AND state IN ('queued', 'running')",
        params![connector.to_string(), now.ticks()],
    )
    .map_err(failed)?;
    Ok(())
}

pub(super) fn any_open(connection: &Connection, connector: ConnectorId) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM run WHERE connector_id = ?1 AND state IN ('queued', 'running'))",
        )
        .and_then(|mut statement| statement.query_row([connector.to_string()], |row| row.get(0)))
        .map_err(failed)
}

pub(super) fn lease(
    tx: &Transaction<'_>,
    tenant: TenantId,
    connector: ConnectorId,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
    max_attempts: u32,
) -> Result<Option<LeasedRun>, StoreError> {
    loop {
        let Some((id, state, attempt, lease_until)) = first_open(tx, tenant, connector)? else {
            return Ok(None);
        };
        if state == "running" && lease_until > now {
            return Ok(None);
        }
        if attempt >= max_attempts {
            abandon(tx, id, now)?;
            history::trim(tx, connector)?;
            continue;
        }
        let fence = next_fence(tx, connector)?;
        tx.execute(
            "UPDATE run SET state = 'running', started_at = ?2, attempt = attempt + 1, fence = ?3, lease_owner = ?4, \
             lease_until = ?5, seen = 0, added = 0, changed = 0, removed = 0 WHERE id = ?1",
            params![id.to_string(), now.ticks(), fence, owner, until.ticks()],
        )
        .map_err(failed)?;
        return Ok(Some(LeasedRun {
            run: get(tx, tenant, id)?,
            fence,
            generation: generation(tx, connector)?,
            cookie: cookie(tx, connector)?,
        }));
    }
}

/// The running run, else the queued one that was asked for first.
fn first_open(
    tx: &Transaction<'_>,
    tenant: TenantId,
    connector: ConnectorId,
) -> Result<Option<(RunId, String, u32, Timestamp)>, StoreError> {
    tx.query_row(
        "SELECT id, state, attempt, lease_until FROM run WHERE connector_id = ?1 AND tenant_id = ?2 \
         AND state IN ('queued', 'running') ORDER BY state = 'running' DESC, sequence LIMIT 1",
        params![connector.to_string(), tenant.to_string()],
        |row| {
            let until = row.get::<_, Option<i64>>(3)?.map_or(Timestamp::UNSET, Timestamp::from_ticks);
            Ok((RunId(uuid(row, 0)?), row.get(1)?, row.get(2)?, until))
        },
    )
    .optional()
    .map_err(failed)
}

fn abandon(tx: &Transaction<'_>, id: RunId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE run SET state = 'failed', failure = ?2, finished_at = ?3, \
         detail = 'Each process that began this run ended before the run did.' WHERE id = ?1",
        params![id.to_string(), FailureKind::Abandoned.name(), now.ticks()],
    )
    .map_err(failed)?;
    Ok(())
}

fn next_fence(tx: &Transaction<'_>, connector: ConnectorId) -> Result<i64, StoreError> {
    tx.query_row(
        "UPDATE connector SET fence = fence + 1 WHERE id = ?1 RETURNING fence",
        [connector.to_string()],
        |row| row.get(0),
    )
    .map_err(failed)
}

fn generation(connection: &Connection, connector: ConnectorId) -> Result<i64, StoreError> {
    connection
        .query_row("SELECT device_generation FROM connector WHERE id = ?1", [connector.to_string()], |row| {
            row.get(0)
        })
        .map_err(failed)
}

fn cookie(connection: &Connection, connector: ConnectorId) -> Result<Option<SyncCookie>, StoreError> {
    let stored: Option<Vec<u8>> = connection
        .query_row("SELECT cookie FROM connector WHERE id = ?1", [connector.to_string()], |row| row.get(0))
        .map_err(failed)?;
    Ok(stored.and_then(SyncCookie::new))
}

/// Puts the cookie of a successful sync in the place of the one that the sync began with.
pub(super) fn move_cookie(
    tx: &Transaction<'_>,
    lease: &LeasedRun,
    to: Option<&SyncCookie>,
) -> Result<(), StoreError> {
    let moved = tx
        .execute(
            "UPDATE connector SET cookie = ?3 WHERE id = ?1 AND cookie IS ?2",
            params![
                lease.run.connector.to_string(),
                lease.cookie.as_ref().map(SyncCookie::as_bytes),
                to.map(SyncCookie::as_bytes)
            ],
        )
        .map_err(failed)?;
    if moved == 1 { Ok(()) } else { Err(StoreError::Superseded) }
}

/// Lets the next sync look at all devices.
pub(super) fn forget_cookie(tx: &Transaction<'_>, connector: ConnectorId) -> Result<(), StoreError> {
    tx.execute("UPDATE connector SET cookie = NULL WHERE id = ?1", [connector.to_string()])
        .map_err(failed)?;
    Ok(())
}

/// Refuses a lease that is no longer the connector's latest, or whose run or connector is gone.
pub(super) fn check_lease(connection: &Connection, lease: &LeasedRun) -> Result<(), StoreError> {
    let holds: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM run JOIN connector ON connector.id = run.connector_id \
             WHERE run.id = ?1 AND run.state = 'running' AND run.fence = ?2 AND connector.fence = ?2)",
        )
        .and_then(|mut statement| {
            statement.query_row(params![lease.run.id.to_string(), lease.fence], |row| row.get(0))
        })
        .map_err(failed)?;
    if holds { Ok(()) } else { Err(StoreError::LeaseLost) }
}

/// Refuses if devices changed since the lease began.
pub(super) fn check_generation(tx: &Transaction<'_>, lease: &LeasedRun) -> Result<(), StoreError> {
    if generation(tx, lease.run.connector)? == lease.generation {
        Ok(())
    } else {
        Err(StoreError::Superseded)
    }
}

pub(super) fn renew(tx: &Transaction<'_>, id: RunId, patch: RunPatch) -> Result<(), StoreError> {
    let RunPatch { until, counts, .. } = patch;
    tx.prepare_cached(
        "UPDATE run SET lease_until = ?2, seen = ?3, added = ?4, changed = ?5, removed = ?6 WHERE id = ?1",
    )
    .and_then(|mut statement| {
        statement.execute(params![
            id.to_string(),
            until.ticks(),
            counts.seen,
            counts.added,
            counts.changed,
            counts.removed
        ])
    })
    .map_err(failed)?;
    Ok(())
}

pub(super) fn end(
    tx: &Transaction<'_>,
    run: &SyncRun,
    outcome: &RunOutcome,
    counts: SyncCounts,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE run SET state = ?2, failure = ?3, detail = ?4, not_before = ?5, finished_at = ?6, seen = ?7, added = ?8, \
         changed = ?9, removed = ?10, lease_owner = NULL, lease_until = NULL WHERE id = ?1",
        params![
            run.id.to_string(),
            outcome.state.name(),
            outcome.failure.map(FailureKind::name),
            outcome.detail,
            outcome.not_before.map(Timestamp::ticks),
            now.ticks(),
            counts.seen,
            counts.added,
            counts.changed,
            counts.removed,
        ],
    )
    .map_err(failed)?;
    history::trim(tx, run.connector)
}

/// Ends a run well.
pub(super) fn succeed(
    tx: &Transaction<'_>,
    run: &SyncRun,
    counts: SyncCounts,
    now: Timestamp,
) -> Result<(), StoreError> {
    let outcome = RunOutcome { state: RunState::Succeeded, failure: None, detail: None, not_before: None };
    end(tx, run, &outcome, counts, now)
}

/// A name of this version, kept as text.
fn unknown_name(at: usize, text: &str) -> rusqlite::Error {
    let unknown = format!("'{text}' is not a name that this version knows");
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, unknown.into())
}

pub(super) fn failure_kind(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<FailureKind>> {
    let name: Option<String> = row.get(at)?;
    name.map(|name| FailureKind::from_name(&name).ok_or_else(|| unknown_name(at, &name))).transpose()
}

fn run(row: &Row<'_>) -> rusqlite::Result<SyncRun> {
    let state: String = row.get(4)?;
    Ok(SyncRun {
        id: RunId(uuid(row, 0)?),
        tenant: TenantId(uuid(row, 1)?),
        connector: ConnectorId(uuid(row, 2)?),
        kind: member(row, 3)?,
        state: RunState::from_name(&state).ok_or_else(|| unknown_name(4, &state))?,
        requested_at: Timestamp::from_ticks(row.get(5)?),
        started_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_ticks),
        finished_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_ticks),
        attempt: row.get(8)?,
        counts: SyncCounts {
            seen: row.get(9)?,
            added: row.get(10)?,
            changed: row.get(11)?,
            removed: row.get(12)?,
        },
        failure: failure_kind(row, 13)?,
        detail: row.get(14)?,
    })
}
