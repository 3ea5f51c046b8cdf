use exconn_model::Entropy;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The names by which client and operator find a request again.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Given by the service.
    pub(crate) request: Uuid,
    client: Option<HeaderValue>,
}

impl Identity {
    /// Takes the client's id only if it is a GUID: it is sent back and logged.
    pub(crate) fn new(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let client = headers.get(CLIENT_REQUEST_ID).filter(|value| is_guid(value.as_bytes()));
        Self { request: entropy.uuid(), client: client.cloned() }
    }

    /// The identity of a request within this one: an id of its own, and the client's for it or for the whole.
    pub(crate) fn within(&self, headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let own = Self::new(headers, entropy);
        Self { client: own.client.or_else(|| self.client.clone()), ..own }
    }

    /// The client's id as it sent it, else the request's own.
    pub(crate) fn client(&self) -> String {
        match self.client.as_ref().and_then(|value| value.to_str().ok()) {
            Some(client) => client.to_owned(),
            None => self.request.to_string(),
        }
    }

    /// Writes both ids into an answer's head.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let mut buffer = Uuid::encode_buffer();
        let request = self.request.as_hyphenated().encode_lower(&mut buffer);
        let Ok(request) = HeaderValue::from_str(request) else { return };
        headers.insert(CLIENT_REQUEST_ID, self.client.clone().unwrap_or_else(|| request.clone()));
        headers.insert(REQUEST_ID, request);
    }
}

fn is_guid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
