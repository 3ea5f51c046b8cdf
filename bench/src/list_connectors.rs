use std::path::Path;

use exconn_model::{Clock, ConnectorDraft, ConnectorId, ConnectorStatus, Entropy, RunId};
use tokio::task::JoinSet;

use crate::{
    bare_list,
    load::{self, Target},
    report::Section,
    service::Service,
    system::System,
};

const CONNECTORS: u32 = 1000;
const CONNECTIONS: usize = 16;
const PATH: &str = "/exchangeConnectors?$filter=status%20eq%20'connected'%20and%20startswith(serverName,'ex')\
    &$orderby=lastSyncDateTime%20desc,serverName&$top=20";

/// A filtered and ordered page of connectors, beside a handler that runs the same SQL and writes the same JSON.
pub(crate) fn run() -> Result<Section, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (whole, bare) = runtime.block_on(start(folder.path()))?;
    let (ours, theirs) = (load::once(&whole)?, load::once(&bare)?);
    if ours["value"] != theirs["value"] || ours["value"].as_array().map(Vec::len) != Some(20) {
        return Err(format!("the answers are not the same page:\n{ours}\n{theirs}"));
    }
    let loads = load::alternating(&[&bare, &whole], CONNECTIONS)?;
    let [bare, whole] = loads.as_slice() else { return Err("each target has its figures".into()) };
    let mut section = Section::new("A filtered, ordered page of 20 out of 1,000 connectors");
    section.note("requests per second", format!("{:.0}", whole.per_second));
    section.note("a bare axum handler with the same SQL and JSON", format!("{:.0}", bare.per_second));
    section.at_least(
        "that is, of the bare handler's",
        whole.per_second / bare.per_second * 100.0,
        60.0,
        " %",
    );
    let p99 = whole.p99.as_secs_f64() * 1000.0;
    section.at_most(format!("99th percentile at {CONNECTIONS} connections"), p99, 15.0, " ms");
    section.note("the bare handler's", format!("{:.2} ms", bare.p99.as_secs_f64() * 1000.0));
    Ok(section)
}

async fn start(folder: &Path) -> Result<(Target, Target), String> {
    let service = Service::start(folder).await?;
    let mut creating = JoinSet::new();
    for number in 0..CONNECTORS {
        let (store, tenant) = (service.store.clone(), service.tenant);
        creating.spawn(async move {
            let (id, run) = (ConnectorId(System.uuid()), RunId(System.uuid()));
            store.create_connector(tenant, id, draft(number), run, System.now(), System.audit(tenant)).await
        });
    }
    while let Some(created) = creating.join_next().await {
        created.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    }
    let bare = bare_list::serve(folder, service.tenant).await?;
    Ok((service.get(PATH), Target::get(bare, "/connectors", "")))
}

/// Three of four are connected, two of three have a name that is asked for, and moments meet.
fn draft(number: u32) -> ConnectorDraft {
    let text = |text: String| Some(text);
    ConnectorDraft {
        last_sync: exconn_model::Timestamp::from_unix_seconds(1_790_000_000 + i64::from(number * 7919 % 300)),
        status: match number % 4 {
            0 => ConnectorStatus::Disconnected,
            _ => ConnectorStatus::Connected,
        },
        server_name: text(match number % 3 {
            0 => format!("mail{number:04}.contoso.com"),
            _ => format!("ex{number:04}.contoso.com"),
        }),
        connector_server_name: text(format!("agent{:02}", number % 50)),
        version: text("1.4.0".into()),
        exchange_alias: text(format!("contoso-{number}")),
        exchange_organization: text("Contoso".into()),
        ..ConnectorDraft::default()
    }
}
