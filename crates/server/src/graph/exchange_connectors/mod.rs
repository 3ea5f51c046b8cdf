//! `deviceManagement/exchangeConnectors`: one verb, one file.

mod change;
mod count;
mod create;
mod delete;
mod get;
mod list;
mod sync;
mod update;

pub(super) use count::count;
pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use sync::sync;
pub(super) use update::update;

use exconn_model::ConnectorId;

use super::Ask;
use crate::failure::Failure;

/// The path of the collection below a version's root.
const SET: &str = "deviceManagement/exchangeConnectors";

/// The connector that the path names. What is no id of ours is the id of nothing.
fn id(ask: &Ask<'_>) -> Result<ConnectorId, Failure> {
    ask.id.parse().map_err(|_| Failure::NotFound)
}
