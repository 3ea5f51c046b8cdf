use exconn_model::{DeviceId, MobileDevice};

use super::SET;
use crate::{
    failure::Failure,
    graph::{Ask, entity},
    reply::Reply,
};

/// `GET …/managedDevices/{id}`
pub(in crate::graph) async fn get(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let options = entity::options::<MobileDevice>(ask)?;
    let id: DeviceId = ask.id.parse().map_err(|_| Failure::NotFound)?;
    let device = ask.service.store.device(ask.tenant(), id).await?;
    entity::reply(ask, SET, &device, &options)
}
