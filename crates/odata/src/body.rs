//! Bodies of requests: JSON objects, checked against a description.

use std::fmt;

use exconn_model::{
    MAX_TEXT, Timestamp,
    schema::{EntityType, EnumType, Property, PropertyType, Value},
};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value as Json;

const SENTINEL: &str = "unknownFutureValue";

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
    #[error("The request payload must be a JSON object, for instance {{}}.")]
    NotAnObject,
    /// A member that is given twice.
    #[error("The property '{0}' is given more than once.")]
    Repeated(String),
    /// A property that the type does not have.
    #[error(
        "The property '{name}' does not exist on type 'microsoft.graph.{entity}'. Make sure to only use property names \
         that are defined by the type or mark the type as open type."
    )]
    Unknown {
        /// The name.
        name: String,
        /// The entity.
        entity: &'static str,
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
    /// A value that the property does not take.
    #[error("The property '{name}' cannot be {given}; it takes {accepted}.")]
    Value {
        /// The property or parameter.
        name: String,
        /// What was given.
        given: String,
        /// What would be accepted.
        accepted: String,
    },
}

/// Reads the properties of an entity: positions in its description and values of their types. Annotations are passed over.
pub fn entity(
    body: &[u8],
    entity: &'static EntityType,
    sentinel: Sentinel,
) -> Result<Vec<(usize, Value<'static>)>, BodyError> {
    let mut properties = Vec::new();
    for (name, json) in object(body)? {
        if name == "@odata.type" {
            check_type(&json, entity)?;
        } else if !name.contains("@odata.") {
            let position = entity.position_exact(&name);
            let property = position.and_then(|position| Some((position, entity.properties.get(position)?)));
            let Some((position, property)) = property else {
                return Err(BodyError::Unknown { name: shown(&name), entity: entity.name });
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
    for (name, json) in object(body)? {
        if name == parameter {
            found = Some(json);
        } else if !name.contains("@odata.") {
            return Err(BodyError::UnknownParameter { name: shown(&name), wanted: parameter });
        }
    }
    let accepted = || members(kind);
    match found {
        None | Some(Json::Null) => Err(BodyError::Missing { name: parameter, accepted: accepted() }),
        Some(Json::String(name)) if kind.number_of(&name).is_some() => {
            Ok(kind.number_of(&name).unwrap_or_default())
        }
        Some(other) => Err(BodyError::Value {
            name: parameter.to_owned(),
            given: describe(&other),
            accepted: accepted(),
        }),
    }
}

fn check_type(json: &Json, entity: &'static EntityType) -> Result<(), BodyError> {
    let given = json.as_str().unwrap_or_default();
    let named = given.trim_start_matches('#');
    if named.strip_prefix("microsoft.graph.") == Some(entity.name) {
        return Ok(());
    }
    Err(BodyError::WrongType { given: shown(named), wanted: entity.name })
}

/// The value of a property; `None` if it counts as absent.
fn value(property: &Property, json: Json, sentinel: Sentinel) -> Result<Option<Value<'static>>, BodyError> {
    let refused = |given: String, accepted: String| BodyError::Value {
        name: property.name.to_owned(),
        given,
        accepted,
    };
    match (property.kind, json) {
        (_, Json::Null) if property.nullable => Ok(Some(Value::Null)),
        (PropertyType::String, Json::String(text)) => {
            if text.chars().count() > MAX_TEXT {
                let given = format!("a text of {} characters", text.chars().count());
                return Err(refused(given, format!("at most {MAX_TEXT} characters")));
            }
            Ok(Some(Value::Text(text.into())))
        }
        (PropertyType::Boolean, Json::Bool(value)) => Ok(Some(Value::Boolean(value))),
        (PropertyType::DateTimeOffset, Json::String(text)) => match Timestamp::parse(&text) {
            Ok(moment) => Ok(Some(Value::Timestamp(moment))),
            Err(reason) => Err(refused(format!("'{}'", shown(&text)), reason.to_string())),
        },
        (PropertyType::Enum(kind), Json::String(name)) => match kind.number_of(&name) {
            Some(_) if kind.has_sentinel && name == SENTINEL => match sentinel {
                Sentinel::Leave => Ok(None),
                Sentinel::Refuse => Err(refused(format!("'{SENTINEL}'"), members(kind))),
            },
            Some(number) => Ok(Some(Value::Enum(kind, number))),
            None => Err(refused(format!("'{}'", shown(&name)), members(kind))),
        },
        (kind, other) => Err(refused(
            describe(&other),
            match kind {
                PropertyType::String => "a text".to_owned() + if property.nullable { " or null" } else { "" },
                PropertyType::Boolean => "true or false".to_owned(),
                PropertyType::DateTimeOffset => "a date and time such as 2026-01-31T08:00:00Z".to_owned(),
                PropertyType::Enum(kind) => members(kind),
            },
        )),
    }
}

fn members(kind: &EnumType) -> String {
    let names: Vec<&str> =
        kind.members.iter().map(|(name, _)| *name).filter(|name| *name != SENTINEL).collect();
    names.join(", ")
}

fn describe(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(_) => "a number".to_owned(),
        Json::String(text) => format!("'{}'", shown(text)),
        Json::Array(_) => "an array".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    }
}

/// Text of the request, shortened for an answer.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// The members of an object, each once. `serde_json` bounds the nesting.
fn object(body: &[u8]) -> Result<Vec<(String, Json)>, BodyError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let outcome = Members::deserialize(&mut reader).and_then(|members| reader.end().map(|()| members));
    match outcome {
        Ok(Members::Object(members)) => Ok(members),
        Ok(Members::Repeated(name)) => Err(BodyError::Repeated(shown(&name))),
        Ok(Members::Other) => Err(BodyError::NotAnObject),
        Err(error) => Err(BodyError::NotJson(error.to_string())),
    }
}

enum Members {
    Object(Vec<(String, Json)>),
    Repeated(String),
    Other,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut repeated = None;
        while let Some(name) = map.next_key::<String>()? {
            if repeated.is_none() && members.iter().any(|(known, _)| *known == name) {
                repeated = Some(name.clone());
            }
            if repeated.is_some() {
                map.next_value::<IgnoredAny>()?;
            } else {
                members.push((name, map.next_value()?));
            }
        }
        Ok(repeated.map_or(Members::Object(members), Members::Repeated))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Members, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Members::Other)
    }

    fn visit_unit<E>(self) -> Result<Members, E> {
        Ok(Members::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Members, E> {
        Ok(Members::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Members, E> {
        Ok(Members::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Members, E> {
        Ok(Members::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Members, E> {
        Ok(Members::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Members, E> {
        Ok(Members::Other)
    }
}
