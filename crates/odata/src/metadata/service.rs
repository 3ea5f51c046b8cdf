use exconn_model::schema::EntityContainer;
use serde_json::{Map, Value, json};

use crate::render::Metadata;

/// The service document: what can be asked for at a version's root (OData JSON 4.0, 5).
pub fn service_document(root: &str, container: &EntityContainer, metadata: Metadata) -> Vec<u8> {
    let mut document = Map::new();
    if metadata != Metadata::None {
        document.insert("@odata.context".to_owned(), format!("{root}/$metadata").into());
    }
    let singletons: Vec<Value> = container
        .singletons
        .iter()
        .map(|singleton| json!({"name": singleton.name, "kind": "Singleton", "url": singleton.name}))
        .collect();
    document.insert("value".to_owned(), singletons.into());
    serde_json::to_vec(&document).unwrap_or_default()
}
