use std::fmt;

use crate::{ApplicationId, CredentialId, TenantId, Timestamp};

/// Credentials that an application may have at once. Two are enough for a change without a gap; more are for several
/// machines.
pub const MAX_CREDENTIALS: usize = 20;

/// A program that is registered with the built-in issuer and signs in with a secret or a certificate of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Identity, given by exconn: the `client_id`.
    pub id: ApplicationId,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// Its name for people.
    pub display_name: String,
    /// The Graph's names of what it may do; they become the `roles` of its tokens.
    pub permissions: Vec<String>,
    /// When it was registered.
    pub created: Timestamp,
    /// What it signs in with, the oldest first. May contain ones that have expired.
    pub credentials: Vec<Credential>,
}

/// A partial change of an application. `None` leaves a property as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationChange {
    /// See [`Application::display_name`].
    pub display_name: Option<String>,
    /// See [`Application::permissions`].
    pub permissions: Option<Vec<String>>,
}

/// One thing that an application can prove itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Identity, given by exconn.
    pub id: CredentialId,
    /// When it was added.
    pub created: Timestamp,
    /// From this moment on it opens nothing.
    pub expires: Timestamp,
    /// What it is checked against.
    pub key: CredentialKey,
}

/// What kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A shared secret.
    Secret,
    /// An X.509 certificate whose private key the application holds.
    Certificate,
}

/// What a credential is checked against. Nothing here lets anyone sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialKey {
    /// A secret, of which only a digest is kept.
    Secret {
        /// The digest.
        digest: SecretDigest,
        /// Its first characters, by which people tell it from others.
        hint: String,
    },
    /// A certificate, in DER form.
    Certificate(Vec<u8>),
}

impl CredentialKey {
    /// What kind it is.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Secret { .. } => CredentialKind::Secret,
            Self::Certificate(_) => CredentialKind::Certificate,
        }
    }
}

/// The salted digest of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretDigest {
    /// Makes equal secrets differ.
    pub salt: [u8; 16],
    /// SHA-256 of salt and secret. Secrets are 256 random bits, which no one can try out: a slow function would only slow
    /// down the service.
    pub hash: [u8; 32],
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest")
    }
}
