//! The least that a service could do for a page of connectors: the same SQL on as many connections, the same JSON.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, http::StatusCode, response::IntoResponse, routing::get};
use exconn_model::{ConnectorStatus, ConnectorType, GraphEnum, TenantId, Timestamp};
use exconn_store::SqliteOptions;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::service::serve_bare;

const SQL: &str = "SELECT id, last_sync, status, primary_smtp_address, server_name, connector_server_name, \
    connector_type, version, exchange_alias, exchange_organization FROM connector WHERE tenant_id = ?1 \
    AND status = ?2 AND substr(server_name, 1, length(?3)) = ?3 \
    ORDER BY last_sync DESC, server_name, id LIMIT ?4";
const PAGE: usize = 20;

struct Readers {
    free: Semaphore,
    connections: Mutex<Vec<Connection>>,
    tenant: String,
}

#[derive(Serialize)]
struct Page<'a> {
    #[serde(rename = "@odata.context")]
    context: &'a str,
    #[serde(rename = "@odata.nextLink")]
    next: Option<&'a str>,
    value: Vec<Connector>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connector {
    id: String,
    last_sync_date_time: String,
    status: Option<&'static str>,
    primary_smtp_address: Option<String>,
    server_name: Option<String>,
    connector_server_name: Option<String>,
    exchange_connector_type: Option<&'static str>,
    version: Option<String>,
    exchange_alias: Option<String>,
    exchange_organization: Option<String>,
}

/// Serves the page at `/connectors`.
pub(crate) async fn serve(folder: &Path, tenant: TenantId) -> Result<SocketAddr, String> {
    let options = SqliteOptions::default();
    let connections = (0..options.readers).map(|_| open(folder, options.cache_kib));
    let connections = connections.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let readers = Arc::new(Readers {
        free: Semaphore::new(connections.len()),
        connections: Mutex::new(connections),
        tenant: tenant.to_string(),
    });
    serve_bare(Router::new().route("/connectors", get(move || answer(readers.clone())))).await
}

fn open(folder: &Path, cache_kib: u32) -> rusqlite::Result<Connection> {
    let connection = Connection::open(folder.join("exconn.db"))?;
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

async fn answer(readers: Arc<Readers>) -> impl IntoResponse {
    let failed = || (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "text/plain")], Vec::new());
    let Ok(_permit) = readers.free.acquire().await else { return failed() };
    let pool = readers.clone();
    let page = tokio::task::spawn_blocking(move || {
        let lock = || pool.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = lock().pop()?;
        let page = read(&connection, &pool.tenant);
        lock().push(connection);
        page.ok()
    });
    let Ok(Some(mut connectors)) = page.await else { return failed() };
    let more = connectors.len() > PAGE;
    connectors.truncate(PAGE);
    let page = Page {
        context: "http://127.0.0.1/v1.0/$metadata#deviceManagement/exchangeConnectors",
        next: more.then_some("http://127.0.0.1/connectors?page=2"),
        value: connectors,
    };
    let Ok(body) = serde_json::to_vec(&page) else { return failed() };
    (StatusCode::OK, [("content-type", "application/json")], body)
}

fn read(connection: &Connection, tenant: &str) -> rusqlite::Result<Vec<Connector>> {
    let mut statement = connection.prepare_cached(SQL)?;
    let parameters = params![tenant, ConnectorStatus::Connected.number(), "ex", PAGE + 1];
    let rows = statement.query_map(parameters, connector)?;
    rows.collect()
}

fn connector(row: &Row<'_>) -> rusqlite::Result<Connector> {
    Ok(Connector {
        id: row.get(0)?,
        last_sync_date_time: Timestamp::from_ticks(row.get(1)?).to_string(),
        status: ConnectorStatus::from_number(row.get(2)?).map(|status| status.name()),
        primary_smtp_address: row.get(3)?,
        server_name: row.get(4)?,
        connector_server_name: row.get(5)?,
        exchange_connector_type: ConnectorType::from_number(row.get(6)?).map(|kind| kind.name()),
        version: row.get(7)?,
        exchange_alias: row.get(8)?,
        exchange_organization: row.get(9)?,
    })
}
