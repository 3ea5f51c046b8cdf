use exconn_model::ManagedDeviceOverview;

use crate::{
    failure::Failure,
    graph::{Ask, entity},
    reply::Reply,
};

/// Its path below a version's root.
const PATH: &str = "deviceManagement/managedDeviceOverview";

/// `GET …/managedDeviceOverview`
pub(in crate::graph) async fn overview(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let options = entity::options::<ManagedDeviceOverview>(ask)?;
    let tenant = ask.tenant();
    let devices = ask.service.store.device_overview(tenant).await?;
    entity::single(ask, PATH, &ManagedDeviceOverview { tenant, devices }, &options)
}
