//! `application/x-www-form-urlencoded`.

use std::borrow::Cow;

use http::{HeaderMap, header::CONTENT_TYPE};
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;

/// Bytes of a token request: a client assertion with a chain of certificates has some 10 KiB.
pub(super) const MAX_FORM: usize = 64 * 1024;
/// Parameters of a form.
const MAX_PARAMETERS: usize = 64;

/// The parameters of a form; each is there at most once.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form. RFC 6749, section 3.2: a parameter without a value counts as left out, and none may come twice.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body = std::str::from_utf8(body).map_err(|_| Refusal::NotAForm)?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        for part in body.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if value.is_empty() {
                continue;
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::Repeated);
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(Refusal::NotAForm);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    #[cfg(feature = "untrusted")]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::Missing(name))
    }
}

/// Whether a body is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// A name or a value of a form.
pub(super) fn decoded(text: &str) -> Result<String, Refusal> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| Refusal::NotAForm)
}
