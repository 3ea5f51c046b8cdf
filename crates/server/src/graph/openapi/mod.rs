//! The OpenAPI document of the Graph's routes, written from the route table and the description of the entities.

mod operation;
mod responses;

use std::sync::LazyLock;

use exconn_model::{CONNECTOR, GRAPH_SERVICE};
use exconn_odata::{
    openapi,
    options::{self, Purpose},
};
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::{Version, document::Document};
use crate::{failure::Failure, reply::Reply, routes::ROUTES};

use operation::Described;

/// What stands before every path of the Graph in the route table.
const VERSION: &str = "/{version}";
/// The qualified name of the action, which clients call too.
const QUALIFIED_SYNC: &str = "/microsoft.graph.sync";

static V1: LazyLock<Document> = LazyLock::new(|| written(Version::V1));
static BETA: LazyLock<Document> = LazyLock::new(|| written(Version::Beta));

/// `GET /{version}/openapi.json`
pub(crate) fn get_description(version: Option<Version>, head: &Parts) -> Result<Reply, Failure> {
    options::parse(head.uri.query(), Purpose::Nothing, &CONNECTOR)?;
    let document = match version {
        Some(Version::Beta) => &BETA,
        _ => &V1,
    };
    document.reply(&head.headers)
}

fn written(version: Version) -> Document {
    // Every key is a text, and so writing cannot fail.
    let body = serde_json::to_vec(&document(version)).unwrap_or_default();
    Document::new("application/json; charset=utf-8", body)
}

fn document(version: Version) -> Value {
    let mut schemas = openapi::schemas(&GRAPH_SERVICE);
    schemas.extend(responses::schemas());
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "exconn",
            "version": version.name(),
            "description": "The part of Microsoft Graph that exconn serves. Names in paths and options may be in any \
                case; keys may also be written exchangeConnectors('id').",
        },
        // Relative to where the document was read: the same behind every public address.
        "servers": [{"url": format!("/{}", version.name())}],
        "security": [{"bearer": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas,
            "parameters": operation::shared_parameters(),
            "headers": responses::headers(),
            "responses": responses::failures(),
        },
    })
}

fn paths() -> Map<String, Value> {
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let Some(path) = route.path.strip_prefix(VERSION) else { continue };
        let Some(described) = Described::of(route.operation) else { continue };
        let path = path.replace("{id}", described.id_parameter());
        let method = route.method.as_str().to_ascii_lowercase();
        let aliases = path.strip_suffix("/sync").map(|entity| format!("{entity}{QUALIFIED_SYNC}"));
        let qualified = aliases.map(|path| (path, ".qualified"));
        for (path, suffix) in [(path, "")].into_iter().chain(qualified) {
            let methods = paths.entry(path).or_insert_with(|| json!({}));
            if let Value::Object(methods) = methods {
                methods.insert(method.clone(), described.operation(route.access, suffix));
            }
        }
    }
    paths
}
