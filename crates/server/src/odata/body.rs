//! Request bodies, checked against the description of what they carry.

use std::fmt;

use exconn_model::{
    MAX_TEXT, Timestamp,
    schema::{EntityType, EnumType, Property, PropertyType, Value},
};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Members that one object may have.
const MAX_MEMBERS: usize = 64;
/// Characters of a wrong name or value that an error repeats.
const MAX_SHOWN: usize = 100;

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// Not JSON.
    #[error(
        "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON \
         format. ({0})"
    )]
    Malformed(String),
    /// JSON, but no object.
    #[error("The payload must be a JSON object.")]
    NotAnObject,
    /// More members than anything here has.
    #[error("The payload has too many members.")]
    TooManyMembers,
    /// A member stands there twice.
    #[error("The property '{0}' is given twice.")]
    Duplicate(String),
    /// No such property.
    #[error(
        "The property '{name}' does not exist on type 'microsoft.graph.{kind}'. Make sure to only use property names \
         that are defined by the type."
    )]
    UnknownProperty {
        /// What was given.
        name: String,
        /// The type's name.
        kind: &'static str,
    },
    /// `@odata.type` names another type.
    #[error("The payload is of type '{given}', but 'microsoft.graph.{kind}' is expected here.")]
    WrongType {
        /// What was given.
        given: String,
        /// The type's name.
        kind: &'static str,
    },
    /// A value that the property cannot have.
    #[error("The property '{name}' must be {expected}.")]
    Value {
        /// The property.
        name: &'static str,
        /// What would be accepted.
        expected: String,
    },
    /// A parameter of an action is missing.
    #[error("The parameter '{name}' is missing; it must be {expected}.")]
    Missing {
        /// The parameter.
        name: &'static str,
        /// What would be accepted.
        expected: String,
    },
    /// No such parameter.
    #[error("The action has no parameter '{0}'.")]
    UnknownParameter(String),
}

/// What becomes of `unknownFutureValue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sentinel {
    /// It is an error: there is nothing that it could stand for.
    Refuse,
    /// The property counts as absent.
    Leave,
}

/// The properties that a body gives: positions in the type's description, and values.
pub(crate) fn entity(
    body: &[u8],
    kind: &'static EntityType,
    sentinel: Sentinel,
) -> Result<Vec<(usize, Value<'static>)>, BodyError> {
    let mut properties = Vec::new();
    for (name, json) in members(body)? {
        if name == "@odata.type" {
            check_type(&json, kind)?;
            continue;
        }
        if name.contains("@odata.") {
            continue;
        }
        let found = kind.position_exact(&name).and_then(|at| Some((at, kind.properties.get(at)?)));
        let Some((position, property)) = found else {
            return Err(BodyError::UnknownProperty { name: shown(&name), kind: kind.name });
        };
        if let Some(value) = property_value(property, json, sentinel)? {
            properties.push((position, value));
        }
    }
    Ok(properties)
}

/// The number of an action's only parameter, a closed enumeration.
pub(crate) fn enum_parameter(body: &[u8], name: &'static str, kind: &EnumType) -> Result<i32, BodyError> {
    let expected = || one_of(kind);
    let mut number = None;
    for (given, json) in members(body)? {
        if given.contains("@odata.") {
            continue;
        }
        if given != name {
            return Err(BodyError::UnknownParameter(shown(&given)));
        }
        let Json::Text(text) = json else { return Err(BodyError::Value { name, expected: expected() }) };
        let member = kind.number_of(&text).ok_or_else(|| BodyError::Value { name, expected: expected() })?;
        number = Some(member);
    }
    number.ok_or_else(|| BodyError::Missing { name, expected: expected() })
}

fn check_type(json: &Json, kind: &'static EntityType) -> Result<(), BodyError> {
    let Json::Text(given) = json else {
        return Err(BodyError::Value {
            name: "@odata.type",
            expected: format!("'#microsoft.graph.{}'", kind.name),
        });
    };
    let name = given.strip_prefix('#').unwrap_or(given).strip_prefix("microsoft.graph.");
    if name == Some(kind.name) {
        Ok(())
    } else {
        Err(BodyError::WrongType { given: shown(given), kind: kind.name })
    }
}

fn property_value(
    property: &Property,
    json: Json,
    sentinel: Sentinel,
) -> Result<Option<Value<'static>>, BodyError> {
    let refused = |expected: String| Err(BodyError::Value { name: property.name, expected });
    match (property.kind, json) {
        (_, Json::Null) if property.nullable => Ok(Some(Value::Null)),
        (PropertyType::Boolean, Json::Boolean(value)) => Ok(Some(Value::Boolean(value))),
        (PropertyType::Boolean, _) => refused("true or false".to_owned()),
        (PropertyType::String, Json::Text(text)) if text.chars().count() <= MAX_TEXT => {
            Ok(Some(Value::Text(text.into())))
        }
        (PropertyType::String, _) => {
            let or_null = if property.nullable { ", or null" } else { "" };
            refused(format!("a text of at most {MAX_TEXT} characters{or_null}"))
        }
        (PropertyType::DateTimeOffset, Json::Text(text)) => match Timestamp::parse(&text) {
            Ok(moment) => Ok(Some(Value::Timestamp(moment))),
            Err(error) => refused(format!("a date: {error}")),
        },
        (PropertyType::DateTimeOffset, _) => {
            refused("a date and time in quotes such as 2026-01-31T08:00:00Z, and not null".to_owned())
        }
        (PropertyType::Enum(kind), Json::Text(text)) => match kind.number_of(&text) {
            Some(_) if kind.has_sentinel && text == "unknownFutureValue" => match sentinel {
                Sentinel::Leave => Ok(None),
                Sentinel::Refuse => {
                    refused(format!("{}; 'unknownFutureValue' cannot be stored", one_of(kind)))
                }
            },
            Some(number) => Ok(Some(Value::Enum(kind, number))),
            None => refused(one_of(kind)),
        },
        (PropertyType::Enum(kind), _) => refused(one_of(kind)),
    }
}

fn one_of(kind: &EnumType) -> String {
    let storable =
        kind.members.iter().filter(|(name, _)| !kind.has_sentinel || *name != "unknownFutureValue");
    let names: Vec<_> = storable.map(|(name, _)| format!("'{name}'")).collect();
    format!("one of {}", names.join(", "))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
}

/// A member's value, as far as anything here needs it.
#[derive(Debug, PartialEq)]
enum Json {
    Null,
    Boolean(bool),
    Text(String),
    Other,
}

fn members(body: &[u8]) -> Result<Vec<(String, Json)>, BodyError> {
    let malformed = |error: serde_json::Error| {
        BodyError::Malformed(format!("line {}, column {}", error.line(), error.column()))
    };
    let parsed: Body = serde_json::from_slice(body).map_err(malformed)?;
    match parsed {
        Body::Members(members) => Ok(members),
        Body::Duplicate(name) => Err(BodyError::Duplicate(shown(&name))),
        Body::TooMany => Err(BodyError::TooManyMembers),
        Body::NotAnObject => Err(BodyError::NotAnObject),
    }
}

enum Body {
    Members(Vec<(String, Json)>),
    Duplicate(String),
    TooMany,
    NotAnObject,
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut refused = None;
        while let Some(name) = map.next_key::<String>()? {
            if refused.is_some() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            if members.iter().any(|(known, _)| *known == name) {
                refused = Some(Body::Duplicate(name));
            } else if members.len() == MAX_MEMBERS {
                refused = Some(Body::TooMany);
            } else {
                members.push((name, value));
            }
        }
        Ok(refused.unwrap_or(Body::Members(members)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Body, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Body::NotAnObject)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Body, E> {
        Ok(Body::NotAnObject)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Body, E> {
        Ok(Body::NotAnObject)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Body, E> {
        Ok(Body::NotAnObject)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Body, E> {
        Ok(Body::NotAnObject)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Body, E> {
        Ok(Body::NotAnObject)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Body, E> {
        Ok(Body::NotAnObject)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }
}
