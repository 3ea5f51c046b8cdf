use std::time::Duration;

use exconn_model::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use uuid::Uuid;

use super::{Keyring, Permission};

/// The longest life of a token: one year.
pub const MAX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// On whose behalf a token speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A person: the permissions go into `scp`.
    Delegated,
    /// A program by itself: the permissions go into `roles`.
    Application,
}

/// What to put into a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// What the bearer may do.
    pub permissions: &'a [Permission],
    /// On whose behalf.
    pub kind: TokenKind,
    /// Who the bearer is: `sub`, and what the audit shows.
    pub subject: &'a str,
    /// How long it is valid, in whole seconds; at least one, at most [`MAX_LIFETIME`].
    pub lifetime: Duration,
    /// Now.
    pub now: Timestamp,
    /// The token's own id: `jti`.
    pub id: Uuid,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Too short or too long a life.
    #[error("a token lives at least one second and at most 365 days")]
    Lifetime,
    /// A token without a permission opens nothing.
    #[error("name at least one permission")]
    NoPermission,
    /// An empty or overlong subject.
    #[error("a subject has 1 to 256 characters")]
    Subject,
    /// The key refused to sign.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    aud: String,
    sub: &'a str,
    tid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<&'static str>>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

/// Signs a token (JWT, ES256) that every service with this keyring trusts.
pub fn issue_token(keyring: &Keyring, request: &TokenRequest<'_>) -> Result<String, IssueError> {
    let lifetime = request.lifetime.as_secs();
    if lifetime < 1 || request.lifetime > MAX_LIFETIME {
        return Err(IssueError::Lifetime);
    }
    if request.permissions.is_empty() {
        return Err(IssueError::NoPermission);
    }
    if request.subject.is_empty() || request.subject.chars().count() > 256 {
        return Err(IssueError::Subject);
    }
    let names: Vec<_> = request.permissions.iter().map(|permission| permission.name()).collect();
    let (scp, roles) = match request.kind {
        TokenKind::Delegated => (Some(names.join(" ")), None),
        TokenKind::Application => (None, Some(names)),
    };
    let now = request.now.unix_seconds();
    let claims = Claims {
        iss: keyring.issuer(),
        aud: keyring.audience(),
        sub: request.subject,
        tid: keyring.tenant.to_string(),
        scp,
        roles,
        iat: now,
        nbf: now,
        exp: now.saturating_add(i64::try_from(lifetime).unwrap_or(i64::MAX)),
        jti: request.id.to_string(),
    };
    let header = Header { kid: Some(keyring.key_id.clone()), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, &claims, &keyring.signing).map_err(IssueError::Sign)
}
