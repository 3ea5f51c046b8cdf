use exconn_model::{DEVICE_MANAGEMENT, GRAPH_SERVICE};
use exconn_odata::{
    metadata,
    options::{self, Purpose},
};

use super::Ask;
use crate::{failure::Failure, reply::Reply};

/// `GET /{version}/`
pub(super) fn get(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let options = options::parse(ask.head.uri.query(), Purpose::Document, &DEVICE_MANAGEMENT)?;
    let form = ask.form(&options)?;
    Ok(ask.odata(form, metadata::service_document(ask.root, &GRAPH_SERVICE, form.metadata)))
}
