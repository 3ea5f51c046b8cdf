//! `$batch`: several requests in one body and their answers in another (OData JSON 4.01, 19).

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::excerpt::excerpt;

/// Most requests of a batch.
pub const MAX_REQUESTS: usize = 20;
/// Most headers of one request.
pub const MAX_HEADERS: usize = 64;
/// Longest id of a request, in bytes.
pub const MAX_ID: usize = 256;

/// One request of a batch.
#[derive(Clone, Debug)]
pub struct BatchRequest<'a> {
    /// Its name within the batch.
    pub id: String,
    /// The method, as it was given.
    pub method: String,
    /// The address, relative to the version's root or absolute.
    pub url: String,
    /// Its headers, each name once.
    pub headers: BTreeMap<String, String>,
    /// Its body, still JSON text.
    pub body: Option<&'a RawValue>,
    /// Positions of the requests that must succeed first; all of them smaller than its own.
    pub depends_on: Vec<usize>,
    /// It wants to be carried out together with others or not at all.
    pub is_in_atomicity_group: bool,
}

/// Why a body is not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not JSON, or not of the form of a batch.
    #[error("Invalid batch payload format. {place}: {reason}")]
    Malformed {
        /// Where in the body.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// No request.
    #[error("Invalid batch payload format. requests: a batch has at least one request.")]
    Empty,
    /// Too many requests.
    #[error("Invalid batch payload format. requests: a batch has at most {MAX_REQUESTS} requests.")]
    TooMany,
    /// An id that another request has too; case makes no difference.
    #[error(
        "Invalid batch payload format. requests[{position}].id: '{id}' is the id of another request too."
    )]
    Repeated {
        /// The request's position.
        position: usize,
        /// Its id.
        id: String,
    },
    /// A dependency on what does not stand before the request.
    #[error(
        "Invalid dependency for request Id: '{id}'. requests[{position}].dependsOn: '{dependency}' is not the id of a \
         request before it."
    )]
    Dependency {
        /// The request's position.
        position: usize,
        /// Its id.
        id: String,
        /// What it depends on.
        dependency: String,
    },
}

/// Reads a batch. Whatever is wrong with a request that concerns it alone is left for its own answer.
///
/// The fuzz target `batch` feeds this function.
pub fn parse(body: &[u8]) -> Result<Vec<BatchRequest<'_>>, BatchError> {
    let malformed = |place: String, error: serde_json::Error| BatchError::Malformed {
        place,
        reason: excerpt(&error.to_string()),
    };
    let envelope: Envelope<'_> =
        serde_json::from_slice(body).map_err(|error| malformed("The body".to_owned(), error))?;
    let Members(items) = envelope.requests;
    match items.len() {
        0 => return Err(BatchError::Empty),
        1..=MAX_REQUESTS => {}
        _ => return Err(BatchError::TooMany),
    }
    let mut requests: Vec<BatchRequest<'_>> = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        let place = || format!("requests[{position}]");
        let item: Item<'_> = serde_json::from_str(item.get()).map_err(|error| malformed(place(), error))?;
        let refused = |member: &str, reason: String| BatchError::Malformed {
            place: format!("requests[{position}].{member}"),
            reason,
        };
        if item.id.is_empty() || item.id.len() > MAX_ID {
            return Err(refused("id", format!("an id has 1 to {MAX_ID} bytes")));
        }
        if item.headers.len() > MAX_HEADERS {
            return Err(refused("headers", format!("a request has at most {MAX_HEADERS} headers")));
        }
        if find(&requests, &item.id).is_some() {
            return Err(BatchError::Repeated { position, id: excerpt(&item.id) });
        }
        let depends_on = item.depends_on.iter().map(|dependency| {
            find(&requests, dependency).ok_or_else(|| BatchError::Dependency {
                position,
                id: excerpt(&item.id),
                dependency: excerpt(dependency),
            })
        });
        let depends_on = depends_on.collect::<Result<_, _>>()?;
        requests.push(BatchRequest {
            id: item.id,
            method: item.method,
            url: item.url,
            headers: item.headers,
            body: item.body,
            depends_on,
            is_in_atomicity_group: item.atomicity_group.is_some(),
        });
    }
    Ok(requests)
}

fn find(requests: &[BatchRequest<'_>], id: &str) -> Option<usize> {
    requests.iter().position(|request| request.id.eq_ignore_ascii_case(id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    requests: Members<'a>,
}

/// The elements of an array, one more than a batch may have at most: the rest is read and dropped.
struct Members<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of requests")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while elements.len() <= MAX_REQUESTS {
                    match seq.next_element()? {
                        Some(element) => elements.push(element),
                        None => return Ok(Members(elements)),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Members(elements))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Item<'a> {
    id: String,
    method: String,
    url: String,
    #[serde(default, deserialize_with = "headers")]
    headers: BTreeMap<String, String>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    // The vendor's Python library writes the second name.
    #[serde(default, alias = "depends_on", deserialize_with = "names")]
    depends_on: Vec<String>,
    #[serde(default)]
    atomicity_group: Option<IgnoredAny>,
}

/// Names or null.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Headers or null. Their names are not case-sensitive, and so one that comes twice in two cases is refused.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Headers;
    impl<'de> Visitor<'de> for Headers {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of headers with texts as values")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut headers = BTreeMap::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                let name = name.to_ascii_lowercase();
                if headers.contains_key(&name) {
                    return Err(serde::de::Error::custom(format_args!(
                        "the header '{}' is given twice",
                        excerpt(&name)
                    )));
                }
                headers.insert(name, value);
            }
            Ok(headers)
        }
    }
    deserializer.deserialize_any(Headers)
}

/// The answer to one request of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchAnswer<'a> {
    /// The request's id.
    pub id: &'a str,
    /// The status.
    pub status: u16,
    /// Names and values of its headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body.
    pub body: BatchBody<'a>,
}

/// A body within the body of a batch.
#[derive(Clone, Copy, Debug)]
pub enum BatchBody<'a> {
    /// There is none.
    Empty,
    /// JSON text, which becomes a part of the batch as it is.
    Json(&'a [u8]),
    /// Any other text.
    Text(&'a str),
}

/// Writes the answers of a batch.
pub fn render(answers: &[BatchAnswer<'_>]) -> Vec<u8> {
    let size: usize = answers.iter().map(|answer| 256 + answer.body.len()).sum();
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(b"{\"responses\":[");
    for (number, answer) in answers.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b"{\"id\":" } else { b",{\"id\":" });
        string(&mut out, answer.id);
        out.extend_from_slice(b",\"status\":");
        out.extend_from_slice(answer.status.to_string().as_bytes());
        out.extend_from_slice(b",\"headers\":{");
        for (number, (name, value)) in answer.headers.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            string(&mut out, name);
            out.push(b':');
            string(&mut out, value);
        }
        out.push(b'}');
        match answer.body {
            BatchBody::Empty => {}
            BatchBody::Json(json) => {
                out.extend_from_slice(b",\"body\":");
                out.extend_from_slice(json);
            }
            BatchBody::Text(text) => {
                out.extend_from_slice(b",\"body\":");
                string(&mut out, text);
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

impl BatchBody<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Json(json) => json.len(),
            Self::Text(text) => text.len(),
        }
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}
