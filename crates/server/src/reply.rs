use bytes::Bytes;
use exconn_model::AuditEntry;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderName},
};
use serde::Serialize;

use crate::failure::Failure;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// An answer, before the headers that every answer has.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The audit's entry of what was done, once it is stored.
    pub(crate) audit: Option<Box<AuditEntry>>,
}

impl Reply {
    /// 204.
    pub(crate) fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Bytes::new(), audit: None }
    }

    /// 204 that names the methods that there are.
    pub(crate) fn options(methods: &str) -> Self {
        Self::empty().with_header(ALLOW, HeaderValue::from_str(methods).ok())
    }

    /// 200 with this body.
    pub(crate) fn typed(content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        let mut reply = Self { status: StatusCode::OK, body: body.into(), ..Self::empty() };
        reply.headers.insert(CONTENT_TYPE, content_type);
        reply
    }

    /// 200 with JSON.
    pub(crate) fn json<T: Serialize>(value: &T) -> Result<Self, Failure> {
        match serde_json::to_vec(value) {
            Ok(body) => Ok(Self::typed(JSON, body)),
            Err(_) => Err(Failure::Unwritable),
        }
    }

    /// 200 with JSON that is already text.
    pub(crate) fn json_text(text: &'static str) -> Self {
        Self::typed(JSON, Bytes::from_static(text.as_bytes()))
    }

    /// 200 with plain text.
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::typed(TEXT, text)
    }

    /// 304: the same without a body (RFC 9110, section 15.4.5).
    pub(crate) fn not_modified(mut self) -> Self {
        self.headers.remove(CONTENT_TYPE);
        Self { status: StatusCode::NOT_MODIFIED, body: Bytes::new(), ..self }
    }

    pub(crate) fn with_audit(mut self, entry: AuditEntry) -> Self {
        self.audit = Some(Box::new(entry));
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: Option<HeaderValue>) -> Self {
        if let Some(value) = value {
            self.headers.insert(name, value);
        }
        self
    }
}
