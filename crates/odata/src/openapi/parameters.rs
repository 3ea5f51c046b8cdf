use exconn_model::schema::EntityType;
use serde_json::{Value, json};

use crate::{
    filter,
    options::{MAX_ORDER, MAX_TOP, Purpose},
};

/// The query options of a request, as parameters. `$skiptoken` is left out, as in the Graph's own documents: it comes with
/// a next link, which is called as it is, and nobody can think of one.
pub fn query_parameters(purpose: Purpose, entity: &EntityType) -> Vec<Value> {
    let all = [
        ("$filter", filter_schema(), "Only what satisfies this condition."),
        ("$orderby", order_schema(entity), "The order; ties are broken by id."),
        ("$select", select_schema(entity), "Only these properties."),
        (
            "$top",
            json!({"type": "integer", "minimum": 0, "maximum": MAX_TOP}),
            "Size of a page; a next link follows while more remain.",
        ),
        (
            "$skip",
            json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": i64::MAX}),
            "Leave out so many at the front.",
        ),
        ("$count", json!({"type": "boolean"}), "Add the number of all that match."),
        (
            "$format",
            json!({"type": "string", "enum": ["json", "application/json"]}),
            "The form of the answer; wins over Accept.",
        ),
    ];
    let allowed = all.into_iter().filter(|(name, ..)| purpose.allows(name));
    allowed.map(|(name, schema, description)| parameter(name, schema, description)).collect()
}

fn parameter(name: &str, schema: Value, description: &str) -> Value {
    let is_list = schema.get("items").is_some();
    let mut parameter = json!({"name": name, "in": "query", "description": description, "schema": schema});
    if let Value::Object(members) = &mut parameter
        && is_list
    {
        members.insert("style".to_owned(), "form".into());
        members.insert("explode".to_owned(), false.into());
    }
    parameter
}

fn filter_schema() -> Value {
    let functions = filter::function_names().join(", ");
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": filter::MAX_LENGTH,
        "example": "id ne null",
        "description": format!("A condition of OData 4.0, with the functions {functions}."),
    })
}

fn order_schema(entity: &EntityType) -> Value {
    let sortable = entity.properties.iter().filter(|property| !property.kind.is_structure());
    let criteria: Vec<String> =
        sortable.flat_map(|property| [property.name.to_owned(), format!("{} desc", property.name)]).collect();
    json!({
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ORDER,
        "uniqueItems": true,
        "description": "Each property once.",
        "items": {"type": "string", "enum": criteria},
    })
}

fn select_schema(entity: &EntityType) -> Value {
    let names: Vec<&str> = entity.properties.iter().map(|property| property.name).collect();
    json!({
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "enum": names},
    })
}
