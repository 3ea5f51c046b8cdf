use exconn_model::DeviceOverview;
use exconn_odata::render::Metadata;
use serde::Serialize;

use crate::{failure::Failure, graph::Ask, reply::Reply};

const PATH: &str = "deviceManagement/managedDeviceOverview";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    #[serde(rename = "@odata.context", skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(rename = "@odata.type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    enrolled_device_count: u64,
    device_exchange_access_state_summary: Summary,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(rename = "@odata.type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    allowed_device_count: u64,
    blocked_device_count: u64,
    quarantined_device_count: u64,
    unknown_device_count: u64,
    unavailable_device_count: u64,
}

/// `GET …/managedDeviceOverview`
pub(in crate::graph) async fn overview(ask: &Ask<'_>) -> Result<Reply, Failure> {
    ask.no_options()?;
    let metadata = ask.accepted.ok_or(Failure::NotAcceptable)?;
    let counts: DeviceOverview = ask.service.store.device_overview(ask.tenant()).await?;
    let full = metadata == Metadata::Full;
    let overview = Overview {
        context: (metadata != Metadata::None).then(|| format!("{}/$metadata#{PATH}/$entity", ask.root)),
        kind: full.then_some("#microsoft.graph.managedDeviceOverview"),
        enrolled_device_count: counts.total(),
        device_exchange_access_state_summary: Summary {
            kind: full.then_some("microsoft.graph.deviceExchangeAccessStateSummary"),
            allowed_device_count: counts.allowed,
            blocked_device_count: counts.blocked,
            quarantined_device_count: counts.quarantined,
            unknown_device_count: counts.unknown,
            unavailable_device_count: counts.unavailable,
        },
    };
    let body = serde_json::to_vec(&overview).map_err(|_| Failure::Unwritable)?;
    Ok(ask.odata(metadata, body))
}
