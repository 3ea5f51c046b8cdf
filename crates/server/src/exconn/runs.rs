use exconn_model::{ConnectorId, GraphEnum, RunId, RunState, SyncRun, Timestamp};
use serde::Serialize;

use super::{no_options, options};
use crate::{app::Service, auth::Caller, failure::Failure, reply::Reply};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

#[derive(Serialize)]
struct Runs {
    value: Vec<Run>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    id: String,
    connector_id: String,
    kind: &'static str,
    state: &'static str,
    requested_date_time: String,
    started_date_time: Option<String>,
    finished_date_time: Option<String>,
    attempt: u32,
    counts: Counts,
    failure: Option<&'static str>,
    detail: Option<String>,
    waiting_for: Option<&'static str>,
}

#[derive(Serialize)]
struct Counts {
    seen: u64,
    added: u64,
    changed: u64,
    removed: u64,
}

/// `GET /exconn/v1/connectors/{id}/runs?limit=`
pub(crate) async fn list_runs(
    service: &Service,
    caller: &Caller,
    id: &str,
    query: Option<&str>,
) -> Result<Reply, Failure> {
    let limit = limit(query)?;
    let connector: ConnectorId = id.parse().map_err(|_| Failure::NotFound)?;
    let runs = service.store.runs(caller.tenant, connector, limit).await?;
    if runs.is_empty() {
        // An empty list and an unknown connector are not the same answer.
        service.store.connector(caller.tenant, connector).await?;
    }
    Reply::json(&Runs { value: runs.into_iter().map(|run| describe(service, run)).collect() })
}

/// `GET /exconn/v1/runs/{id}`
pub(crate) async fn get_run(
    service: &Service,
    caller: &Caller,
    id: &str,
    query: Option<&str>,
) -> Result<Reply, Failure> {
    no_options(query)?;
    let id: RunId = id.parse().map_err(|_| Failure::NotFound)?;
    let run = service.store.run(caller.tenant, id).await?;
    Reply::json(&describe(service, run))
}

fn describe(service: &Service, run: SyncRun) -> Run {
    let waits = run.state == RunState::Queued && !service.agents.is_served(run.connector);
    let text = |moment: Timestamp| moment.to_string();
    Run {
        id: run.id.to_string(),
        connector_id: run.connector.to_string(),
        kind: run.kind.name(),
        state: run.state.name(),
        requested_date_time: text(run.requested_at),
        started_date_time: run.started_at.map(text),
        finished_date_time: run.finished_at.map(text),
        attempt: run.attempt,
        counts: Counts {
            seen: run.counts.seen,
            added: run.counts.added,
            changed: run.counts.changed,
            removed: run.counts.removed,
        },
        failure: run.failure.map(|kind| kind.name()),
        detail: run.detail,
        waiting_for: waits.then_some("agent"),
    }
}

fn limit(query: Option<&str>) -> Result<u32, Failure> {
    let mut limit = DEFAULT_LIMIT;
    for option in options(query) {
        match option.split_once('=') {
            Some(("limit", number)) => {
                limit =
                    number.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
                        Failure::bad(format!("limit must be a number from 1 to {MAX_LIMIT}."))
                    })?;
            }
            _ => return Err(Failure::bad("The only query option here is limit.")),
        }
    }
    Ok(limit)
}
