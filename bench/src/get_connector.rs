use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Path, http::StatusCode, response::IntoResponse, routing::get};
use exconn_model::{Clock, ConnectorDraft, ConnectorId, Entropy, GraphEnum, RunId, TenantId, Timestamp};
use exconn_server::{
    App, AppConfig, NoAgents,
    auth::{Authentication, Keyring, Permission, TokenKind, TokenRequest, issue_token},
};
use exconn_store::{SqliteOptions, SqliteStore, Store};
use tokio::net::TcpListener;

use crate::{load, report::Section, system::System};

const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

/// `GET` of one connector with everything that the Graph asks for, beside a handler that only reads the row.
pub(crate) fn run() -> Result<Section, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (whole, bare) = runtime.block_on(start(folder.path()))?;
    let (mut whole_rates, mut bare_rates, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let bare = load::run(bare.0, &bare.1, CONNECTIONS, ROUND)?;
        let whole = load::run(whole.0, &whole.1, CONNECTIONS, ROUND)?;
        // The first round warms caches and connections.
        if round > 0 {
            bare_rates.push(bare.per_second);
            whole_rates.push(whole.per_second);
            latencies.push(whole.p99.as_secs_f64() * 1000.0);
        }
    }
    let (whole, bare, p99) = (median(whole_rates), median(bare_rates), median(latencies));
    let mut section = Section::new("GET one connector");
    section.note("requests per second", format!("{whole:.0}"));
    section.note("a bare axum handler with the same read", format!("{bare:.0}"));
    section.at_least("that is, of the bare handler's", whole / bare * 100.0, 70.0, " %");
    section.at_most(format!("99th percentile at {CONNECTIONS} connections"), p99, 10.0, " ms");
    Ok(section)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

type Target = (SocketAddr, String);

async fn start(folder: &std::path::Path) -> Result<(Target, Target), String> {
    let shown = |error: &dyn std::fmt::Display| error.to_string();
    let system = Arc::new(System);
    let keyring = Keyring::open_or_create(folder, &*system).map_err(|e| shown(&e))?;
    let tenant = keyring.tenant();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(folder, SqliteOptions::default()).map_err(|e| shown(&e))?);
    let id = ConnectorId(system.uuid());
    let draft = ConnectorDraft {
        server_name: Some("ex01.contoso.com".into()),
        exchange_alias: Some("contoso".into()),
        exchange_organization: Some("Contoso".into()),
        ..ConnectorDraft::default()
    };
    let created = store.create_connector(tenant, id, draft, RunId(system.uuid()), system.now()).await;
    created.map_err(|e| shown(&e))?;
    let token = issue_token(
        &keyring,
        &TokenRequest {
            permissions: &[Permission::ServiceConfigRead],
            kind: TokenKind::Application,
            subject: "bench",
            lifetime: Duration::from_secs(3600),
            now: system.now(),
            id: system.uuid(),
        },
    )
    .map_err(|e| shown(&e))?;

    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| shown(&e))?;
    let whole = listener.local_addr().map_err(|e| shown(&e))?;
    let config = AppConfig::new(tenant, whole, *keyring.paging_secret());
    let authentication = Authentication::built_in(&keyring);
    let app = App::new(store.clone(), system.clone(), system, authentication, config, Arc::new(NoAgents))
        .map_err(|e| shown(&e))?;
    tokio::spawn(exconn_server::serve(listener, None, app, std::future::pending()));

    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| shown(&e))?;
    let bare = listener.local_addr().map_err(|e| shown(&e))?;
    let router = Router::new()
        .route("/connectors/{id}", get(move |Path(id): Path<String>| read(store.clone(), tenant, id)));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let request = |address, path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n{more}\r\n")
    };
    let whole_request = request(
        whole,
        &format!("/v1.0/deviceManagement/exchangeConnectors/{id}"),
        &format!("Authorization: Bearer {token}\r\n"),
    );
    let bare_request = request(bare, &format!("/connectors/{id}"), "");
    Ok(((whole, whole_request), (bare, bare_request)))
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
