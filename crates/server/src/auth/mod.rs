//! Who calls and what they may do: the built-in issuer, other issuers, bearer tokens, the Graph's permissions.

mod caller;
mod claims;
mod fetch;
mod issue;
mod issuer_keys;
mod issuers;
mod jwks;
mod keyring;
mod permission;
mod verify;

use std::sync::Arc;

use exconn_model::{TenantId, Timestamp};
use exconn_store::Store;

pub use caller::Caller;
pub use claims::MAX_TOKEN;
pub use fetch::RootsError;
pub use issue::{IssueError, MAX_LIFETIME, TokenKind, TokenRequest, issue_token};
pub use issuers::{IssuerError, TrustedIssuer};
pub use keyring::{Keyring, KeyringError};
pub use permission::{Need, Permission, PermissionSet, UnknownPermission};
pub use verify::TokenError;

pub(crate) use caller::check_time;
pub(crate) use claims::{NumericDate, OneOrMany, Unverified, signed};
pub(crate) use jwks::RSA_BITS;

use self::{issuers::Issuers, verify::Verifier};
use crate::failure::Failure;

/// How many keys of a key set could check a signature.
#[cfg(feature = "untrusted")]
pub(crate) fn key_set_size(document: &[u8]) -> Option<usize> {
    jwks::read(document).ok().map(|keys| keys.len())
}

/// Checks what can be checked of issuers without asking them.
pub fn check_issuers(issuers: Vec<TrustedIssuer>) -> Result<(), IssuerError> {
    Issuers::new(issuers, TenantId(uuid::Uuid::nil())).map(drop)
}

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
        Self(Mode::Tokens(Box::new(Verifier::new(keyring, Issuers::default()))))
    }

    /// Bearer tokens signed by the built-in issuer or by one of these. None of them needs to be reachable yet.
    pub fn trusting(keyring: &Keyring, issuers: Vec<TrustedIssuer>) -> Result<Self, IssuerError> {
        let issuers = Issuers::new(issuers, keyring.tenant())?;
        Ok(Self(Mode::Tokens(Box::new(Verifier::new(keyring, issuers)))))
    }

    /// Whether callers need a token.
    pub fn is_required(&self) -> bool {
        matches!(self.0, Mode::Tokens(_))
    }

    /// The built-in issuer's keys, unless authentication is off.
    pub(crate) fn keyring(&self) -> Option<&Keyring> {
        match &self.0 {
            Mode::None(_) => None,
            Mode::Tokens(verifier) => Some(verifier.keyring()),
        }
    }

    /// Whether applications may sign in for this tenant.
    pub(crate) fn serves(&self, tenant: TenantId) -> bool {
        matches!(&self.0, Mode::Tokens(verifier) if verifier.serves(tenant))
    }

    /// Lets what changed in an application count at once.
    pub(crate) fn forget_applications(&self) {
        if let Mode::Tokens(verifier) = &self.0 {
            verifier.forget();
        }
    }

    /// Who sent this `Authorization` header.
    pub(crate) async fn caller(
        &self,
        header: Option<&[u8]>,
        now: Timestamp,
        store: &dyn Store,
    ) -> Result<Arc<Caller>, Failure> {
        let verifier = match &self.0 {
            Mode::None(everyone) => return Ok(everyone.clone()),
            Mode::Tokens(verifier) => verifier,
        };
        let header = header.ok_or(TokenError::Missing)?;
        let header = std::str::from_utf8(header).map_err(|_| TokenError::Malformed)?.trim();
        let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::Missing.into());
        }
        verifier.verify(token.trim(), now, store).await
    }
}
