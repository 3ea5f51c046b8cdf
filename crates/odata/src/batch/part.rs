//! A value of a batch with its place there, so that an error can say where something is wrong.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{BatchError, MAX_HEADERS, MAX_REQUESTS};
use crate::{excerpt::excerpt, json::unmarked};

/// A value, still JSON text, and its place such as `requests[0].headers`; empty for the body as a whole.
#[derive(Debug)]
pub(super) struct Part<'a> {
    place: String,
    pub(super) json: &'a RawValue,
}

impl<'a> Part<'a> {
    /// The body as a whole.
    pub(super) fn whole(body: &'a [u8]) -> Result<Self, BatchError> {
        match serde_json::from_slice(unmarked(body)) {
            Ok(json) => Ok(Self { place: String::new(), json }),
            Err(error) => Err(malformed("", format!("is not JSON: {error}"))),
        }
    }

    /// The members of an object, each name once; at most [`MAX_HEADERS`].
    pub(super) fn members(&self, wanted: &str) -> Result<Vec<(String, Part<'a>)>, BatchError> {
        let Object(found) = self.read(wanted)?;
        if found.len() > MAX_HEADERS {
            return Err(self.wrong(format!("must have at most {MAX_HEADERS} members")));
        }
        let mut members: Vec<(String, Part<'a>)> = Vec::with_capacity(found.len());
        for (name, json) in found {
            let part = Part { place: self.place_of(&name), json };
            if members.iter().any(|(known, _)| *known == name) {
                return Err(part.wrong("is given twice"));
            }
            members.push((name, part));
        }
        Ok(members)
    }

    /// The elements of an array; one more than [`MAX_REQUESTS`] if there are too many.
    pub(super) fn elements(&self, wanted: &str) -> Result<Vec<Part<'a>>, BatchError> {
        let Array(found) = self.read(wanted)?;
        let element = |(at, json)| Part { place: format!("{}[{at}]", self.place), json };
        Ok(found.into_iter().enumerate().map(element).collect())
    }

    /// A text.
    pub(super) fn text(&self) -> Result<String, BatchError> {
        self.read("a text")
    }

    pub(super) fn is_null(&self) -> bool {
        self.json.get() == "null"
    }

    /// An error about this value.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> BatchError {
        malformed(&self.place, problem)
    }

    /// An error about a member that this object has not.
    pub(super) fn lacks(&self, name: &str) -> BatchError {
        malformed(&self.place_of(name), "is missing")
    }

    fn place_of(&self, member: &str) -> String {
        let dot = if self.place.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.place, excerpt(member))
    }

    fn read<T: Deserialize<'a>>(&self, wanted: &str) -> Result<T, BatchError> {
        serde_json::from_str(self.json.get()).map_err(|error| {
            // The text was found to be JSON before, so that only escapes of half a character are left to go wrong.
            match error.is_data() {
                true => self.wrong(format!("must be {wanted}, not {}", self.kind())),
                false => self.wrong("holds an escape that stands for no character"),
            }
        })
    }

    fn kind(&self) -> &'static str {
        match self.json.get().as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a text",
            Some(b't') => "true",
            Some(b'f') => "false",
            Some(b'n') => "null",
            _ => "a number",
        }
    }
}

fn malformed(place: &str, problem: impl Into<String>) -> BatchError {
    let place = if place.is_empty() { "The body" } else { place };
    BatchError::Malformed { place: place.to_owned(), problem: problem.into() }
}

/// The members of an object, one more than there may be at most: the rest is read and dropped.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while members.len() <= MAX_HEADERS {
                    match map.next_entry()? {
                        Some(member) => members.push(member),
                        None => return Ok(Object(members)),
                    }
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The elements of an array, one more than there may be at most: the rest is read and dropped.
struct Array<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Array<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Array<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while elements.len() <= MAX_REQUESTS {
                    match seq.next_element()? {
                        Some(element) => elements.push(element),
                        None => return Ok(Array(elements)),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Array(elements))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}
