use std::sync::Arc;

use axum::{Router, extract::Path, http::StatusCode, response::IntoResponse, routing::get};
use exconn_model::{Clock, ConnectorDraft, ConnectorId, Entropy, GraphEnum, RunId, TenantId, Timestamp};
use exconn_store::Store;

use crate::{
    load::{self, Target},
    report::Section,
    service::{Service, serve_bare},
    system::System,
};

const CONNECTIONS: usize = 16;

/// `GET` of one connector with everything that the Graph asks for, beside a handler that only reads the row.
pub(crate) fn run() -> Result<Section, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (whole, bare) = runtime.block_on(start(folder.path()))?;
    let loads = load::alternating(&[&bare, &whole], CONNECTIONS)?;
    let [bare, whole] = loads.as_slice() else { return Err("each target has its figures".into()) };
    let mut section = Section::new("GET one connector");
    section.note("requests per second", format!("{:.0}", whole.per_second));
    section.note("a bare axum handler with the same read", format!("{:.0}", bare.per_second));
    section.at_least(
        "that is, of the bare handler's",
        whole.per_second / bare.per_second * 100.0,
        70.0,
        " %",
    );
    let p99 = whole.p99.as_secs_f64() * 1000.0;
    section.at_most(format!("99th percentile at {CONNECTIONS} connections"), p99, 10.0, " ms");
    Ok(section)
}

async fn start(folder: &std::path::Path) -> Result<(Target, Target), String> {
    let service = Service::start(folder).await?;
    let (store, tenant) = (service.store.clone(), service.tenant);
    let id = ConnectorId(System.uuid());
    let draft = ConnectorDraft {
        server_name: Some("ex01.contoso.com".into()),
        exchange_alias: Some("contoso".into()),
        exchange_organization: Some("Contoso".into()),
        ..ConnectorDraft::default()
    };
    let run = RunId(System.uuid());
    let created = store.create_connector(tenant, id, draft, run, System.now(), System.audit(tenant)).await;
    created.map_err(|error| error.to_string())?;
    let router = Router::new()
        .route("/connectors/{id}", get(move |Path(id): Path<String>| read(store.clone(), tenant, id)));
    let bare = serve_bare(router).await?;
    let whole = service.get(&format!("/exchangeConnectors/{id}"));
    Ok((whole, Target::get(bare, &format!("/connectors/{id}"), "")))
}

/// The least that a service could do: read the row and write it as JSON.
async fn read(store: Arc<dyn Store>, tenant: TenantId, id: String) -> impl IntoResponse {
    let Ok(id) = id.parse() else {
        return (StatusCode::NOT_FOUND, [("content-type", "text/plain")], Vec::new());
    };
    match store.connector(tenant, id).await {
        Err(_) => (StatusCode::NOT_FOUND, [("content-type", "text/plain")], Vec::new()),
        Ok(connector) => {
            let set: Option<Timestamp> = connector.last_sync.is_set().then_some(connector.last_sync);
            let body = serde_json::json!({
                "id": connector.id.to_string(),
                "lastSyncDateTime": set.map(|at| at.to_string()),
                "status": connector.status.name(),
                "primarySmtpAddress": connector.primary_smtp_address,
                "serverName": connector.server_name,
                "connectorServerName": connector.connector_server_name,
                "exchangeConnectorType": connector.connector_type.name(),
                "version": connector.version,
                "exchangeAlias": connector.exchange_alias,
                "exchangeOrganization": connector.exchange_organization,
            });
            (
                StatusCode::OK,
                [("content-type", "application/json")],
                serde_json::to_vec(&body).unwrap_or_default(),
            )
        }
    }
}
