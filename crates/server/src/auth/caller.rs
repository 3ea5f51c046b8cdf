use exconn_model::{TenantId, Timestamp};

use super::{PermissionSet, TokenError, claims::Claims};

/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 30;
/// Characters of a name that the audit keeps.
const MAX_NAME: usize = 256;

/// Who calls, as the token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant whose data the caller sees.
    pub tenant: TenantId,
    /// `oid`, else `sub`: what never changes. Empty where authentication is off.
    pub subject: String,
    /// The name for people: `upn`, `preferred_username` or the like. Its issuer may let people change it.
    pub name: Option<String>,
    /// `appid`, `azp` or `client_id`: the program that asked for the token.
    pub application: Option<String>,
    /// Whether the token speaks for a person (`scp`) rather than for a program (`roles`).
    pub delegated: bool,
    /// What it may do.
    pub permissions: PermissionSet,
    not_before: i64,
    expires: i64,
}

impl Caller {
    /// Everyone, where authentication is off.
    pub(crate) fn anonymous(tenant: TenantId) -> Self {
        Self {
            tenant,
            subject: String::new(),
            name: None,
            application: None,
            delegated: false,
            permissions: PermissionSet::all(),
            not_before: i64::MIN,
            expires: i64::MAX,
        }
    }

    /// Whether nobody said who this is.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.subject.is_empty()
    }

    /// The bearer of a token whose signature and issuer are right.
    pub(super) fn of(claims: Claims, tenant: TenantId) -> Self {
        let mut permissions = PermissionSet::default();
        let delegated = claims.scp.is_some() || claims.scope.is_some();
        for scopes in claims.scp.iter().flat_map(|scp| scp.iter()).chain(claims.scope.as_ref()) {
            scopes.split(' ').for_each(|name| permissions.add_name(name));
        }
        claims.roles.iter().for_each(|name| permissions.add_name(name));
        let subject = [claims.oid, claims.sub].into_iter().flatten().find(|id| !id.is_empty());
        Self {
            tenant,
            subject: shortened(subject.unwrap_or_else(|| "unnamed".to_owned())),
            name: claims.upn.or(claims.preferred_username).or(claims.email).map(shortened),
            application: claims.appid.or(claims.azp).or(claims.client_id).map(shortened),
            delegated,
            permissions,
            not_before: claims.nbf.map_or(i64::MIN, |moment| moment.0),
            expires: claims.exp.0,
        }
    }

    /// Refuses outside of the token's time.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), TokenError> {
        check_time(self.not_before, self.expires, now)
    }
}

/// Refuses what has expired or is not valid yet, by seconds since 1970.
pub(crate) fn check_time(not_before: i64, expires: i64, now: Timestamp) -> Result<(), TokenError> {
    let now = now.unix_seconds();
    if now >= expires.saturating_add(LEEWAY) {
        return Err(TokenError::Expired);
    }
    if now < not_before.saturating_sub(LEEWAY) {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

fn shortened(name: String) -> String {
    match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => name[..end].to_owned(),
        None => name,
    }
}
