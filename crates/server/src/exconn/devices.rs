use exconn_model::{DeviceId, GraphEnum, LearnedStatistics, MobileDevice, Timestamp};
use serde::Serialize;

use super::no_options;
use crate::{app::Service, auth::Caller, failure::Failure, reply::Reply};

/// What Exchange says of a partnership, in its own words where the Graph has none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Device<'a> {
    id: String,
    connector_id: String,
    partnership_id: String,
    device_id: &'a str,
    device_type: Option<&'a str>,
    device_model: Option<&'a str>,
    device_os: Option<&'a str>,
    friendly_name: Option<&'a str>,
    device_imei: Option<&'a str>,
    device_mobile_operator: Option<&'a str>,
    device_telephone_number: Option<&'a str>,
    device_user_agent: Option<&'a str>,
    client_type: Option<&'a str>,
    client_version: Option<&'a str>,
    identity: Option<&'a str>,
    mailbox: Option<&'a str>,
    user_display_name: Option<&'a str>,
    user_principal_name: Option<&'a str>,
    email_address: Option<&'a str>,
    access: Access<'a>,
    first_sync_date_time: Option<String>,
    created_date_time: Option<String>,
    changed_date_time: Option<String>,
    statistics: Option<Statistics<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Access<'a> {
    state: &'static str,
    reason: &'static str,
    listed_state: Option<&'a str>,
    listed_reason: Option<&'a str>,
    rule: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics<'a> {
    learned_date_time: String,
    last_success_date_time: Option<String>,
    last_attempt_date_time: Option<String>,
    wipe_requested_date_time: Option<String>,
    wipe_sent_date_time: Option<String>,
    wipe_acknowledged_date_time: Option<String>,
    status: Option<&'a str>,
    access_state: Option<&'a str>,
    access_state_reason: Option<&'a str>,
}

/// `GET /exconn/v1/devices/{id}`
pub(crate) async fn get_device(
    service: &Service,
    caller: &Caller,
    id: &str,
    query: Option<&str>,
) -> Result<Reply, Failure> {
    no_options(query)?;
    let id: DeviceId = id.parse().map_err(|_| Failure::NotFound)?;
    let device = service.store.device(caller.tenant, id).await?;
    Reply::json(&describe(&device))
}

fn describe(device: &MobileDevice) -> Device<'_> {
    let observed = &device.observed;
    let (state, reason) = device.access();
    Device {
        id: device.id.to_string(),
        connector_id: device.connector.to_string(),
        partnership_id: observed.partnership.to_string(),
        device_id: &observed.device_id,
        device_type: observed.device_type.as_deref(),
        device_model: observed.model.as_deref(),
        device_os: observed.operating_system.as_deref(),
        friendly_name: observed.friendly_name.as_deref(),
        device_imei: observed.imei.as_deref(),
        device_mobile_operator: observed.mobile_operator.as_deref(),
        device_telephone_number: observed.telephone_number.as_deref(),
        device_user_agent: observed.user_agent.as_deref(),
        client_type: observed.client_type.as_deref(),
        client_version: observed.client_version.as_deref(),
        identity: observed.identity.as_deref(),
        mailbox: observed.mailbox(),
        user_display_name: observed.user_display_name.as_deref(),
        user_principal_name: observed.user_principal_name.as_deref(),
        email_address: observed.email_address.as_deref(),
        access: Access {
            state: state.name(),
            reason: reason.name(),
            listed_state: observed.access_state.as_deref(),
            listed_reason: observed.access_state_reason.as_deref(),
            rule: observed.access_rule.as_deref(),
        },
        first_sync_date_time: text(observed.first_sync),
        created_date_time: text(observed.created),
        changed_date_time: text(observed.changed),
        statistics: device.statistics.as_ref().map(describe_statistics),
    }
}

fn describe_statistics(known: &LearnedStatistics) -> Statistics<'_> {
    let statistics = &known.statistics;
    Statistics {
        learned_date_time: known.learned.to_string(),
        last_success_date_time: text(statistics.last_success),
        last_attempt_date_time: text(statistics.last_attempt),
        wipe_requested_date_time: text(statistics.wipe_requested),
        wipe_sent_date_time: text(statistics.wipe_sent),
        wipe_acknowledged_date_time: text(statistics.wipe_acknowledged),
        status: statistics.status.as_deref(),
        access_state: statistics.access_state.as_deref(),
        access_state_reason: statistics.access_state_reason.as_deref(),
    }
}

fn text(moment: Option<Timestamp>) -> Option<String> {
    moment.map(|moment| moment.to_string())
}
