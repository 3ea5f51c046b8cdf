//! What pages of other origins may do (CORS, in the Fetch standard).
//!
//! Callers prove who they are by a bearer token that they have to be given, and never by a cookie. A page that has no token
//! gets nothing here that it could not get without a browser, so that every origin may ask. Where no token is needed, only
//! pages of origins that are named may.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
    request::Parts,
};

use crate::reply::Reply;

/// Headers that a page may read besides those that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Location, Preference-Applied, Content-Range, request-id, client-request-id, OData-EntityId, Retry-After, \
     WWW-Authenticate",
);
/// Headers that a page may send if its browser does not say which.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, Accept, Content-Type, Prefer, If-Match, If-None-Match, client-request-id, \
     return-client-request-id, SdkVersion, ConsistencyLevel, OData-Version, OData-MaxVersion, Retry-Attempt",
);
/// Most bytes of a list of header names that is given back.
const MAX_NAMES: usize = 1024;
/// Seconds for which a browser may remember the answer; none remembers it longer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The origins whose pages may use the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors(Allowed);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Allowed {
    #[default]
    All,
    Only(Vec<HeaderValue>),
}

impl Cors {
    /// Reads origins such as `https://portal.contoso.com`, or `*` for all; none at all turns CORS off.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut only = Vec::new();
        for origin in origins {
            if origin == "*" {
                return Ok(Self(Allowed::All));
            }
            only.push(read_origin(origin).ok_or(origin)?);
        }
        Ok(Self(Allowed::Only(only)))
    }

    /// No origin at all.
    pub(crate) fn none() -> Self {
        Self(Allowed::Only(Vec::new()))
    }

    /// The origins as [`Cors::parse`] reads them.
    pub fn origins(&self) -> Vec<&str> {
        match &self.0 {
            Allowed::All => vec!["*"],
            Allowed::Only(origins) => origins.iter().filter_map(|origin| origin.to_str().ok()).collect(),
        }
    }

    /// The answer to a browser that asks what a page may do at a place with these methods; `None` if that is not the
    /// question, or the page may do nothing.
    pub(crate) fn preflight(&self, head: &Parts, methods: &str) -> Option<Reply> {
        if !is_preflight(head) {
            return None;
        }
        self.allowed(&head.headers)?;
        let names = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|names| are_names(names));
        let varies = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        let reply = Reply::empty()
            .with_header(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(methods).ok())
            .with_header(ACCESS_CONTROL_ALLOW_HEADERS, Some(names.cloned().unwrap_or(ALLOWED)))
            .with_header(ACCESS_CONTROL_MAX_AGE, Some(MAX_AGE))
            .with_header(VARY, Some(HeaderValue::from_static(varies)));
        Some(reply)
    }

    /// Writes into any answer who may read it.
    pub(crate) fn write(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if matches!(&self.0, Allowed::Only(origins) if !origins.is_empty()) {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.allowed(request) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }

    /// What the answer to a request says in `Access-Control-Allow-Origin`.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        match &self.0 {
            Allowed::All => Some(HeaderValue::from_static("*")),
            Allowed::Only(origins) => {
                let origin = request.get(ORIGIN)?;
                origins.iter().find(|allowed| *allowed == origin).cloned()
            }
        }
    }
}

/// Whether a browser asks on behalf of a page.
fn is_preflight(head: &Parts) -> bool {
    let has = |name: HeaderName| head.headers.contains_key(name);
    head.method == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// An origin as browsers write it (RFC 6454, section 6.2).
fn read_origin(text: &str) -> Option<HeaderValue> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_origin =
        matches!(scheme, "http" | "https") && !authority.is_empty() && authority.bytes().all(is_host);
    is_origin.then(|| HeaderValue::from_str(&text).ok())?
}

/// Whether this is a list of header names and nothing else.
fn are_names(value: &HeaderValue) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_, ".contains(byte);
    value.len() <= MAX_NAMES && !value.is_empty() && value.as_bytes().iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for (given, read) in [
            ("https://portal.contoso.com", Some("https://portal.contoso.com")),
            ("HTTPS://Portal.Contoso.com:8443", Some("https://portal.contoso.com:8443")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("https://portal.contoso.com/", None),
            ("portal.contoso.com", None),
            ("null", None),
            ("ftp://portal.contoso.com", None),
            ("https://a b", None),
            ("https://", None),
        ] {
            assert_eq!(read_origin(given), read.map(HeaderValue::from_static), "{given}");
        }
        assert_eq!(Cors::parse(["https://a", "x"]), Err("x"));
        assert_eq!(Cors::parse(["https://a", "*"]), Ok(Cors::default()));
    }
}
