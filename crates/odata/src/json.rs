//! The top of a JSON object. What lies deeper is read and dropped: no property of ours has an inside, and so a body
//! costs no more memory than its own size.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value without its inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Boolean(bool),
    Number,
    Text(String),
    Array,
    Object,
}

/// Why there are no members.
#[derive(Debug)]
pub(crate) enum NoMembers {
    /// Not JSON; with the line and column.
    NotJson(String),
    /// JSON, but not an object.
    NotAnObject,
    /// More than the limit.
    TooMany,
    /// A member that is given twice.
    Repeated(String),
}

/// The text of a body without the byte order mark that editors on Windows put before it. A reader may pass over it (RFC
/// 8259, 8.1).
pub(crate) fn unmarked(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// The members of an object in the order of the body, each name once, at most `limit`. `serde_json` bounds the nesting
/// to 128.
pub(crate) fn members(body: &[u8], limit: usize) -> Result<Vec<(String, Json)>, NoMembers> {
    let mut reader = serde_json::Deserializer::from_slice(unmarked(body));
    let mut members = MembersVisitor { limit, members: Vec::new(), failure: None };
    let outcome = reader.deserialize_map(&mut members).and_then(|()| reader.end());
    match (outcome, members.failure) {
        (Ok(()), None) => Ok(members.members),
        (Ok(()), Some(failure)) => Err(failure),
        // Only what is no object is well-formed and still refused by the visitor.
        (Err(error), _) if error.is_data() => Err(NoMembers::NotAnObject),
        (Err(error), _) => Err(NoMembers::NotJson(error.to_string())),
    }
}

struct MembersVisitor {
    limit: usize,
    members: Vec<(String, Json)>,
    failure: Option<NoMembers>,
}

impl<'de> Visitor<'de> for &mut MembersVisitor {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    /// Reads on after a failure: a body that is not JSON at all is refused as such.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if self.failure.is_none() {
                if self.members.len() >= self.limit {
                    self.failure = Some(NoMembers::TooMany);
                } else if self.members.iter().any(|(known, _)| *known == name) {
                    self.failure = Some(NoMembers::Repeated(name.clone()));
                }
            }
            if self.failure.is_some() {
                map.next_value::<Json>()?;
            } else {
                self.members.push((name, map.next_value()?));
            }
        }
        Ok(())
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
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        while seq.next_element::<Json>()?.is_some() {}
        Ok(Json::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        while map.next_entry::<String, Json>()?.is_some() {}
        Ok(Json::Object)
    }
}
