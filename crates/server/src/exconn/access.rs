use exconn_model::{AccessDecision, AuditEntry, DeviceId};
use http::StatusCode;
use serde::Deserialize;

use super::{excerpt::excerpt, no_options};
use crate::{
    answer::Call, app::Service, auth::Caller, failure::Failure, reply::Reply, routes::Operation,
    wire::read_json,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object with a decision")]
struct Body {
    decision: Decision,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Decision {
    Allow,
    Block,
    ByRule,
}

impl Decision {
    fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::ByRule => "byRule",
        }
    }
}

impl From<Decision> for AccessDecision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow => Self::Allow,
            Decision::Block => Self::Block,
            Decision::ByRule => Self::ByRule,
        }
    }
}

/// `POST /exconn/v1/devices/{id}/access`: 204 once Exchange has taken the decision. The device's access state follows
/// when its mailbox was asked, which is soon, or with a sync that finds it changed.
pub(crate) async fn set_access(
    service: &Service,
    caller: &Caller,
    id: &str,
    mut call: Call<'_>,
) -> Result<Reply, Failure> {
    no_options(call.head.uri.query())?;
    let config = &service.config;
    let bytes = read_json(&call.head.headers, &mut call.body, config.body_limit, config.body_timeout).await?;
    let Body { decision } = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::bad(format!("The body is wrong: {}.", excerpt(&error.to_string()))))?;
    let id: DeviceId = id.parse().map_err(|_| Failure::NotFound)?;
    let device = service.store.device(caller.tenant, id).await?;
    // What never reaches Exchange has one line, which says that it was refused.
    service.agents.check_access(device.connector, &device.observed)?;
    let asked = call.asked();
    let entry = asked.entry(service, Some(caller), Some(Operation::SetDeviceAccess), StatusCode::NO_CONTENT);
    let audit = AuditEntry { detail: Some(decision.name().to_owned()), ..entry };
    // Before Exchange is asked: what it does must not be without its line. If it refuses, a second line says so.
    service.store.record_change(audit.clone()).await?;
    let (agents, store, tenant) = (service.agents.clone(), service.store.clone(), caller.tenant);
    // To the end, even if the client goes away: the answer of Exchange is what the log should know.
    let told = tokio::spawn(async move {
        let told = agents.set_access(device.connector, &device.observed, decision.into()).await;
        if told.is_ok() {
            // No listing of changes may ever name it, and the next one of all devices may be a day away.
            if let Err(error) = store.want_statistics(tenant, id).await {
                tracing::warn!(%error, "the mailbox of a device is not asked at once what became of its access");
            }
            agents.wake(device.connector);
        }
        told
    });
    told.await.map_err(|_| Failure::Unwritable)??;
    Ok(Reply::empty().with_audit(audit))
}
