use exconn_model::{ConnectorId, Finding, Step};
use serde::Serialize;

use super::no_options;
use crate::{answer::Call, app::Service, auth::Caller, failure::Failure, reply::Reply, routes::Operation};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Examination {
    /// Whether no step failed.
    passed: bool,
    steps: Vec<ShownStep>,
}

#[derive(Serialize)]
struct ShownStep {
    name: String,
    finding: &'static str,
    seen: String,
    cure: Option<String>,
}

impl From<Step> for ShownStep {
    fn from(step: Step) -> Self {
        let Step { name, finding } = step;
        let cure = finding.cure().map(str::to_owned);
        Self { name, finding: finding.name(), seen: finding.seen().to_owned(), cure }
    }
}

/// `POST /exconn/v1/connectors/{id}/test`: the steps by which the connection to Exchange is tried, and how each went.
pub(crate) async fn test_connector(
    service: &Service,
    caller: &Caller,
    id: &str,
    call: Call<'_>,
) -> Result<Reply, Failure> {
    no_options(call.head.uri.query())?;
    let connector: ConnectorId = id.parse().map_err(|_| Failure::NotFound)?;
    service.store.connector(caller.tenant, connector).await?;
    let steps = service.agents.examine(connector).await?;
    let passed = !steps.iter().any(|step| matches!(step.finding, Finding::Failed { .. }));
    let audit =
        call.asked().entry(service, Some(caller), Some(Operation::TestConnector), http::StatusCode::OK);
    service.store.record(vec![audit.clone()]).await?;
    let steps = steps.into_iter().map(ShownStep::from).collect();
    Ok(Reply::json(&Examination { passed, steps })?.with_audit(audit))
}
