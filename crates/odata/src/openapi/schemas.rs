use exconn_model::{
    MAX_TEXT,
    schema::{Action, EntityContainer, EntityType, EnumType, Property, PropertyType, SENTINEL},
};
use serde_json::{Map, Value, json};

use super::schema_name;
use crate::metadata::Types;

/// Moments as answers write them: UTC, up to seven digits behind the second.
const MOMENT_OUT: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,7})?Z$";
/// Moments as bodies may write them: with an offset, and with digits that are not kept.
const MOMENT_IN: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,12})?)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$";
/// Any text without U+0000.
const TEXT_IN: &str = "^[^\\u0000]*$";

/// The schemas of all types that answers hold. No member is required: `$select` leaves out what was not asked for.
pub fn schemas(container: &EntityContainer) -> Map<String, Value> {
    let types = Types::of(container);
    let mut schemas = Map::new();
    for kind in &types.enums {
        schemas.insert(schema_name(kind.name), enumeration(kind));
    }
    for kind in &types.complex {
        schemas.insert(
            schema_name(kind.name),
            json!({
                "type": "object",
                "description": kind.documentation,
                "properties": properties(kind.properties, |_| false),
            }),
        );
    }
    for kind in &types.entities {
        schemas.insert(schema_name(kind.name), entity(kind));
    }
    schemas
}

/// The schema that stands in the components under this type's name.
pub fn reference(kind: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", schema_name(kind))})
}

/// A page of a collection.
pub fn collection(kind: &EntityType) -> Value {
    json!({
        "type": "object",
        "required": ["value"],
        "properties": {
            "@odata.context": {"type": "string", "format": "uri"},
            "@odata.count": {
                "type": "integer",
                "format": "int64",
                "minimum": 0,
                "description": "The number of all that match, with $count=true.",
            },
            "@odata.nextLink": {
                "type": "string",
                "format": "uri",
                "description": "The next page, while more remain: call it as it is.",
            },
            "value": {"type": "array", "items": reference(kind.name)},
        },
    })
}

/// A body that creates an entity.
pub fn create_body(kind: &EntityType) -> Value {
    writable(kind, "Any of the properties; the service gives the others a value.")
}

/// A body that changes an entity: at least one property.
pub fn update_body(kind: &EntityType) -> Value {
    let mut body = writable(
        kind,
        "What changes, at least one property; id may be repeated as it is. null clears a text.",
    );
    let one_of_them: Vec<Value> =
        changeable(kind).map(|property| json!({"required": [property.name]})).collect();
    if let Value::Object(members) = &mut body {
        members.insert("anyOf".to_owned(), one_of_them.into());
    }
    body
}

/// A body that holds an action's parameters.
pub fn parameters_body(action: &Action) -> Value {
    let required: Vec<&str> =
        action.parameters.iter().filter(|one| !one.nullable).map(|one| one.name).collect();
    let properties: Map<String, Value> =
        action.parameters.iter().map(|one| (one.name.to_owned(), input(one))).collect();
    json!({
        "type": "object",
        "description": "Annotations, whose names contain @odata., are passed over.",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn writable(kind: &EntityType, description: &str) -> Value {
    let mut properties = Map::new();
    let named = format!("#{}", schema_name(kind.name));
    properties.insert("@odata.type".to_owned(), json!({"type": "string", "enum": [named]}));
    for property in changeable(kind) {
        properties.insert(property.name.to_owned(), input(property));
    }
    json!({
        "type": "object",
        "description": format!(
            "{description} Other annotations, whose names contain @odata., are passed over."
        ),
        "properties": properties,
        "additionalProperties": false,
    })
}

fn changeable(kind: &EntityType) -> impl Iterator<Item = &'static Property> {
    kind.properties.iter().filter(|property| !kind.is_read_only(property))
}

fn enumeration(kind: &EnumType) -> Value {
    let members: Vec<&str> = kind.members.iter().map(|member| member.name).collect();
    let mut description = kind.documentation.to_owned();
    for member in kind.members {
        description.push_str(&format!("\n- {} ({}): {}", member.name, member.number, member.documentation));
    }
    json!({"type": "string", "enum": members, "description": description})
}

fn entity(kind: &EntityType) -> Value {
    let text = |description: &str| json!({"type": "string", "readOnly": true, "description": description});
    let mut members = Map::new();
    members.insert("@odata.context".to_owned(), text("What the answer is, in terms of $metadata."));
    members.insert("@odata.type".to_owned(), text("The type; with odata.metadata=full."));
    members.insert("@odata.id".to_owned(), text("The entity's id as an address; with odata.metadata=full."));
    members
        .insert("@odata.etag".to_owned(), text("The entity tag, if there is one; with odata.metadata=full."));
    let link = if kind.is_changeable { "@odata.editLink" } else { "@odata.readLink" };
    members.insert(link.to_owned(), text("The entity's address below the root; with odata.metadata=full."));
    members.extend(properties(kind.properties, |property| kind.is_read_only(property)));
    json!({"type": "object", "description": kind.documentation, "properties": members})
}

fn properties(
    properties: &'static [Property],
    is_read_only: impl Fn(&Property) -> bool,
) -> Map<String, Value> {
    let described = properties.iter().map(|property| {
        let mut schema = output(property);
        schema.insert("description".to_owned(), property.documentation.into());
        if is_read_only(property) {
            schema.insert("readOnly".to_owned(), true.into());
        }
        (property.name.to_owned(), schema.into())
    });
    described.collect()
}

/// A property in an answer.
fn output(property: &Property) -> Map<String, Value> {
    let schema = match property.kind {
        PropertyType::Boolean => json!({"type": "boolean"}),
        PropertyType::String if property.name == "id" => json!({"type": "string", "format": "uuid"}),
        PropertyType::String => json!({"type": "string"}),
        PropertyType::Int32 => json!({"type": "integer", "format": "int32"}),
        PropertyType::DateTimeOffset => {
            json!({"type": "string", "format": "date-time", "pattern": MOMENT_OUT})
        }
        // A reference takes no neighbours in OpenAPI 3.0.
        PropertyType::Enum(kind) => json!({"allOf": [reference(kind.name)]}),
        PropertyType::Complex(kind) => json!({"allOf": [reference(kind.name)]}),
    };
    object(schema, property)
}

/// A property in a body.
fn input(property: &Property) -> Value {
    let mut schema = match property.kind {
        PropertyType::String => json!({"type": "string", "maxLength": MAX_TEXT, "pattern": TEXT_IN}),
        PropertyType::DateTimeOffset => {
            json!({"type": "string", "format": "date-time", "pattern": MOMENT_IN})
        }
        PropertyType::Enum(kind) => {
            let members: Vec<&str> =
                kind.members.iter().map(|member| member.name).filter(|name| *name != SENTINEL).collect();
            json!({"type": "string", "enum": members})
        }
        _ => return output(property).into(),
    };
    if let Value::Object(members) = &mut schema {
        members.insert("description".to_owned(), property.documentation.into());
    }
    object(schema, property).into()
}

/// The members of a schema, with `nullable` where that is so.
fn object(schema: Value, property: &Property) -> Map<String, Value> {
    let Value::Object(mut members) = schema else { return Map::new() };
    // Without a type beside it, OpenAPI 3.0.3 gives the keyword no meaning.
    if property.nullable && members.contains_key("type") {
        members.insert("nullable".to_owned(), true.into());
    }
    members
}
