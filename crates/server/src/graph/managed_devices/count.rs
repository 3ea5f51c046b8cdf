use exconn_model::MobileDevice;

use crate::{
    failure::Failure,
    graph::{Ask, collection},
    reply::Reply,
};

/// `GET …/managedDevices/$count`
pub(in crate::graph) async fn count(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let filter = collection::count_options::<MobileDevice>(ask)?;
    let count = ask.service.store.count_devices(ask.tenant(), filter.as_ref()).await?;
    Ok(Reply::text(count.to_string()))
}
