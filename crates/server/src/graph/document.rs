//! Documents that stay as they are while the service runs.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{CACHE_CONTROL, ETAG},
};
use ring::digest;

use super::etag::{self, Reading};
use crate::{failure::Failure, reply::Reply};

/// Bytes of the digest that an entity tag shows: enough to tell versions of a document apart.
const TAG_BYTES: usize = 12;

/// A document with its entity tag.
#[derive(Debug)]
pub(super) struct Document {
    content_type: HeaderValue,
    body: Bytes,
    tag: String,
}

impl Document {
    pub(super) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let digest = digest::digest(&digest::SHA256, &body);
        let digits = digest.as_ref().iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}"));
        let tag = format!("\"{}\"", digits.collect::<String>());
        Self { content_type: HeaderValue::from_static(content_type), body, tag }
    }

    /// 200 with the document, or what the client's conditions make of it.
    pub(super) fn reply(&self, headers: &HeaderMap) -> Result<Reply, Failure> {
        let reply = Reply::typed(self.content_type.clone(), self.body.clone())
            .with_header(ETAG, HeaderValue::from_str(&self.tag).ok())
            .with_header(CACHE_CONTROL, Some(HeaderValue::from_static("no-cache")));
        match etag::conditions(headers).reading(&self.tag)? {
            Reading::Wanted => Ok(reply),
            Reading::NotModified => Ok(reply.not_modified()),
        }
    }
}
