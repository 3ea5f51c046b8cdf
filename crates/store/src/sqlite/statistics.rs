//! What mailboxes say of their partnerships, and when they are to be asked.

use std::collections::{HashMap, HashSet};

use exconn_model::{
    ConnectorId, DeviceId, DeviceStatistics, GraphEnum, LearnedStatistics, ObservedDevice, TenantId,
    Timestamp, access,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use uuid::Uuid;

use super::failure::failed;
use crate::{DueMailbox, MailboxAnswer, StoreError};

/// When statistics of new and changed devices are due: before those that have merely become stale. SQLite needs no room for
/// this number.
pub(super) const AT_ONCE: i64 = Timestamp::from_unix_seconds(0).ticks();

/// What a mailbox said, in the order in which [`learned`] reads it.
pub(super) const LEARNED: [&str; 10] = [
    "partnership",
    "statistics_learned",
    "last_success",
    "last_attempt",
    "wipe_requested",
    "wipe_sent",
    "wipe_acknowledged",
    "status",
    "newer_access_state",
    "newer_access_state_reason",
];

pub(super) fn learned(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<LearnedStatistics>> {
    let moment =
        |at: usize| row.get::<_, Option<i64>>(first + at).map(|ticks| ticks.map(Timestamp::from_ticks));
    let Some(learned) = moment(1)? else { return Ok(None) };
    let statistics = DeviceStatistics {
        partnership: Uuid::from_bytes(row.get(first)?),
        last_success: moment(2)?,
        last_attempt: moment(3)?,
        wipe_requested: moment(4)?,
        wipe_sent: moment(5)?,
        wipe_acknowledged: moment(6)?,
        status: row.get(first + 7)?,
        access_state: row.get(first + 8)?,
        access_state_reason: row.get(first + 9)?,
    };
    Ok(Some(LearnedStatistics { learned, statistics }))
}

/// Found by an index over the beginning of the connector's id.
pub(super) const DUE: &str = "SELECT partnership, identity, statistics_failures FROM device \
    WHERE substr(connector_id, 1, 8) = substr(?1, 1, 8) AND connector_id = ?1 AND statistics_due <= ?2 \
    ORDER BY statistics_due LIMIT ?3";

pub(super) fn due(
    connection: &Connection,
    connector: ConnectorId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DueMailbox>, StoreError> {
    let mut statement = connection.prepare_cached(DUE).map_err(failed)?;
    let mut rows = statement.query(params![connector.to_string(), now.ticks(), limit]).map_err(failed)?;
    let mut due: Vec<DueMailbox> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let device = ObservedDevice { identity: row.get(1).map_err(failed)?, ..ObservedDevice::default() };
        // Only devices with a mailbox are ever due.
        let Some(mailbox) = device.mailbox() else { continue };
        let partnership = Uuid::from_bytes(row.get(0).map_err(failed)?);
        let failures: u32 = row.get(2).map_err(failed)?;
        let place = *places.entry(mailbox.to_owned()).or_insert(due.len());
        match due.get_mut(place) {
            Some(known) => {
                known.partnerships.push(partnership);
                known.failures = known.failures.max(failures);
            }
            None => {
                let mailbox = mailbox.to_owned();
                due.push(DueMailbox { mailbox, partnerships: vec![partnership], failures });
            }
        }
    }
    Ok(due)
}

pub(super) fn record(
    tx: &Transaction<'_>,
    tenant: TenantId,
    connector: ConnectorId,
    answer: &MailboxAnswer,
) -> Result<(), StoreError> {
    let (connector, tenant) = (connector.to_string(), tenant.to_string());
    for statistics in &answer.statistics {
        keep(tx, &tenant, &connector, statistics, answer)?;
    }
    let told: HashSet<Uuid> = answer.statistics.iter().map(|statistics| statistics.partnership).collect();
    let mut silent = tx
        .prepare_cached(
            "UPDATE device SET statistics_due = ?4, statistics_failures = 0 \
             WHERE connector_id = ?1 AND partnership = ?2 AND tenant_id = ?3",
        )
        .map_err(failed)?;
    for partnership in answer.asked.iter().filter(|partnership| !told.contains(*partnership)) {
        silent
            .execute(params![connector, partnership.as_bytes(), tenant, answer.next.ticks()])
            .map_err(failed)?;
    }
    Ok(())
}

fn keep(
    tx: &Transaction<'_>,
    tenant: &str,
    connector: &str,
    statistics: &DeviceStatistics,
    answer: &MailboxAnswer,
) -> Result<(), StoreError> {
    const LISTED: &str = "SELECT access_state, access_state_reason FROM device \
        WHERE connector_id = ?1 AND partnership = ?2 AND tenant_id = ?3";
    const KEEP: &str = "UPDATE device SET statistics_learned = ?3, last_success = ?4, last_attempt = ?5, \
        wipe_requested = ?6, wipe_sent = ?7, wipe_acknowledged = ?8, status = ?9, newer_access_state = ?10, \
        newer_access_state_reason = ?11, graph_access_state = ?12, graph_access_state_reason = ?13, \
        statistics_due = ?14, statistics_failures = 0 WHERE connector_id = ?1 AND partnership = ?2";
    let partnership = statistics.partnership.as_bytes();
    let listed = tx
        .prepare_cached(LISTED)
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| {
                Ok(ObservedDevice {
                    access_state: row.get(0)?,
                    access_state_reason: row.get(1)?,
                    ..ObservedDevice::default()
                })
            };
            statement.query_row(params![connector, partnership, tenant], read).optional()
        })
        .map_err(failed)?;
    let Some(listed) = listed else { return Ok(()) };
    let (state, reason) = access(&listed, Some(statistics));
    tx.prepare_cached(KEEP)
        .and_then(|mut statement| {
            statement.execute(params![
                connector,
                partnership,
                answer.learned.ticks(),
                statistics.last_success.map(Timestamp::ticks),
                statistics.last_attempt.map(Timestamp::ticks),
                statistics.wipe_requested.map(Timestamp::ticks),
                statistics.wipe_sent.map(Timestamp::ticks),
                statistics.wipe_acknowledged.map(Timestamp::ticks),
                statistics.status,
                statistics.access_state,
                statistics.access_state_reason,
                state.number(),
                reason.number(),
                answer.next.ticks(),
            ])
        })
        .map_err(failed)?;
    Ok(())
}

pub(super) fn want(tx: &Transaction<'_>, tenant: TenantId, device: DeviceId) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE device SET statistics_due = ?3, statistics_failures = 0 \
         WHERE tenant_id = ?1 AND id = ?2 AND statistics_due IS NOT NULL",
    )
    .and_then(|mut statement| statement.execute(params![tenant.to_string(), device.to_string(), AT_ONCE]))
    .map_err(failed)?;
    Ok(())
}

pub(super) fn postpone(
    tx: &Transaction<'_>,
    tenant: TenantId,
    connector: ConnectorId,
    partnerships: &[Uuid],
    until: Timestamp,
) -> Result<(), StoreError> {
    let mut statement = tx
        .prepare_cached(
            "UPDATE device SET statistics_due = ?4, statistics_failures = statistics_failures + 1 \
             WHERE connector_id = ?1 AND partnership = ?2 AND tenant_id = ?3",
        )
        .map_err(failed)?;
    for partnership in partnerships {
        statement
            .execute(params![
                connector.to_string(),
                partnership.as_bytes(),
                tenant.to_string(),
                until.ticks()
            ])
            .map_err(failed)?;
    }
    Ok(())
}
