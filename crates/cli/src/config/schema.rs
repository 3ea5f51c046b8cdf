//! The configuration as a JSON Schema, made of the description of its keys.

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Kind};

/// The schema.
pub(crate) fn schema() -> Value {
    let mut root = object();
    for key in keys::all().filter(|key| key.refused.is_empty()) {
        insert(&mut root, &key.path.split('.').collect::<Vec<_>>(), key);
    }
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".into(), json!("exconn configuration"));
    Value::Object(root)
}

fn object() -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".into(), json!("object"));
    object.insert("additionalProperties".into(), json!(false));
    object.insert("properties".into(), json!({}));
    object
}

fn insert(object_schema: &mut Map<String, Value>, path: &[&str], key: &Key) {
    let Some(Value::Object(properties)) = object_schema.get_mut("properties") else { return };
    match path {
        [] => {}
        [name] => {
            properties.insert((*name).to_owned(), leaf(key));
        }
        [name, "*", rest @ ..] => {
            let list = properties
                .entry(*name)
                .or_insert_with(|| json!({"type": "array", "items": Value::Object(object())}));
            if let Some(Value::Object(items)) = list.get_mut("items") {
                insert(items, rest, key);
            }
        }
        [name, rest @ ..] => {
            let inner = properties.entry(*name).or_insert_with(|| Value::Object(object()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, key);
            }
        }
    }
}

fn leaf(key: &Key) -> Value {
    match key.kind {
        Kind::Number => json!({"type": "integer", "minimum": 0, "description": key.about}),
        Kind::List => {
            json!({"type": ["string", "array"], "items": {"type": "string"}, "description": key.about})
        }
        Kind::Flag => json!({"type": "boolean", "description": key.about}),
        Kind::Choice(choices) => json!({"type": "string", "enum": choices, "description": key.about}),
        _ => json!({"type": "string", "description": key.about}),
    }
}
