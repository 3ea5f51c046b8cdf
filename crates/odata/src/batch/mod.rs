//! `$batch`: several requests in one body and their answers in another (OData JSON 4.01, 19).

mod parse;
mod part;
mod render;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

pub use parse::parse;
pub use render::{BatchAnswer, BatchBody, render};

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
    #[error("Invalid batch payload format. {place} {problem}.")]
    Malformed {
        /// Where in the body, such as `requests[0].headers.Accept`.
        place: String,
        /// What is wrong there, and what would be right.
        problem: String,
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
