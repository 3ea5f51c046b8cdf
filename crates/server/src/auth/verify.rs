use std::{fmt, sync::Arc};

use exconn_model::{TenantId, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use quick_cache::sync::Cache;
use ring::digest;
use serde::Deserialize;

use super::{Keyring, PermissionSet};

/// Tokens longer than this are refused unread, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;
/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 30;
/// Verified tokens that are remembered.
const REMEMBERED: usize = 1024;
/// Characters of a name that the audit keeps.
const MAX_NAME: usize = 256;

/// Who calls, as the token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant whose data the caller sees.
    pub tenant: TenantId,
    /// `sub`, or `anonymous` where authentication is off.
    pub subject: String,
    /// `appid` or `azp`: the program that asked for the token.
    pub application: Option<String>,
    /// Whether the token speaks for a person (`scp`) rather than for a program (`roles`).
    pub delegated: bool,
    /// What it may do.
    pub permissions: PermissionSet,
    not_before: i64,
    expires: i64,
}

/// Why a token was refused. None of the cases carries anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("no token")]
    Missing,
    /// Not a token, or a token of a kind that is never accepted.
    #[error("malformed token")]
    Malformed,
    /// Signed by a key that is not trusted, or altered.
    #[error("invalid signature")]
    Signature,
    /// Issued by another issuer.
    #[error("foreign issuer")]
    Issuer,
    /// Meant for another service.
    #[error("foreign audience")]
    Audience,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not valid yet")]
    NotYetValid,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    appid: Option<String>,
    azp: Option<String>,
    tid: Option<String>,
    scp: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    exp: i64,
    nbf: Option<i64>,
}

/// Checks bearer tokens of the built-in issuer.
pub(crate) struct Verifier {
    key: DecodingKey,
    key_id: String,
    tenant: TenantId,
    tenant_name: String,
    validation: Validation,
    // An ECDSA check costs many times what the rest of a request does.
    verified: Cache<[u8; 32], Arc<Caller>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Verifier {
    pub(crate) fn new(keyring: &Keyring) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        // The crate reads the system's clock; the times are checked here against the given one.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[keyring.issuer()]);
        validation.set_audience(&[keyring.audience()]);
        Self {
            key: keyring.verifying.clone(),
            key_id: keyring.key_id.clone(),
            tenant: keyring.tenant,
            tenant_name: keyring.tenant.to_string(),
            validation,
            verified: Cache::new(REMEMBERED),
        }
    }

    /// Who the bearer of this token is.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Caller>, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let fingerprint = fingerprint(token)?;
        if let Some(caller) = self.verified.get(&fingerprint) {
            if let Err(error) = caller.check_time(now) {
                if error == TokenError::Expired {
                    self.verified.remove(&fingerprint);
                }
                return Err(error);
            }
            return Ok(caller);
        }
        let caller = Arc::new(self.check(token)?);
        caller.check_time(now)?;
        self.verified.insert(fingerprint, caller.clone());
        Ok(caller)
    }

    fn check(&self, token: &str) -> Result<Caller, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.kid.as_deref().is_some_and(|kid| kid != self.key_id) {
            return Err(TokenError::Signature);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                ErrorKind::InvalidIssuer => TokenError::Issuer,
                ErrorKind::InvalidAudience => TokenError::Audience,
                _ => TokenError::Malformed,
            })?
            .claims;
        if claims.tid.is_some_and(|tid| tid != self.tenant_name) {
            return Err(TokenError::Issuer);
        }
        let mut permissions = PermissionSet::default();
        claims.scp.iter().flat_map(|scp| scp.split(' ')).for_each(|name| permissions.add_name(name));
        claims.roles.iter().for_each(|name| permissions.add_name(name));
        Ok(Caller {
            tenant: self.tenant,
            subject: shortened(claims.sub.unwrap_or_default()),
            application: claims.appid.or(claims.azp).map(shortened),
            delegated: claims.scp.is_some(),
            permissions,
            not_before: claims.nbf.unwrap_or(i64::MIN),
            expires: claims.exp,
        })
    }
}

impl Caller {
    /// Everyone, where authentication is off.
    pub(crate) fn anonymous(tenant: TenantId) -> Self {
        Self {
            tenant,
            subject: "anonymous".to_owned(),
            application: None,
            delegated: false,
            permissions: PermissionSet::all(),
            not_before: i64::MIN,
            expires: i64::MAX,
        }
    }

    fn check_time(&self, now: Timestamp) -> Result<(), TokenError> {
        let now = now.unix_seconds();
        if now >= self.expires.saturating_add(LEEWAY) {
            return Err(TokenError::Expired);
        }
        if now < self.not_before.saturating_sub(LEEWAY) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

fn fingerprint(token: &str) -> Result<[u8; 32], TokenError> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().try_into().map_err(|_| TokenError::Malformed)
}

fn shortened(name: String) -> String {
    match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => name[..end].to_owned(),
        None => name,
    }
}
