//! Documents that stay as they are while the service runs.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
};
use ring::digest;

use crate::reply::Reply;

/// Bytes of the digest that an entity tag shows: enough to tell versions of a document apart.
const TAG_BYTES: usize = 12;

/// A document with its entity tag.
#[derive(Debug)]
pub(crate) struct Document {
    content_type: HeaderValue,
    body: Bytes,
    tag: String,
}

impl Document {
    pub(crate) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let digest = digest::digest(&digest::SHA256, &body);
        let digits = digest.as_ref().iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}"));
        let tag = format!("\"{}\"", digits.collect::<String>());
        Self { content_type: HeaderValue::from_static(content_type), body, tag }
    }

    /// 200 with the document, or 304 if the client has it.
    pub(crate) fn reply(&self, headers: &HeaderMap) -> Reply {
        let reply = if self.is_known(headers) {
            Reply::empty().with_status(StatusCode::NOT_MODIFIED)
        } else {
            Reply::typed(self.content_type.clone(), self.body.clone())
        };
        reply
            .with_header(ETAG, HeaderValue::from_str(&self.tag).ok())
            .with_header(CACHE_CONTROL, Some(HeaderValue::from_static("no-cache")))
    }

    /// Whether `If-None-Match` names this document; the comparison is the weak one (RFC 9110, section 13.1.2).
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag)
    }
}
