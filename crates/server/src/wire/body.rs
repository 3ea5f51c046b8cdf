use std::{io::Read, time::Duration};

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT},
};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

/// So much of a body that is too large is read and thrown away, so that the client gets to read the answer instead of
/// a reset connection.
const MAX_DISCARDED: usize = 8 * 1024 * 1024;

/// The body of a request: still on its way, or a part of a batch that has arrived.
pub(crate) type RequestBody = Either<Incoming, Full<Bytes>>;

/// Why a body cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It does not say what it is.
    #[error("no Content-Type")]
    NoContentType,
    /// It is not JSON.
    #[error("not JSON")]
    NotJson,
    /// It is JSON, but not in UTF-8.
    #[error("unknown character set")]
    Charset,
    /// Compressed in a way that is not understood.
    #[error("unknown Content-Encoding")]
    Encoding,
    /// The compressed data are damaged.
    #[error("damaged gzip data")]
    Gzip,
    /// More bytes than allowed.
    #[error("more than {limit} bytes")]
    TooLarge { limit: usize },
    /// It came too slowly.
    #[error("too slow")]
    TooSlow,
    /// The connection broke.
    #[error("cut off")]
    Cut,
}

/// Reads a JSON body of at most `limit` bytes, decompressed if need be.
pub(crate) async fn read_json(
    headers: &HeaderMap,
    body: &mut RequestBody,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    check_type(headers)?;
    read(headers, body, limit, patience).await
}

/// Reads a form of at most `limit` bytes, decompressed if need be; its type is checked by the caller, whose error it is.
pub(crate) async fn read_form(
    headers: &HeaderMap,
    body: &mut RequestBody,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    read(headers, body, limit, patience).await
}

async fn read(
    headers: &HeaderMap,
    body: &mut RequestBody,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, BodyError> {
    let compressed = is_gzip(headers)?;
    let read = timeout(patience, collect(headers, body, limit));
    let bytes = read.await.unwrap_or(Err(BodyError::TooSlow))?;
    if compressed { decompress(&bytes, limit) } else { Ok(bytes) }
}

fn check_type(headers: &HeaderMap) -> Result<(), BodyError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = values.next().ok_or(BodyError::NoContentType)?;
    if values.next().is_some() {
        return Err(BodyError::NotJson);
    }
    let value = value.to_str().map_err(|_| BodyError::NotJson)?;
    let mut parts = value.split(';').map(str::trim);
    if !parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(BodyError::NotJson);
    }
    for parameter in parts {
        if let Some((name, charset)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("charset")
            && !matches!(charset.trim().trim_matches('"').to_ascii_lowercase().as_str(), "utf-8" | "utf8")
        {
            return Err(BodyError::Charset);
        }
    }
    Ok(())
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, BodyError> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let Some(encoding) = encodings.next() else { return Ok(false) };
    if encodings.next().is_some() {
        return Err(BodyError::Encoding);
    }
    let encoding = encoding.as_bytes().trim_ascii();
    if encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip") {
        Ok(true)
    } else if encoding.eq_ignore_ascii_case(b"identity") {
        Ok(false)
    } else {
        Err(BodyError::Encoding)
    }
}

async fn collect(headers: &HeaderMap, body: &mut RequestBody, limit: usize) -> Result<Bytes, BodyError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        // A client that waits for leave to send has sent nothing, and must not be given it.
        if !headers.contains_key(EXPECT) {
            discard(body).await;
        }
        return Err(BodyError::TooLarge { limit });
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Cut)?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            discard(body).await;
            return Err(BodyError::TooLarge { limit });
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

async fn discard(body: &mut RequestBody) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > MAX_DISCARDED {
            return;
        }
    }
}

/// Stops one byte behind the limit, whatever the data claim.
fn decompress(bytes: &[u8], limit: usize) -> Result<Bytes, BodyError> {
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut whole = Vec::new();
    MultiGzDecoder::new(bytes).take(bound).read_to_end(&mut whole).map_err(|_| BodyError::Gzip)?;
    if whole.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(whole.into()) }
}
