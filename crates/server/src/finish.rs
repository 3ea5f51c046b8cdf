//! What every answer over a connection has, whatever it says.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, STRICT_TRANSPORT_SECURITY, VARY,
    },
    request::Parts,
};

use crate::{
    answer::ODATA_VERSION,
    app::Service,
    reply::Reply,
    wire::{Accepted, Connection, Identity},
};

/// What a request can say that changes the form of an answer.
const VARIES_BY: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding, Prefer");

/// Makes a response of a reply.
pub(crate) async fn finish(
    service: &Service,
    reply: Reply,
    head: &Parts,
    connection: &Connection,
    identity: &Identity,
) -> Response<Bytes> {
    let mut reply = reply;
    compress(service, &mut reply, head).await;
    let mut response = Response::new(reply.body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    let headers = response.headers_mut();
    identity.write(headers);
    let cache_control = cache_control(&head.method, headers.contains_key(ETAG));
    headers.entry(CACHE_CONTROL).or_insert(cache_control);
    headers.entry(VARY).or_insert(VARIES_BY);
    service.config.cors.write(&head.headers, headers);
    headers.entry(ODATA_VERSION).or_insert(HeaderValue::from_static("4.0"));
    if connection.secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if head.method == Method::HEAD {
        without_body(&mut response);
    }
    response
}

/// Compresses a body of text if the client likes that.
async fn compress(service: &Service, reply: &mut Reply, head: &Parts) {
    let kind = reply.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !(kind.starts_with("application/json")
        || kind.starts_with("application/xml")
        || kind.starts_with("text/"))
    {
        return;
    }
    let Some(coding) = Accepted::read(&head.headers).coding(reply.body.len()) else { return };
    if let Some(compressed) = service.compressor.compress(&reply.body, coding).await {
        reply.body = compressed;
        reply.headers.insert(CONTENT_ENCODING, coding.name());
        // A strong tag would promise the same bytes without the coding (RFC 9110, section 8.8.1).
        if let Some(tag) = reply.headers.get_mut(ETAG)
            && !tag.as_bytes().starts_with(b"W/")
            && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
        {
            *tag = weak;
        }
    }
}

/// A client may keep what has a tag if it asks each time whether it still holds, and nothing else: everything here is for
/// one caller.
fn cache_control(method: &Method, tagged: bool) -> HeaderValue {
    if tagged && matches!(*method, Method::GET | Method::HEAD) {
        HeaderValue::from_static("private, no-cache")
    } else {
        HeaderValue::from_static("no-store")
    }
}

/// The answer to HEAD has the length of the one to GET (RFC 9110, section 9.3.2). hyper takes the body away over
/// HTTP/1.1 only.
fn without_body(response: &mut Response<Bytes>) {
    let body = std::mem::take(response.body_mut());
    if response.status() != StatusCode::NO_CONTENT && response.status() != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
}
