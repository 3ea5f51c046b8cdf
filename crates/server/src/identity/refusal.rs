use exconn_model::Timestamp;
use http::{
    HeaderValue, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;

use crate::{failure::Failure, reply::Reply, wire::Identity};

/// Why no token is issued, in the form of OAuth (RFC 6749, section 5.2) with the vendor's numbers, which its libraries and
/// those who search for them know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownTenant,
    /// Authentication is off: there is nobody to issue a token to.
    NoIssuer,
    NotAForm,
    /// A parameter that must be there.
    Missing(&'static str),
    /// A parameter that comes twice.
    Repeated,
    Grant,
    /// More than one way to prove who asks.
    TwoProofs,
    NoProof,
    UnknownApplication,
    Secret,
    ExpiredSecret,
    AssertionType,
    /// Not a JWT of the demanded form.
    Assertion,
    /// Not signed with the key of a registered certificate.
    AssertionKey,
    AssertionAudience,
    AssertionTime,
    /// Used from somewhere else before.
    AssertionReplayed,
    /// The application has too many that have not expired.
    TooManyAssertions,
    Scope,
    Resource,
    /// Too many refused attempts.
    TooMany,
}

struct Description {
    status: StatusCode,
    error: &'static str,
    code: u32,
    message: &'static str,
}

impl Refusal {
    fn describe(self) -> Description {
        let (status, error, code, message) = match self {
            Self::UnknownTenant => (400, "invalid_request", 90002, "There is no such tenant here."),
            Self::NoIssuer => (400, "invalid_request", 90002, "This service runs without authentication."),
            Self::NotAForm => (
                400,
                "invalid_request",
                900_144,
                "The body must be application/x-www-form-urlencoded, at most 64 KiB.",
            ),
            Self::Missing(_) => {
                (400, "invalid_request", 900_144, "The request body must contain the following parameter:")
            }
            Self::Repeated => (400, "invalid_request", 900_144, "A parameter is there more than once."),
            Self::Grant => (
                400,
                "unsupported_grant_type",
                70003,
                "The grant type is not supported; supported is client_credentials.",
            ),
            Self::TwoProofs => (
                400,
                "invalid_request",
                900_144,
                "Send one of client_secret, client_assertion and Basic authorization.",
            ),
            Self::NoProof => (
                401,
                "invalid_client",
                7_000_216,
                "'client_secret' or 'client_assertion' is required for the 'client_credentials' grant type.",
            ),
            Self::UnknownApplication => (
                400,
                "unauthorized_client",
                700_016,
                "There is no application with this client_id in the tenant.",
            ),
            Self::Secret => (
                401,
                "invalid_client",
                7_000_215,
                "Invalid client secret provided. Send the secret itself, not its id.",
            ),
            Self::ExpiredSecret => {
                (401, "invalid_client", 7_000_222, "The provided client secret has expired.")
            }
            Self::AssertionType => (
                400,
                "invalid_request",
                900_144,
                "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
            ),
            Self::Assertion => (
                401,
                "invalid_client",
                50027,
                "The client assertion must be a JWT signed with RS256, PS256 or ES256, with x5t or x5t#S256 in its head \
                 and iss and sub equal to client_id.",
            ),
            Self::AssertionKey => (
                401,
                "invalid_client",
                700_027,
                "The client assertion is not signed with the key of a certificate that is registered for the \
                 application and has not expired.",
            ),
            Self::AssertionAudience => (
                401,
                "invalid_client",
                700_023,
                "The audience of the client assertion must be the token endpoint.",
            ),
            Self::AssertionTime => (
                401,
                "invalid_client",
                700_024,
                "The client assertion is not within its valid time range, or is valid for more than one hour.",
            ),
            Self::AssertionReplayed => {
                (401, "invalid_client", 700_025, "The client assertion has been used from another address.")
            }
            Self::TooManyAssertions => (
                429,
                "temporarily_unavailable",
                50196,
                "The application has used too many client assertions that have not expired yet. Use an assertion again \
                 until it expires.",
            ),
            Self::Scope => (
                400,
                "invalid_scope",
                70011,
                "The scope must be this service's address, https://graph.microsoft.com or the service's audience, followed \
                 by /.default.",
            ),
            Self::Resource => (
                400,
                "invalid_target",
                500_011,
                "The resource must be this service's address, https://graph.microsoft.com or the service's audience.",
            ),
            Self::TooMany => {
                (429, "temporarily_unavailable", 50196, "Too many refused attempts. Try again later.")
            }
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Description { status, error, code, message }
    }

    /// Whether it may be the attempt to guess a credential.
    pub(super) fn is_guess(self) -> bool {
        self.describe().status == StatusCode::UNAUTHORIZED || self == Self::UnknownApplication
    }

    /// The answer's status.
    pub(super) fn status(self) -> StatusCode {
        self.describe().status
    }

    /// What the audit says.
    pub(super) fn detail(self) -> String {
        let Description { error, code, .. } = self.describe();
        format!("{error} AADSTS{code}")
    }

    /// The answer.
    pub(super) fn reply(self, identity: &Identity, now: Timestamp) -> Result<Reply, Failure> {
        let Description { status, error, code, message } = self.describe();
        let message = match self {
            Self::Missing(name) => format!("{message} '{name}'."),
            _ => message.to_owned(),
        };
        let now = now.to_string().replace('T', " ");
        let timestamp = format!("{}Z", now.get(..19).unwrap_or(&now));
        let (trace, correlation) = (identity.request.to_string(), identity.client());
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
        });
        let mut reply = Reply::json(&body)?.with_status(status);
        match status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static(r#"Basic realm="exconn""#);
                reply.headers.insert(WWW_AUTHENTICATE, challenge);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                reply.headers.insert(RETRY_AFTER, HeaderValue::from(super::attempts::WINDOW.as_secs()));
            }
            _ => {}
        }
        Ok(reply)
    }
}
