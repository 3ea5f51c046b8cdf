use exconn_model::{AuditEntry, AuditId, GraphEnum, TenantId, Timestamp};
use exconn_odata::query::{Filter, Query};
use rusqlite::{Connection, Row, Transaction, params};
use uuid::Uuid;

use super::{
    connectors::{member, uuid},
    failure::failed,
    query::{self, Column, Sql},
};
use crate::{Page, StoreError};

/// Entries beyond the bound that one new entry removes: more than one, so that a lowered bound is reached, and few, so
/// that no change waits for a large removal.
const TRIMMED_AT_ONCE: u32 = 100;

/// What an entry tells of. Each kind of each tenant has its own bound: refusals, which anyone can cause, push out no
/// change, and no tenant's entries push out another's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A change, written with it.
    Change = 0,
    /// A refusal or a sign-in.
    Event = 1,
}

/// The SQL expression of each property of `exconn_model::AUDIT_ENTRY`.
const COLUMNS: [Column; 16] = [
    Column::required("id"),
    Column::required("at"),
    Column::required("actor"),
    Column::nullable("subject"),
    Column::nullable("subject_name"),
    Column::nullable("application"),
    Column::nullable("action"),
    Column::nullable("method"),
    Column::nullable("resource"),
    Column::nullable("created"),
    Column::required("outcome"),
    Column::nullable("status"),
    Column::nullable("detail"),
    Column::nullable("address"),
    Column::nullable("request_id"),
    Column::nullable("client_request_id"),
];

const SELECT: &str = "SELECT id, tenant_id, at, actor, subject, subject_name, application, action, method, resource, \
    created, outcome, status, detail, address, request_id, client_request_id FROM audit WHERE tenant_id = ?1";

pub(super) fn list(
    connection: &Connection,
    tenant: TenantId,
    query: &Query,
) -> Result<Page<AuditEntry>, StoreError> {
    query::page(connection, &Sql::over(&COLUMNS, SELECT, tenant), query, entry)
}

pub(super) fn count(
    connection: &Connection,
    tenant: TenantId,
    filter: Option<&Filter>,
) -> Result<u64, StoreError> {
    let sql = Sql::over(&COLUMNS, "SELECT count(*) FROM audit WHERE tenant_id = ?1", tenant);
    query::count(connection, sql, filter)
}

/// Adds an entry and removes the oldest ones beyond the newest `keep` of its tenant and kind.
pub(super) fn insert(
    tx: &Transaction<'_>,
    entry: &AuditEntry,
    kind: Kind,
    keep: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO audit (id, tenant_id, at, actor, subject, subject_name, application, action, \
        method, resource, created, outcome, status, detail, address, request_id, client_request_id, kind, number) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
        (SELECT ifnull(max(number), 0) + 1 FROM audit WHERE tenant_id = ?2 AND kind = ?18)) RETURNING number";
    // Numbers begin at 1 and have no gaps, as only the lowest are removed: so the bounds are look-ups in the index.
    const TRIM: &str = "DELETE FROM audit WHERE tenant_id = ?1 AND kind = ?2 AND number <= ?3 \
        AND number < (SELECT min(number) + ?4 FROM audit WHERE tenant_id = ?1 AND kind = ?2)";
    let text = |id: Option<Uuid>| id.map(|id| id.to_string());
    let number: i64 = tx
        .prepare_cached(INSERT)
        .and_then(|mut statement| {
            let values = params![
                entry.id.to_string(),
                entry.tenant.to_string(),
                entry.at.ticks(),
                entry.actor.number(),
                entry.subject,
                entry.subject_name,
                entry.application,
                entry.action,
                entry.method,
                entry.resource,
                text(entry.created),
                entry.outcome.number(),
                entry.status,
                entry.detail,
                entry.address,
                text(entry.request_id),
                entry.client_request_id,
                kind as u8,
            ];
            statement.query_row(values, |row| row.get(0))
        })
        .map_err(failed)?;
    let too_old = number.saturating_sub(i64::try_from(keep).unwrap_or(i64::MAX));
    if too_old <= 0 {
        return Ok(());
    }
    tx.prepare_cached(TRIM)
        .and_then(|mut statement| {
            statement.execute(params![entry.tenant.to_string(), kind as u8, too_old, TRIMMED_AT_ONCE])
        })
        .map_err(failed)?;
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let optional = |at| row.get::<_, Option<String>>(at)?.map(|_| uuid(row, at)).transpose();
    Ok(AuditEntry {
        id: AuditId(uuid(row, 0)?),
        tenant: TenantId(uuid(row, 1)?),
        at: Timestamp::from_ticks(row.get(2)?),
        actor: member(row, 3)?,
        subject: row.get(4)?,
        subject_name: row.get(5)?,
        application: row.get(6)?,
        action: row.get(7)?,
        method: row.get(8)?,
        resource: row.get(9)?,
        created: optional(10)?,
        outcome: member(row, 11)?,
        status: row.get(12)?,
        detail: row.get(13)?,
        address: row.get(14)?,
        request_id: optional(15)?,
        client_request_id: row.get(16)?,
    })
}
