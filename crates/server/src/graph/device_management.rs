use exconn_model::DeviceManagement;

use super::{Ask, entity};
use crate::{failure::Failure, reply::Reply};

/// Its path below a version's root.
const PATH: &str = "deviceManagement";

/// `GET /{version}/deviceManagement`
pub(super) fn get(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let options = entity::options::<DeviceManagement>(ask)?;
    entity::single(ask, PATH, &DeviceManagement { tenant: ask.tenant() }, &options)
}
