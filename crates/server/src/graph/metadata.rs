use std::sync::LazyLock;

use exconn_model::GRAPH_SERVICE;
use exconn_odata::metadata::{self, Format};
use http::{HeaderValue, request::Parts};

use super::document::Document;
use crate::{answer::ODATA_VERSION, failure::Failure, reply::Reply, wire::accepted_format};

static XML: LazyLock<Document> =
    LazyLock::new(|| Document::new("application/xml; charset=utf-8", metadata::xml(&GRAPH_SERVICE)));
static JSON: LazyLock<Document> =
    LazyLock::new(|| Document::new("application/json; charset=utf-8", metadata::json(&GRAPH_SERVICE)));

/// `GET /{version}/$metadata`: the same for both versions. `$format` wins over `Accept`.
pub(crate) fn get_metadata(head: &Parts) -> Result<Reply, Failure> {
    let requested = metadata::requested_format(head.uri.query())?;
    let format = requested.or_else(|| accepted_format(&head.headers)).ok_or(Failure::NotAcceptable)?;
    match format {
        Format::Xml => XML.reply(&head.headers),
        // This form exists since 4.01 only.
        Format::Json => {
            let version = HeaderValue::from_static("4.01");
            Ok(JSON.reply(&head.headers)?.with_header(ODATA_VERSION, Some(version)))
        }
    }
}
