use exconn_model::{Connector, ConnectorChange, ConnectorDraft, ConnectorId, GraphEnum, TenantId, Timestamp};
use exconn_odata::query::{Filter, Query};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    failure::failed,
    query::{self, Column, Sql},
};
use crate::{Page, StoreError};

/// The SQL expression of each property of `exconn_model::CONNECTOR`.
const COLUMNS: [Column; 10] = [
    Column::required("id"),
    Column::required("last_sync"),
    Column::required("status"),
    Column::nullable("primary_smtp_address"),
    Column::nullable("server_name"),
    Column::nullable("connector_server_name"),
    Column::required("connector_type"),
    Column::nullable("version"),
    Column::nullable("exchange_alias"),
    Column::nullable("exchange_organization"),
];

const SELECT: &str = "SELECT id, tenant_id, last_sync, status, primary_smtp_address, server_name, \
    connector_server_name, connector_type, version, exchange_alias, exchange_organization, revision FROM connector \
    WHERE tenant_id = ?1";

pub(super) fn get(
    connection: &Connection,
    tenant: TenantId,
    id: ConnectorId,
) -> Result<Connector, StoreError> {
    const BY_ID: &str = "SELECT id, tenant_id, last_sync, status, primary_smtp_address, server_name, \
        connector_server_name, connector_type, version, exchange_alias, exchange_organization, revision \
        FROM connector WHERE id = ?1 AND tenant_id = ?2";
    let mut statement = connection.prepare_cached(BY_ID).map_err(failed)?;
    statement.query_row(params![id.to_string(), tenant.to_string()], connector).map_err(failed)
}

pub(super) fn list(
    connection: &Connection,
    tenant: TenantId,
    query: &Query,
) -> Result<Page<Connector>, StoreError> {
    query::page(connection, &Sql::over(&COLUMNS, SELECT, tenant), query, connector)
}

pub(super) fn count(
    connection: &Connection,
    tenant: TenantId,
    filter: Option<&Filter>,
) -> Result<u64, StoreError> {
    let sql = Sql::over(&COLUMNS, "SELECT count(*) FROM connector WHERE tenant_id = ?1", tenant);
    query::count(connection, sql, filter)
}

pub(super) fn insert(
    connection: &Connection,
    tenant: TenantId,
    id: ConnectorId,
    draft: &ConnectorDraft,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO connector (id, tenant_id, last_sync, status, primary_smtp_address, server_name, \
        connector_server_name, connector_type, version, exchange_alias, exchange_organization, revision, fence, \
        device_generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, 0, 0)";
    let mut statement = connection.prepare_cached(INSERT).map_err(failed)?;
    statement
        .execute(params![
            id.to_string(),
            tenant.to_string(),
            draft.last_sync.ticks(),
            draft.status.number(),
            draft.primary_smtp_address,
            draft.server_name,
            draft.connector_server_name,
            draft.connector_type.number(),
            draft.version,
            draft.exchange_alias,
            draft.exchange_organization,
        ])
        .map_err(failed)?;
    Ok(())
}

/// Refuses if the connector does not exist or is not in the expected revision.
pub(super) fn check_revision(
    connection: &Connection,
    tenant: TenantId,
    id: ConnectorId,
    expected: Option<i64>,
) -> Result<(), StoreError> {
    let found = get(connection, tenant, id)?.revision;
    if expected.is_some_and(|expected| expected != found) {
        Err(StoreError::RevisionMismatch)
    } else {
        Ok(())
    }
}

/// Reads one row, if there is one.
pub(super) fn look(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM connector)")
        .and_then(|mut statement| statement.query_row([], |_| Ok(())))
        .map_err(failed)
}

/// Applies a change; one that changes nothing leaves the revision as it is.
pub(super) fn update(
    connection: &Connection,
    tenant: TenantId,
    id: ConnectorId,
    change: ConnectorChange,
) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE connector SET last_sync = ?2, status = ?3, primary_smtp_address = ?4, \
        server_name = ?5, connector_server_name = ?6, connector_type = ?7, version = ?8, exchange_alias = ?9, \
        exchange_organization = ?10, revision = revision + 1 WHERE id = ?1";
    let before = ConnectorDraft::from(get(connection, tenant, id)?);
    let after = before.clone().with(change);
    if after == before {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(UPDATE).map_err(failed)?;
    statement
        .execute(params![
            id.to_string(),
            after.last_sync.ticks(),
            after.status.number(),
            after.primary_smtp_address,
            after.server_name,
            after.connector_server_name,
            after.connector_type.number(),
            after.version,
            after.exchange_alias,
            after.exchange_organization,
        ])
        .map_err(failed)?;
    Ok(())
}

pub(super) fn delete(connection: &Connection, tenant: TenantId, id: ConnectorId) -> Result<(), StoreError> {
    connection
        .execute(
            "DELETE FROM connector WHERE id = ?1 AND tenant_id = ?2",
            params![id.to_string(), tenant.to_string()],
        )
        .map_err(failed)?;
    Ok(())
}

/// The connector for which `column` holds this text; of several the preferred one, else always the same.
pub(super) fn find(
    connection: &Connection,
    tenant: TenantId,
    column: NameColumn,
    text: &str,
    preferred: Option<ConnectorId>,
) -> Result<Option<ConnectorId>, StoreError> {
    let sql = match column {
        NameColumn::ExchangeAlias => {
            "SELECT id FROM connector WHERE tenant_id = ?1 AND exchange_alias = ?2 \
                ORDER BY id IS ?3 DESC, id LIMIT 1"
        }
        NameColumn::ServerName => {
            "SELECT id FROM connector WHERE tenant_id = ?1 AND server_name = ?2 \
                ORDER BY id IS ?3 DESC, id LIMIT 1"
        }
    };
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let preferred = preferred.map(|id| id.to_string());
    let found =
        statement.query_row(params![tenant.to_string(), text, preferred], |row| uuid(row, 0)).optional();
    Ok(found.map_err(failed)?.map(ConnectorId))
}

/// A column by which a configured connection finds its connector.
#[derive(Clone, Copy, Debug)]
pub(super) enum NameColumn {
    ExchangeAlias,
    ServerName,
}

fn connector(row: &Row<'_>) -> rusqlite::Result<Connector> {
    Ok(Connector {
        id: ConnectorId(uuid(row, 0)?),
        tenant: TenantId(uuid(row, 1)?),
        last_sync: Timestamp::from_ticks(row.get(2)?),
        status: member(row, 3)?,
        primary_smtp_address: row.get(4)?,
        server_name: row.get(5)?,
        connector_server_name: row.get(6)?,
        connector_type: member(row, 7)?,
        version: row.get(8)?,
        exchange_alias: row.get(9)?,
        exchange_organization: row.get(10)?,
        revision: row.get(11)?,
    })
}

/// An id that is kept as text.
pub(super) fn uuid(row: &Row<'_>, at: usize) -> rusqlite::Result<Uuid> {
    let text = row.get_ref(at)?.as_str()?;
    Uuid::try_parse(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// A member of an enumeration, kept as its number.
pub(super) fn member<T: GraphEnum>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let number = row.get(at)?;
    T::from_number(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(at, i64::from(number)))
}
