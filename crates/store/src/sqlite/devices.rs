use exconn_model::{
    AccessState, ConnectorId, DeviceId, DeviceOverview, GraphEnum, MobileDevice, ObservedDevice, TenantId,
    Timestamp,
};
use exconn_odata::query::{Filter, Query};
use rusqlite::{Connection, Row, Transaction, params};
use uuid::Uuid;

use super::{
    connectors::uuid,
    failure::failed,
    query::{self, Column, Sql},
    statistics::{self, LEARNED},
};
use crate::{Page, StoreError};

/// The SQL expression of each property of `exconn_model::MANAGED_DEVICE`.
const COLUMNS: [Column; 18] = [
    Column::required("id"),
    Column::nullable("graph_name").indexed(),
    Column::constant("1"),
    Column::nullable("graph_system"),
    Column::nullable("graph_system_version"),
    Column::constant("1"),
    Column::required("device_id").indexed(),
    Column::required("graph_activation").indexed(),
    Column::nullable("model"),
    Column::nullable("imei"),
    Column::nullable("telephone_number"),
    Column::nullable("mobile_operator"),
    Column::nullable("graph_user").indexed(),
    Column::nullable("user_principal_name"),
    Column::nullable("email_address"),
    Column::required("graph_access_state").indexed(),
    Column::required("graph_access_state_reason"),
    // Where it is not known, 0001-01-01T00:00:00Z.
    Column::required("coalesce(last_success, -621355968000000000)"),
];

/// What Exchange said, in the order in which [`observed`] reads and [`super::stage`] writes it.
pub(super) const OBSERVED: [&str; 22] = [
    "partnership",
    "device_id",
    "device_type",
    "model",
    "operating_system",
    "friendly_name",
    "imei",
    "mobile_operator",
    "telephone_number",
    "user_agent",
    "user_display_name",
    "identity",
    "access_state",
    "access_state_reason",
    "access_rule",
    "client_type",
    "client_version",
    "first_sync",
    "created",
    "changed",
    "user_principal_name",
    "email_address",
];

/// What the Graph shows and a query can ask for, made of what Exchange said.
pub(super) const DERIVED: [&str; 6] = [
    "graph_name",
    "graph_system",
    "graph_system_version",
    "graph_user",
    "graph_access_state",
    "graph_access_state_reason",
];

fn select() -> String {
    let (observed, learned) = (OBSERVED.join(", "), LEARNED.join(", "));
    format!("SELECT id, connector_id, {observed}, {learned} FROM device WHERE tenant_id = ?1")
}

pub(super) fn get(
    connection: &Connection,
    tenant: TenantId,
    id: DeviceId,
) -> Result<MobileDevice, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{} AND id = ?2", select())).map_err(failed)?;
    statement.query_row(params![tenant.to_string(), id.to_string()], device).map_err(failed)
}

pub(super) fn list(
    connection: &Connection,
    tenant: TenantId,
    query: &Query,
) -> Result<Page<MobileDevice>, StoreError> {
    query::page(connection, &listing(tenant), query, device)
}

/// The statement that lists devices, without conditions.
pub(super) fn listing(tenant: TenantId) -> Sql {
    Sql::over(&COLUMNS, &select(), tenant)
}

pub(super) fn count(
    connection: &Connection,
    tenant: TenantId,
    filter: Option<&Filter>,
) -> Result<u64, StoreError> {
    let sql = Sql::over(&COLUMNS, "SELECT count(*) FROM device WHERE tenant_id = ?1", tenant);
    query::count(connection, sql, filter)
}

pub(super) fn overview(connection: &Connection, tenant: TenantId) -> Result<DeviceOverview, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT graph_access_state, count(*) FROM device WHERE tenant_id = ?1 GROUP BY graph_access_state")
        .map_err(failed)?;
    let rows = statement
        .query_map([tenant.to_string()], |row| Ok((row.get::<_, i32>(0)?, row.get::<_, u64>(1)?)))
        .map_err(failed)?;
    let mut overview = DeviceOverview::default();
    for row in rows {
        let (state, count) = row.map_err(failed)?;
        match AccessState::from_number(state) {
            Some(AccessState::Allowed) => overview.allowed += count,
            Some(AccessState::Blocked) => overview.blocked += count,
            Some(AccessState::Quarantined) => overview.quarantined += count,
            Some(AccessState::Unknown) => overview.unknown += count,
            Some(AccessState::None) | None => overview.unavailable += count,
        }
    }
    Ok(overview)
}

pub(super) fn delete_all(tx: &Transaction<'_>, connector: ConnectorId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM device WHERE connector_id = ?1", [connector.to_string()]).map_err(failed)?;
    Ok(())
}

pub(super) fn count_of(connection: &Connection, connector: ConnectorId) -> Result<u64, StoreError> {
    connection
        .query_row("SELECT count(*) FROM device WHERE connector_id = ?1", [connector.to_string()], |row| {
            row.get(0)
        })
        .map_err(failed)
}

fn device(row: &Row<'_>) -> rusqlite::Result<MobileDevice> {
    Ok(MobileDevice {
        id: DeviceId(uuid(row, 0)?),
        connector: ConnectorId(uuid(row, 1)?),
        observed: observed(row, 2)?,
        statistics: statistics::learned(row, 2 + OBSERVED.len())?,
    })
}

fn observed(row: &Row<'_>, first: usize) -> rusqlite::Result<ObservedDevice> {
    let text = |at: usize| row.get::<_, Option<String>>(first + at);
    let moment =
        |at: usize| row.get::<_, Option<i64>>(first + at).map(|ticks| ticks.map(Timestamp::from_ticks));
    Ok(ObservedDevice {
        partnership: Uuid::from_bytes(row.get(first)?),
        device_id: row.get(first + 1)?,
        device_type: text(2)?,
        model: text(3)?,
        operating_system: text(4)?,
        friendly_name: text(5)?,
        imei: text(6)?,
        mobile_operator: text(7)?,
        telephone_number: text(8)?,
        user_agent: text(9)?,
        user_display_name: text(10)?,
        identity: text(11)?,
        access_state: text(12)?,
        access_state_reason: text(13)?,
        access_rule: text(14)?,
        client_type: text(15)?,
        client_version: text(16)?,
        first_sync: moment(17)?,
        created: moment(18)?,
        changed: moment(19)?,
        user_principal_name: text(20)?,
        email_address: text(21)?,
    })
}
