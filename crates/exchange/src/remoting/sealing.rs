//! Sealed messages in HTTP (MS-WSMV, 2.2.9.1): two parts, of which the first says what the message was before it was sealed,
//! and the second holds its signature and what was made of it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::connection::{Answer, MAX_ANSWER};
use crate::{
    ExchangeError,
    security::{SecurityContext, Wrapped},
};

const BOUNDARY: &str = "Encrypted Boundary";
/// What is sealed: a message of SOAP in UTF-8.
const ORIGINAL: &str = "type=application/soap+xml;charset=UTF-8";
/// Longest line of a part's head, in bytes.
const MAX_LINE: usize = 1024;
/// Most lines of a part's head.
const MAX_LINES: usize = 8;
/// Longest signature, in bytes. Kerberos has 60 or 76, NTLM 16.
const MAX_SIGNATURE: usize = 512;

/// Which name the sealing goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealingProtocol {
    /// The HTTP scheme was `Kerberos`.
    Kerberos,
    /// It was `Negotiate` or `NTLM`.
    Spnego,
}

impl SealingProtocol {
    const ALL: [Self; 2] = [Self::Kerberos, Self::Spnego];

    fn name(self) -> &'static str {
        match self {
            Self::Kerberos => "application/HTTP-Kerberos-session-encrypted",
            Self::Spnego => "application/HTTP-SPNEGO-session-encrypted",
        }
    }

    /// The type of a sealed body.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Kerberos => {
                r#"multipart/encrypted;protocol="application/HTTP-Kerberos-session-encrypted";boundary="Encrypted Boundary""#
            }
            Self::Spnego => {
                r#"multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary""#
            }
        })
    }
}

/// Seals an envelope for a request.
pub(super) async fn seal(
    context: &mut dyn SecurityContext,
    protocol: SealingProtocol,
    envelope: Bytes,
) -> Result<Bytes, crate::security::SecurityError> {
    let length = envelope.len();
    let wrapped = context.wrap(envelope.into()).await?;
    Ok(enclose(protocol, length, &wrapped))
}

fn enclose(protocol: SealingProtocol, length: usize, wrapped: &Wrapped) -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\n\tContent-Type: {}\r\n\tOriginalContent: {ORIGINAL};Length={length}\r\n--{BOUNDARY}\r\n\
         \tContent-Type: application/octet-stream\r\n",
        protocol.name(),
    );
    let signature_length = u32::try_from(wrapped.signature.len()).unwrap_or(u32::MAX).to_le_bytes();
    let end = format!("--{BOUNDARY}--\r\n");
    [head.as_bytes(), &signature_length, &wrapped.signature, &wrapped.message, end.as_bytes()].concat().into()
}

/// Opens a sealed answer: its body and its type become those of the message that was sealed.
///
/// # Errors
/// If an answer that has a body is not sealed, or not as the context demands.
pub(super) async fn open(
    context: &mut dyn SecurityContext,
    answer: Answer,
    endpoint: String,
) -> Result<Answer, ExchangeError> {
    let violated = |reason: String| ExchangeError::ProtocolViolated { reason };
    let Answer { status, mut headers, body } = answer;
    let enclosed = read(content_type(&headers), body).map_err(|reason| violated(reason.to_owned()))?;
    let unwrapped = context.unwrap(enclosed.token).await.map_err(|error| error.at(endpoint))?;
    if !unwrapped.is_sealed {
        return Err(violated("an answer is signed, but not encrypted".into()));
    }
    let plain = unwrapped.message;
    if plain.len() != enclosed.length {
        return Err(violated(format!(
            "a sealed answer holds {} bytes instead of {}",
            plain.len(),
            enclosed.length
        )));
    }
    let kind = HeaderValue::from_str(&enclosed.kind).map_err(|error| violated(error.to_string()))?;
    headers.insert(header::CONTENT_TYPE, kind);
    Ok(Answer { status, headers, body: plain })
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What a sealed body holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Enclosed {
    /// The type of the message that was sealed.
    pub(crate) kind: String,
    /// Its length, in bytes.
    pub(crate) length: usize,
    /// Signature and sealed message.
    pub(crate) token: Vec<u8>,
}

/// Reads a sealed body. Exchange writes a space between the hyphens and the boundary, Windows' own remoting none.
pub(crate) fn read(content_type: &str, mut body: Vec<u8>) -> Result<Enclosed, &'static str> {
    let boundary = boundary(content_type)?;
    let mut rest = body.as_slice();
    delimiter(&mut rest, boundary)?;
    let (mut kind, mut length) = (None, None);
    for line in head(&mut rest, boundary)? {
        if let Some(("OriginalContent", value)) = header_line(line) {
            (kind, length) = original(value);
        }
    }
    let kind = kind.ok_or("a sealed answer does not say what it was")?;
    let length: usize = length
        .filter(|length| *length <= MAX_ANSWER)
        .ok_or("a sealed answer does not say how long it was")?;
    let line = line(&mut rest)?;
    if header_line(line) != Some(("Content-Type", "application/octet-stream")) {
        return Err("the second part of a sealed answer is not application/octet-stream");
    }
    let start = body.len() - rest.len();
    let end = start + closed(rest, boundary).ok_or("a sealed answer has no end")?.len();
    body.truncate(end);
    let token_start = start + size_of::<u32>();
    let signature = body.get(start..token_start).and_then(|bytes| bytes.first_chunk()).copied();
    let signature = usize::try_from(u32::from_le_bytes(signature.ok_or("a sealed answer has no signature")?));
    if !signature.is_ok_and(|length| length <= MAX_SIGNATURE && token_start + length <= end) {
        return Err("a sealed answer has no signature of a sensible length");
    }
    body.drain(..token_start);
    Ok(Enclosed { kind, length, token: body })
}

/// The boundary of a sealed body, by its type.
fn boundary(content_type: &str) -> Result<&str, &'static str> {
    const UNSEALED: &str = "the server answers in clear text on a sealed connection";
    let mut words = content_type.split(';').map(str::trim);
    if !words.next().is_some_and(|essence| essence.eq_ignore_ascii_case("multipart/encrypted")) {
        return Err(UNSEALED);
    }
    let parameter = |name: &str| {
        let mut found = words.clone().filter_map(|word| word.split_once('='));
        let (_, value) = found.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        Some(value.trim().trim_matches('"'))
    };
    let protocol = parameter("protocol").ok_or("a sealed answer does not say how it was sealed")?;
    if !SealingProtocol::ALL.iter().any(|known| known.name().eq_ignore_ascii_case(protocol)) {
        return Err("a sealed answer was sealed in an unknown way");
    }
    // RFC 2046, section 5.1.1.
    parameter("boundary")
        .filter(|boundary| (1..=70).contains(&boundary.len()))
        .ok_or("a sealed answer has no boundary")
}

/// Takes the lines of a part's head, and the delimiter after them.
fn head<'a>(rest: &mut &'a [u8], boundary: &str) -> Result<Vec<&'a str>, &'static str> {
    let mut lines = Vec::new();
    while delimiter(rest, boundary).is_err() {
        if lines.len() == MAX_LINES {
            return Err("a sealed answer has too many lines before its second part");
        }
        lines.push(line(rest)?);
    }
    Ok(lines)
}

/// Takes a line of a part's head.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, &'static str> {
    const BROKEN: &str = "a part of a sealed answer has no head";
    let window = rest.get(..rest.len().min(MAX_LINE)).unwrap_or_default();
    let end = window.windows(2).position(|two| two == b"\r\n").ok_or(BROKEN)?;
    let (line, after) = rest.split_at_checked(end).ok_or(BROKEN)?;
    *rest = after.get(2..).ok_or(BROKEN)?;
    str::from_utf8(line).map_err(|_| BROKEN)
}

fn header_line(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    let known =
        ["OriginalContent", "Content-Type"].into_iter().find(|known| known.eq_ignore_ascii_case(name));
    Some((known.unwrap_or(name), value))
}

/// `type=application/soap+xml;charset=UTF-8;Length=1234`
fn original(value: &str) -> (Option<String>, Option<usize>) {
    let parameter = |name: &str| {
        let mut found = value.split(';').filter_map(|word| word.split_once('='));
        found.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let charset = parameter("charset").map_or(String::new(), |charset| format!(";charset={charset}"));
    let kind = parameter("type").map(|kind| format!("{kind}{charset}"));
    (kind, parameter("length").and_then(|length| length.parse().ok()))
}

/// Takes a delimiter and its line end.
fn delimiter(rest: &mut &[u8], boundary: &str) -> Result<(), &'static str> {
    let after = rest.strip_prefix(b"--").map(|after| after.strip_prefix(b" ").unwrap_or(after));
    let after = after.and_then(|after| after.strip_prefix(boundary.as_bytes()));
    *rest = after.and_then(|after| after.strip_prefix(b"\r\n")).ok_or("a sealed answer has no parts")?;
    Ok(())
}

/// What stands before the closing delimiter. What is sealed may look like a delimiter anywhere but at the very end.
fn closed<'a>(rest: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let rest = rest.strip_suffix(b"\r\n").unwrap_or(rest).strip_suffix(b"--")?;
    let rest = rest.strip_suffix(boundary.as_bytes())?;
    rest.strip_suffix(b" ").unwrap_or(rest).strip_suffix(b"--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(space: &str, length: &str, payload: &[u8]) -> Vec<u8> {
        let kind = SealingProtocol::Kerberos.name();
        let head = format!(
            "--{space}{BOUNDARY}\r\n\tContent-Type: {kind}\r\n\tOriginalContent: {ORIGINAL};Length={length}\r\n\
             --{space}{BOUNDARY}\r\n\tContent-Type: application/octet-stream\r\n"
        );
        [head.as_bytes(), payload, format!("--{space}{BOUNDARY}--\r\n").as_bytes()].concat()
    }

    fn kind() -> String {
        SealingProtocol::Kerberos.content_type().to_str().unwrap().to_owned()
    }

    #[test]
    fn both_forms_of_the_boundary_are_read() {
        // What is sealed may hold delimiters and end in hyphens.
        let payload = b"\x02\0\0\0sg--Encrypted Boundary--\r\n-- Encrypted Boundary\r\nx--";
        for space in ["", " "] {
            let enclosed = read(&kind(), sealed(space, "51", payload)).unwrap();
            assert_eq!(enclosed.token, payload[4..]);
            assert_eq!((enclosed.kind.as_str(), enclosed.length), ("application/soap+xml;charset=UTF-8", 51));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let wrapped = Wrapped { signature: vec![1; 60], message: vec![2; 1000] };
        for protocol in SealingProtocol::ALL {
            let body = enclose(protocol, 1000, &wrapped);
            let enclosed = read(protocol.content_type().to_str().unwrap(), body.into()).unwrap();
            assert_eq!(enclosed.token, [vec![1; 60], vec![2; 1000]].concat());
            assert_eq!(enclosed.length, 1000);
        }
    }

    #[test]
    fn what_is_cut_off_or_not_sealed_is_refused() {
        let whole = sealed(" ", "4", b"\x02\0\0\0sgdata");
        for end in 0..whole.len() - 2 {
            assert!(read(&kind(), whole[..end].to_vec()).is_err(), "{end}");
        }
        for (kind, body) in [
            ("application/soap+xml".to_owned(), whole.clone()),
            (String::new(), whole.clone()),
            (kind().replace("Kerberos", "CredSSP"), whole.clone()),
            (kind().replace(";boundary", ";b"), whole.clone()),
            (kind().replace("Encrypted Boundary", &"x".repeat(71)), whole.clone()),
            (kind(), sealed(" ", "99999999", b"\x02\0\0\0sgdata")),
            (kind(), sealed(" ", "-1", b"\x02\0\0\0sgdata")),
            (kind(), sealed(" ", "4", b"\x07\0\0\0sgdata")),
            (kind(), sealed(" ", "4", b"\xff\xff\xff\xffsgdata")),
            (kind(), sealed(" ", "4", b"\0\0")),
            (kind(), sealed(&"a\r\n".repeat(20), "4", b"\x02\0\0\0sgdata")),
        ] {
            assert!(read(&kind, body).is_err(), "{kind}");
        }
    }
}
