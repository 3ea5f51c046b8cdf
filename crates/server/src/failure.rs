//! The one map from errors to HTTP.

use std::{borrow::Cow, time::Duration};

use exconn_model::FailureKind;
use exconn_odata::{batch::BatchError, body, options::OptionsError, skiptoken::BadToken};
use exconn_store::StoreError;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::{
    agents::AgentRefusal,
    auth::{Need, TokenError},
    throttle::TooMany,
    wire::{BodyError, VersionError},
};

/// A client may ask again after so long when the store does not answer.
const RETRY: Duration = Duration::from_secs(5);

const IF_MATCH: &str =
    "The resource was changed since it was read: its ETag is not the one in If-Match. Read it again.";
const INTERNAL: &str = "An error has occurred. The service's log has more under the request-id.";

/// Why a request is not answered as the client hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("token refused: {0}")]
    Token(#[from] TokenError),
    #[error("the issuer of the token cannot be reached")]
    IssuerUnreachable,
    #[error("permission missing")]
    Forbidden { need: Need, delegated: bool },
    #[error("unknown version")]
    UnknownVersion(String),
    #[error("unknown segment")]
    UnknownSegment { name: String, accepted: &'static str },
    #[error("no such route")]
    UnknownRoute,
    #[error("no such resource")]
    NotFound,
    #[error("method not allowed")]
    Method { allowed: String },
    #[error("a request that this one depends on failed")]
    FailedDependency(String),
    #[error("throttled: {0}")]
    TooMany(#[from] TooMany),
    #[error("nothing acceptable")]
    NotAcceptable,
    #[error("If-Match is not fulfilled")]
    IfMatch,
    #[error("If-None-Match is not fulfilled")]
    IfNoneMatch,
    #[error("body refused: {0}")]
    Body(#[from] BodyError),
    #[error("bad request: {message}")]
    Bad { code: &'static str, message: String },
    #[error("an answer could not be written")]
    Unwritable,
    #[error("agent: {0}")]
    Agent(#[from] AgentRefusal),
    #[error("store: {0}")]
    Store(#[from] StoreError),
}

impl Failure {
    /// A 400 with the code `BadRequest`.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::Bad { code: "BadRequest", message: message.into() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::IssuerUnreachable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::UnknownVersion(_) | Self::UnknownRoute | Self::NotFound => StatusCode::NOT_FOUND,
            Self::UnknownSegment { .. } | Self::Bad { .. } => StatusCode::BAD_REQUEST,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::FailedDependency(_) => StatusCode::FAILED_DEPENDENCY,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::IfMatch | Self::IfNoneMatch => StatusCode::PRECONDITION_FAILED,
            Self::Body(error) => match error {
                BodyError::NoContentType | BodyError::Gzip | BodyError::Cut => StatusCode::BAD_REQUEST,
                BodyError::NotJson | BodyError::Charset | BodyError::Encoding => {
                    StatusCode::UNSUPPORTED_MEDIA_TYPE
                }
                BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            },
            Self::Unwritable => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Agent(refusal) => match refusal {
                AgentRefusal::NotServed | AgentRefusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
                AgentRefusal::ReadOnly | AgentRefusal::NoMailbox => StatusCode::CONFLICT,
                AgentRefusal::Exchange { kind: FailureKind::Throttled, .. } => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                AgentRefusal::Exchange { .. } => StatusCode::BAD_GATEWAY,
            },
            Self::Store(error) => match error {
                StoreError::NotFound => StatusCode::NOT_FOUND,
                StoreError::RevisionMismatch => StatusCode::PRECONDITION_FAILED,
                // Asking again would take as long again: it is for the client to ask for less.
                StoreError::TooSlow => StatusCode::BAD_REQUEST,
                StoreError::TooMany(_) => StatusCode::CONFLICT,
                StoreError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
                StoreError::ReadOnly(_) | StoreError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        if let Self::Bad { code, .. } = self {
            return code;
        }
        match self.status() {
            StatusCode::UNAUTHORIZED => "InvalidAuthenticationToken",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "ResourceNotFound",
            StatusCode::METHOD_NOT_ALLOWED => "Request_BadRequest",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
            StatusCode::NOT_ACCEPTABLE => "NotAcceptable",
            StatusCode::FAILED_DEPENDENCY => "FailedDependency",
            StatusCode::REQUEST_TIMEOUT => "RequestTimeout",
            StatusCode::CONFLICT => "Conflict",
            StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
            StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLarge",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "UnsupportedMediaType",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            StatusCode::BAD_GATEWAY => "BadGateway",
            StatusCode::INSUFFICIENT_STORAGE => "InsufficientStorage",
            StatusCode::INTERNAL_SERVER_ERROR => "InternalServerError",
            _ => "BadRequest",
        }
    }

    /// What the client reads. Nothing of the store's own words.
    pub(crate) fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Token(error) => token_message(*error).into(),
            Self::IssuerUnreachable => {
                "The issuer of the access token cannot be reached now, so the token cannot be checked. Try again later."
                    .into()
            }
            Self::Forbidden { need, delegated } => forbidden_message(*need, *delegated).into(),
            Self::UnknownVersion(version) => {
                format!("Invalid version: {version}. Paths begin with /v1.0 or /beta.").into()
            }
            Self::UnknownSegment { name, accepted } => {
                format!("Resource not found for the segment '{name}'. {accepted}").into()
            }
            Self::UnknownRoute => {
                "There is nothing at this address. /exconn/v1/openapi.json describes what stands under /exconn/v1.".into()
            }
            Self::NotFound | Self::Store(StoreError::NotFound) => "There is no resource with this id.".into(),
            Self::Method { allowed } => {
                format!("Specified HTTP method is not allowed for the request target. Allowed: {allowed}.")
                    .into()
            }
            Self::FailedDependency(id) => {
                format!("This request was not carried out, since the request '{id}' did not succeed.").into()
            }
            Self::TooMany(reason) => reason.to_string().into(),
            Self::NotAcceptable => {
                "None of the media types in Accept or $format can be given. Accepted are application/json with \
                 odata.metadata none, minimal or full; for $count, text/plain; for $metadata, application/xml too."
                    .into()
            }
            Self::IfMatch => IF_MATCH.into(),
            Self::IfNoneMatch => {
                "The resource exists, in a state that If-None-Match excludes. Nothing was changed.".into()
            }
            Self::Body(error) => body_message(*error).into(),
            Self::Bad { message, .. } => message.as_str().into(),
            Self::Unwritable => INTERNAL.into(),
            Self::Agent(refusal) => agent_message(refusal),
            Self::Store(StoreError::TooMany(what)) => format!("There are too many {what}. Remove some first.").into(),
            Self::Store(error) => store_message(error).into(),
        }
    }

    /// The headers that belong to this failure.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Token(error) => {
                let challenge = match error {
                    TokenError::Missing => r#"Bearer realm="exconn""#,
                    TokenError::Expired => {
                        r#"Bearer realm="exconn", error="invalid_token", error_description="expired""#
                    }
                    _ => r#"Bearer realm="exconn", error="invalid_token""#,
                };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Method { allowed } => {
                if let Ok(allowed) = HeaderValue::from_str(allowed) {
                    headers.insert(ALLOW, allowed);
                }
            }
            Self::TooMany(reason) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(reason.retry_after));
            }
            // RFC 9110, section 15.5.16: what would be understood.
            Self::Body(BodyError::Encoding) => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            }
            Self::Body(BodyError::NotJson | BodyError::Charset) => {
                headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            }
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY.as_secs()));
            }
            _ => {}
        }
    }

    /// Whether the operator has to know.
    pub(crate) fn is_ours(&self) -> bool {
        self.status().is_server_error()
    }

    /// Whether it goes into the audit.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Token(_) | Self::Forbidden { .. })
    }
}

fn agent_message(refusal: &AgentRefusal) -> Cow<'static, str> {
    match refusal {
        AgentRefusal::NotServed => {
            "No agent serves this connector now. Check that the configuration names its Exchange organisation.".into()
        }
        AgentRefusal::Busy => "The connection is being tested already. Try again when that has ended.".into(),
        AgentRefusal::ReadOnly => {
            "The connection is read-only. Set read_only = false for it in the configuration to let exconn decide about devices."
                .into()
        }
        AgentRefusal::NoMailbox => "The mailbox of this device is not known, so Exchange cannot be told.".into(),
        AgentRefusal::Exchange { detail, .. } => format!("Exchange did not do it: {detail}.").into(),
    }
}

fn token_message(error: TokenError) -> &'static str {
    match error {
        TokenError::Missing => "Access token is empty.",
        TokenError::Malformed => "CompactToken parsing failed with error code: 80049217",
        TokenError::Signature => "Access token validation failure. Invalid signature.",
        TokenError::Issuer => "Access token validation failure. Invalid issuer.",
        TokenError::Audience => "Access token validation failure. Invalid audience.",
        TokenError::NotForAccess => {
            "Access token validation failure. This is no access token; an ID token will not do."
        }
        TokenError::Expired => "Lifetime validation failed, the token is expired.",
        TokenError::NotYetValid => "Access token has expired or is not yet valid.",
        TokenError::Removed => "Access token validation failure. Its application is not registered any more.",
    }
}

fn forbidden_message(need: Need, delegated: bool) -> String {
    let who = if delegated { "User" } else { "Application" };
    let names: Vec<_> = need.accepted().iter().map(|permission| permission.name()).collect();
    format!(
        "{who} is not authorized to perform this operation. {who} must have one of the following scopes: {}",
        names.join(", ")
    )
}

fn body_message(error: BodyError) -> String {
    let text = match error {
        BodyError::NoContentType => {
            "Write requests (excluding DELETE) must contain the Content-Type header declaration."
        }
        BodyError::NotJson => "Entity only allows writes with a JSON Content-Type header.",
        BodyError::Charset => "The charset in Content-Type must be utf-8.",
        BodyError::Encoding => "Content-Encoding must be gzip, identity or absent.",
        BodyError::Gzip => "The body is not the gzip data that Content-Encoding announces.",
        BodyError::TooLarge { limit } => {
            return format!(
                "The body is too large: at most {limit} bytes are accepted, also after decompression."
            );
        }
        BodyError::TooSlow => "The body did not arrive in time.",
        BodyError::Cut => "The body ended early.",
    };
    text.to_owned()
}

fn store_message(error: &StoreError) -> &'static str {
    match error {
        StoreError::RevisionMismatch => IF_MATCH,
        StoreError::TooSlow => {
            "The query takes too long and was ended. Write a condition or an order that an index serves, such as \
             deviceName or exchangeAccessState, or ask for less at once."
        }
        StoreError::Full(_) => "The service's disk is full. Nothing was changed.",
        StoreError::ReadOnly(_) => "The service cannot write its database now. Nothing was changed.",
        StoreError::Unavailable(_) => "The service's database does not answer now. Try again later.",
        _ => INTERNAL,
    }
}

impl From<body::BodyError> for Failure {
    fn from(error: body::BodyError) -> Self {
        let code = match error {
            body::BodyError::WrongType { .. } => "ModelValidationFailure",
            _ => "BadRequest",
        };
        Self::Bad { code, message: error.to_string() }
    }
}

impl From<OptionsError> for Failure {
    fn from(error: OptionsError) -> Self {
        match error {
            OptionsError::Format | OptionsError::MetadataFormat(_) => Self::NotAcceptable,
            error => Self::bad(error.to_string()),
        }
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<VersionError> for Failure {
    fn from(error: VersionError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<BadToken> for Failure {
    fn from(error: BadToken) -> Self {
        Self::bad(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_errors_become_statuses_without_its_words() {
        let cause = || Box::<dyn std::error::Error + Send + Sync>::from("SQLITE_SECRET_DETAIL /var/lib");
        for (error, status, retry) in [
            (StoreError::NotFound, 404, None),
            (StoreError::RevisionMismatch, 412, None),
            (StoreError::TooSlow, 400, None),
            (StoreError::Full(cause()), 507, None),
            (StoreError::ReadOnly(cause()), 503, Some("5")),
            (StoreError::Unavailable(cause()), 503, Some("5")),
            (StoreError::Corrupt(cause()), 500, None),
            (StoreError::LeaseLost, 500, None),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.status().as_u16(), status);
            assert!(!failure.message().contains("SQLITE"), "{}", failure.message());
            assert_eq!(failure.is_ours(), status >= 500);
            let mut headers = HeaderMap::new();
            failure.write_headers(&mut headers);
            assert_eq!(headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap()), retry);
        }
    }
}
