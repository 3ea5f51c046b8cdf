//! Bodies of requests: JSON objects, checked against a description.

use exconn_model::{
    MAX_TEXT, Timestamp, TimestampError,
    schema::{EntityType, EnumType, Property, PropertyType, SENTINEL, Value},
};

use crate::{
    excerpt::excerpt,
    json::{self, Json, NoMembers},
    names,
};

/// Most members of a body, annotations included.
pub const MAX_MEMBERS: usize = 100;

/// What becomes of `unknownFutureValue` in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentinel {
    /// It is refused: nothing can be created with a value that nobody knows.
    Refuse,
    /// The property counts as absent: a client gives back what it was shown.
    Leave,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON.
    #[error(
        "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON \
         format. ({0})"
    )]
    NotJson(String),
    /// JSON, but not an object.
    #[error("The request payload must be a JSON object: members in braces.")]
    NotAnObject,
    /// Too many members.
    #[error("The request payload has more than {MAX_MEMBERS} members.")]
    TooMany,
    /// A member that is given twice.
    #[error("The property '{0}' is given more than once.")]
    Repeated(String),
    /// A property that the type does not have.
    #[error(
        "The property '{name}' does not exist on type 'microsoft.graph.{entity}'. Make sure to only use property names \
         that are defined by the type or mark the type as open type. It has {known}."
    )]
    Unknown {
        /// The name.
        name: String,
        /// The entity.
        entity: &'static str,
        /// The properties that there are.
        known: String,
    },
    /// A parameter that the action does not have.
    #[error("The parameter '{name}' does not exist; the action takes '{wanted}'.")]
    UnknownParameter {
        /// The name.
        name: String,
        /// The parameter that there is.
        wanted: &'static str,
    },
    /// A parameter that is missing.
    #[error("The parameter '{name}' is required; it takes {accepted}.")]
    Missing {
        /// The name.
        name: &'static str,
        /// What would be accepted.
        accepted: String,
    },
    /// `@odata.type` that names another type.
    #[error(
        "A type named '{given}' could not be resolved by the model here; the type is '#microsoft.graph.{wanted}'."
    )]
    WrongType {
        /// The type that was given.
        given: String,
        /// The type that fits.
        wanted: &'static str,
    },
    /// A value that the parameter does not take.
    #[error("The parameter '{name}' cannot be {given}; it takes {accepted}.")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// What was given.
        given: String,
        /// What would be accepted.
        accepted: String,
    },
    /// A value that the property does not take.
    #[error("The property '{name}' cannot be {given}; it takes {accepted}.")]
    Value {
        /// The property.
        name: &'static str,
        /// What was given.
        given: String,
        /// What would be accepted.
        accepted: String,
    },
    /// A text that is not the moment which the property takes.
    #[error("The property '{name}' cannot be '{given}': {reason}.")]
    Moment {
        /// The property.
        name: &'static str,
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: TimestampError,
    },
}

/// Reads the properties of an entity: positions in its description and values of their types. Annotations are passed over.
pub fn entity(
    body: &[u8],
    entity: &'static EntityType,
    sentinel: Sentinel,
) -> Result<Vec<(usize, Value<'static>)>, BodyError> {
    let mut properties = Vec::new();
    for (name, json) in members_of(body)? {
        if name == "@odata.type" {
            check_type(&json, entity)?;
        } else if !name.contains("@odata.") {
            let position = entity.position_exact(&name);
            let property = position.and_then(|position| Some((position, entity.properties.get(position)?)));
            let Some((position, property)) = property else {
                return Err(BodyError::Unknown {
                    name: excerpt(&name),
                    entity: entity.name,
                    known: names::properties(entity),
                });
            };
            if let Some(value) = value(property, json, sentinel)? {
                properties.push((position, value));
            }
        }
    }
    Ok(properties)
}

/// Reads the one parameter of an action, a member of a closed enumeration, as its number.
pub fn enum_parameter(
    body: &[u8],
    parameter: &'static str,
    kind: &'static EnumType,
) -> Result<i32, BodyError> {
    let mut found = None;
    for (name, json) in members_of(body)? {
        if name == parameter {
            found = Some(json);
        } else if !name.contains("@odata.") {
            return Err(BodyError::UnknownParameter { name: excerpt(&name), wanted: parameter });
        }
    }
    let accepted = || members(kind);
    match found {
        None | Some(Json::Null) => Err(BodyError::Missing { name: parameter, accepted: accepted() }),
        Some(Json::Text(name)) if kind.number_of(&name).is_some() => {
            Ok(kind.number_of(&name).unwrap_or_default())
        }
        Some(other) => {
            Err(BodyError::Parameter { name: parameter, given: describe(&other), accepted: accepted() })
        }
    }
}

fn check_type(json: &Json, entity: &'static EntityType) -> Result<(), BodyError> {
    let given = match json {
        Json::Text(text) => text.as_str(),
        _ => "",
    };
    let named = given.strip_prefix('#').unwrap_or(given);
    if named.strip_prefix("microsoft.graph.") == Some(entity.name) {
        return Ok(());
    }
    Err(BodyError::WrongType { given: excerpt(named), wanted: entity.name })
}

/// The value of a property; `None` if it counts as absent.
fn value(property: &Property, json: Json, sentinel: Sentinel) -> Result<Option<Value<'static>>, BodyError> {
    let refused = |given: String, accepted: String| BodyError::Value { name: property.name, given, accepted };
    match (property.kind, json) {
        (_, Json::Null) if property.nullable => Ok(Some(Value::Null)),
        (PropertyType::String, Json::Text(text)) => {
            if text.chars().count() > MAX_TEXT {
                let given = format!("a text of {} characters", text.chars().count());
                return Err(refused(given, format!("at most {MAX_TEXT} characters")));
            }
            // Databases take it for the end of a text, or refuse it.
            if text.contains('\0') {
                return Err(refused("a text with U+0000".to_owned(), "any other characters".to_owned()));
            }
            Ok(Some(Value::Text(text.into())))
        }
        (PropertyType::Boolean, Json::Boolean(value)) => Ok(Some(Value::Boolean(value))),
        (PropertyType::DateTimeOffset, Json::Text(text)) => match Timestamp::parse(&text) {
            Ok(moment) => Ok(Some(Value::Timestamp(moment))),
            Err(reason) => Err(BodyError::Moment { name: property.name, given: excerpt(&text), reason }),
        },
        (PropertyType::Enum(kind), Json::Text(name)) => match kind.number_of(&name) {
            Some(_) if kind.has_sentinel && name == SENTINEL => match sentinel {
                Sentinel::Leave => Ok(None),
                Sentinel::Refuse => Err(refused(format!("'{SENTINEL}'"), members(kind))),
            },
            Some(number) => Ok(Some(Value::Enum(kind, number))),
            None => Err(refused(format!("'{}'", excerpt(&name)), members(kind))),
        },
        (kind, other) => Err(refused(
            describe(&other),
            match kind {
                PropertyType::String => "a text".to_owned() + if property.nullable { " or null" } else { "" },
                PropertyType::Boolean => "true or false".to_owned(),
                PropertyType::DateTimeOffset => "a date and time such as 2026-01-31T08:00:00Z".to_owned(),
                PropertyType::Enum(kind) => members(kind),
                PropertyType::Int32 => "a whole number".to_owned(),
                PropertyType::Complex(_) => "only what the service gives".to_owned(),
            },
        )),
    }
}

fn members(kind: &EnumType) -> String {
    names::listed(kind.members.iter().map(|member| member.name).filter(|name| *name != SENTINEL))
}

fn describe(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Boolean(value) => value.to_string(),
        Json::Number => "a number".to_owned(),
        Json::Text(text) => format!("'{}'", excerpt(text)),
        Json::Array => "an array".to_owned(),
        Json::Object => "an object".to_owned(),
    }
}

fn members_of(body: &[u8]) -> Result<Vec<(String, Json)>, BodyError> {
    json::members(body, MAX_MEMBERS).map_err(|reason| match reason {
        NoMembers::NotJson(reason) => BodyError::NotJson(reason),
        NoMembers::NotAnObject => BodyError::NotAnObject,
        NoMembers::TooMany => BodyError::TooMany,
        NoMembers::Repeated(name) => BodyError::Repeated(excerpt(&name)),
    })
}
