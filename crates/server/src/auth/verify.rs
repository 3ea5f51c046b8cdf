use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use exconn_model::{Application, ApplicationId, TenantId, Timestamp};
use exconn_store::{Store, StoreError};
use jsonwebtoken::Algorithm;
use quick_cache::sync::Cache;
use ring::digest;

use super::{
    Caller, Keyring, PermissionSet,
    claims::{Claims, Unverified, signed},
    issuers::{Issuers, Refused},
};
use crate::failure::Failure;

/// Verified tokens that are remembered.
const REMEMBERED: usize = 1024;
/// So long a verified token of an application is believed before the application is looked up again: other processes may
/// have removed it.
const APPLICATION_RECHECK: Duration = Duration::from_secs(60);
/// So long a verified token of another issuer is believed before its key is looked up again: the issuer may have withdrawn
/// it.
const ISSUER_RECHECK: Duration = Duration::from_secs(300);

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
    /// Issued by another issuer, or for another tenant.
    #[error("foreign issuer")]
    Issuer,
    /// Meant for another service.
    #[error("foreign audience")]
    Audience,
    /// An ID token, or another kind of token that opens nothing.
    #[error("not an access token")]
    NotForAccess,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not valid yet")]
    NotYetValid,
    /// The application that it was issued to has been removed.
    #[error("application removed")]
    Removed,
}

/// Checks bearer tokens.
pub(crate) struct Verifier {
    keyring: Keyring,
    issuers: Issuers,
    // A signature check costs many times what the rest of a request does.
    verified: Cache<[u8; 32], Verified>,
    /// Counts the changes of applications in this process.
    changes: AtomicU64,
}

#[derive(Clone)]
struct Verified {
    caller: Arc<Caller>,
    /// Until then it needs no other look.
    until: Timestamp,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keyring", &self.keyring).finish_non_exhaustive()
    }
}

impl Verifier {
    pub(super) fn new(keyring: &Keyring, issuers: Issuers) -> Self {
        Self {
            keyring: keyring.clone(),
            issuers,
            verified: Cache::new(REMEMBERED),
            changes: AtomicU64::new(0),
        }
    }

    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Whether someone may sign in for this tenant.
    pub(super) fn serves(&self, tenant: TenantId) -> bool {
        tenant == self.keyring.tenant || self.issuers.tenants().any(|one| one == tenant)
    }

    /// Looks at every token anew: an application was changed or removed.
    pub(super) fn forget(&self) {
        // Counted before clearing: a check that began before the change may end after it, and must not be remembered.
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.verified.clear();
    }

    /// Who the bearer of this token is.
    pub(super) async fn verify(
        &self,
        token: &str,
        now: Timestamp,
        store: &dyn Store,
    ) -> Result<Arc<Caller>, Failure> {
        if token.is_empty() {
            return Err(TokenError::Missing.into());
        }
        if token.len() > super::MAX_TOKEN {
            return Err(TokenError::Malformed.into());
        }
        let fingerprint = fingerprint(token)?;
        if let Some(known) = self.verified.get(&fingerprint)
            && now < known.until
        {
            if let Err(error) = known.caller.check_time(now) {
                self.verified.remove(&fingerprint);
                return Err(error.into());
            }
            return Ok(known.caller);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let verified = self.check(token, now, store).await?;
        let caller = verified.caller.clone();
        self.verified.insert(fingerprint, verified);
        if self.changes.load(Ordering::Acquire) != changes {
            self.verified.remove(&fingerprint);
        }
        Ok(caller)
    }

    async fn check(&self, token: &str, now: Timestamp, store: &dyn Store) -> Result<Verified, Failure> {
        let head = Unverified::read(token)?;
        match &head.issuer {
            Some(issuer) if self.issuers.know(issuer) => {
                let own = self.keyring.tenant;
                match self.issuers.verify(token, &head, issuer, own, now).await {
                    Ok(caller) => Ok(Verified { caller: Arc::new(caller), until: now.after(ISSUER_RECHECK) }),
                    Err(Refused::Token(error)) => Err(error.into()),
                    Err(Refused::Unreachable) => Err(Failure::IssuerUnreachable),
                }
            }
            _ => self.check_own(token, &head, now, store).await,
        }
    }

    /// A token that only the built-in issuer can have signed.
    async fn check_own(
        &self,
        token: &str,
        head: &Unverified,
        now: Timestamp,
        store: &dyn Store,
    ) -> Result<Verified, Failure> {
        if head.algorithm != Algorithm::ES256 {
            return Err(TokenError::Issuer.into());
        }
        if head.key_id.as_ref().is_some_and(|id| *id != self.keyring.key_id) {
            return Err(TokenError::Signature.into());
        }
        let claims: Claims = signed(token, Algorithm::ES256, &self.keyring.verifying)?;
        let tenant = match &claims.tid {
            None => self.keyring.tenant,
            Some(tid) => {
                let tenant = tid.parse().map(TenantId).map_err(|_| TokenError::Issuer)?;
                if self.serves(tenant) { tenant } else { return Err(TokenError::Issuer.into()) }
            }
        };
        if !self.keyring.is_issuer(&claims.iss, tenant) {
            return Err(TokenError::Issuer.into());
        }
        if !claims.aud.iter().any(|audience| *audience == self.keyring.audience()) {
            return Err(TokenError::Audience.into());
        }
        let application = claims.appid.clone();
        let mut caller = Caller::of(claims, tenant);
        caller.check_time(now)?;
        let Some(application) = application else {
            return Ok(Verified { caller: Arc::new(caller), until: Timestamp::MAX });
        };
        let application = registered(store, tenant, &application).await?;
        let mut granted = PermissionSet::default();
        application.permissions.iter().for_each(|name| granted.add_name(name));
        caller.permissions = caller.permissions.and(granted);
        Ok(Verified { caller: Arc::new(caller), until: now.after(APPLICATION_RECHECK) })
    }
}

async fn registered(store: &dyn Store, tenant: TenantId, id: &str) -> Result<Application, Failure> {
    let id: ApplicationId = id.parse().map_err(|_| TokenError::Removed)?;
    match store.application(tenant, id).await {
        Err(StoreError::NotFound) => Err(TokenError::Removed.into()),
        found => Ok(found?),
    }
}

fn fingerprint(token: &str) -> Result<[u8; 32], TokenError> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().try_into().map_err(|_| TokenError::Malformed)
}
