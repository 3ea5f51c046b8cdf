//! Issuers that the administrator trusts beside the built-in one.

use std::{path::PathBuf, sync::Arc};

use exconn_model::{TenantId, Timestamp};

use super::{
    Caller, TokenError,
    claims::{Claims, Unverified, signed},
    fetch::{Fetcher, RootsError, address},
    issuer_keys::{IssuerKeys, NoKey},
};

/// An OpenID Connect issuer whose tokens are accepted. Several may have the same `issuer` with different `tid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// `iss` of its tokens, and where its OpenID configuration is: `https`, or `http` on a loopback address.
    pub issuer: String,
    /// What `aud` must be, or contain: one of these.
    pub audiences: Vec<String>,
    /// What `tid` must be. Without it, a token needs none, but may have none other than this installation's tenant.
    pub tid: Option<String>,
    /// The tenant whose data its callers see; this installation's where absent.
    pub tenant: Option<TenantId>,
    /// PEM file with the issuer of its certificate, if the system does not know it. The same in all entries of one
    /// `issuer`.
    pub ca_file: Option<PathBuf>,
}

/// Why an issuer cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Its address is none from which keys may come.
    #[error("the issuer '{0}' must be an https address (http for a loopback address), without query")]
    Address(String),
    /// Every token of the issuer, whoever it is for, would do.
    #[error("the issuer '{0}' needs an audience: which tokens are meant for exconn?")]
    NoAudience(String),
    /// Two entries would fit the same tokens.
    #[error("two entries for the issuer '{0}' have the same tid (or none): one of them would never be used")]
    Twice(String),
    /// One of them would be ignored: the entries share the keys that are fetched.
    #[error("the entries for the issuer '{0}' have different ca_file: give all of them the same")]
    DifferentRoots(String),
    /// The issuer of its certificate cannot be used.
    #[error("the issuer '{issuer}': {source}")]
    Roots {
        /// The issuer.
        issuer: String,
        /// Why.
        #[source]
        source: RootsError,
    },
}

/// Why a token of an external issuer is not accepted.
pub(super) enum Refused {
    /// It is no good.
    Token(TokenError),
    /// Its issuer does not answer, so nobody can tell.
    Unreachable,
}

/// All issuers that are trusted.
#[derive(Default)]
pub(super) struct Issuers {
    entries: Vec<Entry>,
}

struct Entry {
    trusted: TrustedIssuer,
    tenant: TenantId,
    /// Shared by the entries of one issuer.
    keys: Arc<IssuerKeys>,
}

impl Issuers {
    pub(super) fn new(trusted: Vec<TrustedIssuer>, own: TenantId) -> Result<Self, IssuerError> {
        let mut entries: Vec<Entry> = Vec::new();
        for one in trusted {
            let uri = address(&one.issuer).map_err(|_| IssuerError::Address(one.issuer.clone()))?;
            if uri.query().is_some() || one.issuer.contains('#') {
                return Err(IssuerError::Address(one.issuer));
            }
            if one.audiences.iter().all(String::is_empty) {
                return Err(IssuerError::NoAudience(one.issuer));
            }
            let same: Vec<&Entry> =
                entries.iter().filter(|other| other.trusted.issuer == one.issuer).collect();
            if same.iter().any(|other| other.trusted.tid == one.tid) {
                return Err(IssuerError::Twice(one.issuer));
            }
            let keys = match same.first() {
                Some(other) if other.trusted.ca_file != one.ca_file => {
                    return Err(IssuerError::DifferentRoots(one.issuer));
                }
                Some(other) => other.keys.clone(),
                None => {
                    let fetcher = Fetcher::new(one.ca_file.as_deref())
                        .map_err(|source| IssuerError::Roots { issuer: one.issuer.clone(), source })?;
                    Arc::new(IssuerKeys::new(&one.issuer, fetcher))
                }
            };
            entries.push(Entry { tenant: one.tenant.unwrap_or(own), trusted: one, keys });
        }
        Ok(Self { entries })
    }

    /// The tenants whose data callers of these issuers see.
    pub(super) fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.entries.iter().map(|entry| entry.tenant)
    }

    /// Whether one of them has this name.
    pub(super) fn know(&self, issuer: &str) -> bool {
        self.entries.iter().any(|entry| entry.trusted.issuer == issuer)
    }

    /// Who the bearer of a token is that says to be from `issuer`, which must be known.
    pub(super) async fn verify(
        &self,
        token: &str,
        head: &Unverified,
        issuer: &str,
        own: TenantId,
        now: Timestamp,
    ) -> Result<Caller, Refused> {
        let entries: Vec<&Entry> =
            self.entries.iter().filter(|entry| entry.trusted.issuer == issuer).collect();
        let Some(first) = entries.first() else { return Err(Refused::Token(TokenError::Issuer)) };
        let keys =
            first.keys.find(head.key_id.as_deref(), head.algorithm, now).await.map_err(|why| match why {
                NoKey::Unknown => Refused::Token(TokenError::Signature),
                NoKey::Unreachable => Refused::Unreachable,
            })?;
        let mut checked = Err(TokenError::Signature);
        for key in keys {
            checked = signed::<Claims>(token, head.algorithm, &key);
            if checked.is_ok() {
                break;
            }
        }
        let claims = checked.map_err(Refused::Token)?;
        let own = own.to_string();
        let entry = entries.into_iter().find(|entry| entry.takes_tenant(claims.tid.as_deref(), &own));
        let entry = entry.filter(|_| claims.iss == issuer).ok_or(Refused::Token(TokenError::Issuer))?;
        if !claims.aud.iter().any(|audience| entry.trusted.audiences.contains(audience)) {
            return Err(Refused::Token(TokenError::Audience));
        }
        if !claims.are_for_access(head.token_type.as_deref()) {
            return Err(Refused::Token(TokenError::NotForAccess));
        }
        let caller = Caller::of(claims, entry.tenant);
        caller.check_time(now).map_err(Refused::Token)?;
        Ok(caller)
    }
}

impl Entry {
    fn takes_tenant(&self, tid: Option<&str>, own: &str) -> bool {
        match &self.trusted.tid {
            Some(wanted) => tid == Some(wanted),
            None => tid.is_none_or(|tid| tid == own),
        }
    }
}
