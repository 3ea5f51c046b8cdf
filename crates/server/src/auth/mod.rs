//! Who calls and what they may do: the built-in issuer, bearer tokens, the Graph's permissions.

mod issue;
mod keyring;
mod permission;
mod verify;

use std::sync::Arc;

use exconn_model::{TenantId, Timestamp};

pub use issue::{IssueError, MAX_LIFETIME, TokenKind, TokenRequest, issue_token};
pub use keyring::{Keyring, KeyringError};
pub use permission::{Need, Permission, PermissionSet, UnknownPermission};
pub use verify::{Caller, MAX_TOKEN, TokenError};

use verify::Verifier;

/// How callers prove who they are.
#[derive(Debug)]
pub struct Authentication(Mode);

#[derive(Debug)]
enum Mode {
    None(Arc<Caller>),
    Tokens(Box<Verifier>),
}

impl Authentication {
    /// Everyone may do everything: for trying things out on the machine itself. Refused on a listener that others reach.
    pub fn none(tenant: TenantId) -> Self {
        Self(Mode::None(Arc::new(Caller::anonymous(tenant))))
    }

    /// Bearer tokens signed by the built-in issuer.
    pub fn built_in(keyring: &Keyring) -> Self {
        Self(Mode::Tokens(Box::new(Verifier::new(keyring))))
    }

    /// Whether callers need a token.
    pub fn is_required(&self) -> bool {
        matches!(self.0, Mode::Tokens(_))
    }

    /// Who sent this `Authorization` header.
    pub(crate) fn caller(&self, header: Option<&[u8]>, now: Timestamp) -> Result<Arc<Caller>, TokenError> {
        let verifier = match &self.0 {
            Mode::None(everyone) => return Ok(everyone.clone()),
            Mode::Tokens(verifier) => verifier,
        };
        let header = header.ok_or(TokenError::Missing)?;
        let header = std::str::from_utf8(header).map_err(|_| TokenError::Malformed)?.trim();
        let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::Missing);
        }
        verifier.verify(token.trim(), now)
    }
}
