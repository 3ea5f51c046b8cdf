//! Which connector serves a configured connection.

use exconn_model::{ConnectorDraft, ConnectorId, RunId, SyncType, TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{
    connectors::{self, NameColumn, uuid},
    failure::failed,
    runs,
};
use crate::{Binding, ConnectionIdentity, StoreError};

/// The binding that needs no change, if there is one.
pub(super) fn standing(
    connection: &Connection,
    tenant: TenantId,
    wanted: &ConnectionIdentity,
) -> Result<Option<Binding>, StoreError> {
    let recorded = recorded(connection, tenant, &wanted.name)?;
    let found = find(connection, tenant, wanted, recorded.as_ref().map(|(connector, _)| *connector))?;
    let same = recorded
        .filter(|(_, fingerprint)| *fingerprint == wanted.fingerprint)
        .map(|(connector, _)| connector);
    Ok(match (same, found) {
        (Some(recorded), Some(found)) if recorded == found => Some(Binding::Bound(found)),
        (Some(_), None) => Some(Binding::Released),
        _ => None,
    })
}

pub(super) fn bind(
    tx: &Transaction<'_>,
    tenant: TenantId,
    wanted: &ConnectionIdentity,
    new: ConnectorId,
    run: RunId,
    now: Timestamp,
) -> Result<Binding, StoreError> {
    if let Some(binding) = standing(tx, tenant, wanted)? {
        return Ok(binding);
    }
    let recorded = recorded(tx, tenant, &wanted.name)?.map(|(connector, _)| connector);
    let binding = match find(tx, tenant, wanted, recorded)? {
        Some(found) => Binding::Bound(found),
        None => {
            let draft = ConnectorDraft {
                connector_type: wanted.connector_type,
                exchange_alias: Some(wanted.name.clone()),
                server_name: wanted.server.clone(),
                primary_smtp_address: wanted.primary_smtp_address.clone(),
                ..ConnectorDraft::default()
            };
            connectors::insert(tx, tenant, new, &draft)?;
            runs::insert(tx, tenant, new, SyncType::Full, run, now)?;
            Binding::Created(new)
        }
    };
    if let Binding::Bound(connector) | Binding::Created(connector) = binding {
        tx.execute(
            "INSERT INTO binding (tenant_id, name, fingerprint, connector_id) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint, connector_id = excluded.connector_id",
            params![tenant.to_string(), wanted.name, wanted.fingerprint, connector.to_string()],
        )
        .map_err(failed)?;
        // What was configured otherwise may not see the same devices: the next sync looks at all of them.
        runs::forget_cookie(tx, connector)?;
    }
    Ok(binding)
}

/// The connector with the connection's name, else one with its server's that no other connection is bound to. Of several
/// the one that it was bound to so far: another's devices would come beside those that are there.
fn find(
    connection: &Connection,
    tenant: TenantId,
    wanted: &ConnectionIdentity,
    recorded: Option<ConnectorId>,
) -> Result<Option<ConnectorId>, StoreError> {
    let by_alias = connectors::find(connection, tenant, NameColumn::ExchangeAlias, &wanted.name, recorded)?;
    if let Some(found) = by_alias {
        return Ok(Some(found));
    }
    let Some(server) = &wanted.server else { return Ok(None) };
    let found = connectors::find(connection, tenant, NameColumn::ServerName, server, recorded)?;
    match found {
        Some(found) if !is_bound_to_another(connection, tenant, found, &wanted.name)? => Ok(Some(found)),
        _ => Ok(None),
    }
}

fn is_bound_to_another(
    connection: &Connection,
    tenant: TenantId,
    connector: ConnectorId,
    name: &str,
) -> Result<bool, StoreError> {
    connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM binding WHERE tenant_id = ?1 AND connector_id = ?2 AND name <> ?3)",
            params![tenant.to_string(), connector.to_string(), name],
            |row| row.get(0),
        )
        .map_err(failed)
}

fn recorded(
    connection: &Connection,
    tenant: TenantId,
    name: &str,
) -> Result<Option<(ConnectorId, String)>, StoreError> {
    connection
        .query_row(
            "SELECT connector_id, fingerprint FROM binding WHERE tenant_id = ?1 AND name = ?2",
            params![tenant.to_string(), name],
            |row| Ok((ConnectorId(uuid(row, 0)?), row.get(1)?)),
        )
        .optional()
        .map_err(failed)
}
