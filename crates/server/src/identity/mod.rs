//! The built-in issuer for programs: `/{tenant}/oauth2/v2.0/token` and the documents by which libraries find it, in the
//! form of the vendor's identity platform, so that its libraries work unmodified.

mod assertion;
mod attempts;
mod certificate;
mod discovery;
mod form;
mod grant;
mod refusal;
mod token;

use std::borrow::Cow;

use exconn_model::TenantId;

pub(crate) use assertion::Assertions;
#[cfg(feature = "untrusted")]
pub(crate) use assertion::check as check_assertion;
pub(crate) use attempts::Attempts;
pub(crate) use certificate::Certificate;
pub(crate) use discovery::{configuration, keys};
pub(crate) use grant::Dialect;
pub(crate) use token::issue;

use crate::{answer::Target, app::Service, routes::Place};

/// What the issuer remembers of those who sign in.
pub(crate) struct SignIns {
    pub(crate) assertions: Assertions,
    pub(crate) attempts: Attempts,
}

impl SignIns {
    pub(crate) fn new() -> Self {
        Self { assertions: Assertions::default(), attempts: Attempts::new() }
    }
}

/// How many parameters a token request has.
#[cfg(feature = "untrusted")]
pub(crate) fn form_size(body: &[u8]) -> Option<usize> {
    form::Form::read(body).ok().map(|form| form.len())
}

/// What a path names; `None` if it is not one of the issuer's.
pub(crate) fn resolve(path: &str) -> Option<Target<'_>> {
    let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
    let place = match rest {
        "oauth2/v2.0/token" => Place::Token,
        "oauth2/token" => Place::TokenOfVersionOne,
        "v2.0/.well-known/openid-configuration" => Place::OpenIdConfiguration,
        "discovery/v2.0/keys" => Place::SigningKeys,
        _ => return None,
    };
    Some(Target { place, id: Some(Cow::Borrowed(tenant)), version: None })
}

/// The tenant of this name, if applications may sign in for it.
fn tenant(service: &Service, name: &str) -> Option<TenantId> {
    // The vendor's libraries pass on what people type, and people copy GUIDs in capitals.
    let tenant = name.to_ascii_lowercase().parse().ok()?;
    service.authentication.serves(tenant).then_some(tenant)
}

/// `iss` of a tenant's tokens for applications.
fn issuer(origin: &str, tenant: TenantId) -> String {
    format!("{origin}/{tenant}/v2.0")
}

/// Where a tenant's applications get their tokens.
fn token_endpoint(origin: &str, tenant: TenantId) -> String {
    format!("{origin}/{tenant}/oauth2/v2.0/token")
}
