//! The commands that talk to a service, or to nobody.

pub(crate) mod apps;
pub(crate) mod audit;
mod bootstrap;
pub(crate) mod config;
pub(crate) mod connectors;
pub(crate) mod devices;
mod progress;
mod property;
pub(crate) mod token;

use crate::client::ClientError;

/// An id as a segment of a path.
fn segment(id: &str) -> Result<&str, ClientError> {
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_plain {
        return Ok(id);
    }
    Err(ClientError::Usage(format!(
        "'{id}' is not an id; ids look like e11c1de8-1de8-4e1c-a81d-1ce1e81d1ce1"
    )))
}

/// A value of a query, percent-encoded.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
