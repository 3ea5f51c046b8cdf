//! `--set name=value`.

use exconn_model::{CONNECTOR, schema::PropertyType};
use serde_json::{Map, Value};

use crate::client::ClientError;

/// The body that the assignments stand for. The service checks the values; names are checked here, where the nearest one
/// can be told.
pub(super) fn body(assignments: &[String]) -> Result<Value, ClientError> {
    let mut body = Map::new();
    for assignment in assignments {
        let usage = |reason: String| ClientError::Usage(format!("--set {assignment}: {reason}"));
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| usage("write NAME=VALUE, or NAME=null".into()))?;
        let Some(property) = CONNECTOR.properties.iter().find(|property| property.name == name) else {
            let likeness = |known: &str| strsim::jaro_winkler(known, name);
            let names = CONNECTOR.properties.iter().map(|property| property.name);
            let nearest = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default();
            return Err(usage(format!("there is no property '{name}'; did you mean '{nearest}'?")));
        };
        let value = match (property.kind, value) {
            (_, "null") => Value::Null,
            (PropertyType::Boolean, "true") => Value::Bool(true),
            (PropertyType::Boolean, "false") => Value::Bool(false),
            (_, text) => Value::from(text),
        };
        if body.insert(name.to_owned(), value).is_some() {
            return Err(usage(format!("'{name}' is set twice")));
        }
    }
    Ok(Value::Object(body))
}
