//! What a server may answer, for fuzzing: the readers of pages, refusals and token answers, without the network.

use exconn_model::{ObservedDevice, Timestamp};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{client::Answer, failure::Reason, inflate::inflate, page, token_answer};
use crate::rows::DeviceMapper;

/// A page of devices.
#[derive(Debug)]
pub struct DevicePage {
    /// The devices, if the page has a list of them.
    pub devices: Option<Vec<ObservedDevice>>,
    /// Where the next page is.
    pub next_link: Option<String>,
    /// Warnings and errors.
    pub notes: Vec<String>,
}

/// Reads a page of `Get-MobileDevice`.
pub fn device_page(body: &[u8]) -> Option<DevicePage> {
    let page = page::read::<DeviceMapper>(body).ok()?;
    let notes = page.warnings.into_iter().chain(page.errors).collect();
    Some(DevicePage { devices: page.rows, next_link: page.next_link, notes })
}

/// Reads the body of a refusal; what it says.
pub fn refusal_reason(body: &[u8]) -> Option<String> {
    Reason::read(body).map(|reason| reason.text)
}

/// Reads the answer of a token endpoint; whether it grants a token.
pub fn grants_token(status: u16, body: &[u8]) -> bool {
    let Ok(status) = StatusCode::from_u16(status) else { return false };
    let answer = Answer { status, headers: HeaderMap::new(), body: Ok(body.to_vec()) };
    token_answer::read(&answer, Timestamp::UNSET).is_ok()
}

/// Inflates a body that is declared to be gzip.
pub fn gunzipped(body: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    inflate(&headers, body.to_vec(), most).ok()
}
