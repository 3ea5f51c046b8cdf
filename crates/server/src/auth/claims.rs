//! What stands in a token, before anything of it is believed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};

use super::TokenError;

/// Tokens longer than this are refused unread, in bytes. A token of Entra with the 200 groups that it may carry has about
/// 11 KiB.
pub const MAX_TOKEN: usize = 16 * 1024;

/// A moment in whole seconds since 1970; a fraction is cut off (RFC 7519, section 2, NumericDate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumericDate(pub(crate) i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let seconds = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64));
        seconds.map(Self).ok_or_else(|| serde::de::Error::custom("not a NumericDate"))
    }
}

/// One text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(one) => std::slice::from_ref(one).iter(),
            Self::Many(many) => many.iter(),
        }
    }
}

/// The claims of an access token.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: OneOrMany,
    pub(super) exp: NumericDate,
    pub(super) nbf: Option<NumericDate>,
    pub(super) tid: Option<String>,
    pub(super) oid: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) upn: Option<String>,
    pub(super) preferred_username: Option<String>,
    pub(super) email: Option<String>,
    pub(super) appid: Option<String>,
    pub(super) azp: Option<String>,
    pub(super) client_id: Option<String>,
    /// One text with spaces, or a list as some issuers write it.
    pub(super) scp: Option<OneOrMany>,
    /// The same by its name in RFC 9068.
    pub(super) scope: Option<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    /// Keycloak's kind of token: `Bearer` or `ID`.
    pub(super) typ: Option<String>,
    nonce: Option<IgnoredAny>,
    at_hash: Option<IgnoredAny>,
    c_hash: Option<IgnoredAny>,
}

impl Claims {
    /// Whether this is an access token and not an ID token, whose `aud` is the same where an issuer knows an API by its
    /// client id. `token_type` is `typ` of the head.
    pub(super) fn are_for_access(&self, token_type: Option<&str>) -> bool {
        let token_type = token_type.map(|name| name.to_ascii_lowercase());
        let is_declared =
            match token_type.as_deref().map(|name| name.strip_prefix("application/").unwrap_or(name)) {
                // RFC 9068, section 2.1.
                Some("at+jwt") => true,
                None | Some("jwt") => self.typ.as_deref() == Some("Bearer"),
                Some(_) => return false,
            };
        if is_declared {
            return true;
        }
        // OpenID Connect Core 1.0, sections 2 and 3.3.2.11: only ID tokens have these.
        let has_marks = self.nonce.is_some() || self.at_hash.is_some() || self.c_hash.is_some();
        // An access token names the client that it was issued to (RFC 9068, section 2.2). Entra's ID tokens do not, and
        // may have none of the marks, but roles.
        let is_roles_alone = !self.roles.is_empty() && self.scp.is_none() && self.scope.is_none();
        let names_client = self.appid.is_some() || self.azp.is_some() || self.client_id.is_some();
        self.typ.as_deref() != Some("ID") && !has_marks && (names_client || !is_roles_alone)
    }
}

/// The head of a token, and who it says has issued it. Nothing of this is proven.
#[derive(Debug)]
pub(crate) struct Unverified {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) x5t: Option<String>,
    pub(crate) x5t_s256: Option<String>,
    pub(crate) issuer: Option<String>,
    /// `typ`: what kind of token it is.
    pub(super) token_type: Option<String>,
}

/// Keys that the head names or brings along (`jwk`, `jku`, `x5u`, `x5c`) are never looked at: a token must not say what to
/// trust.
#[derive(Deserialize)]
struct Head {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct IssuerOnly {
    #[serde(default)]
    iss: Option<serde_json::Value>,
}

impl Unverified {
    /// Reads a token in compact form (RFC 7515, section 7.1). Refuses algorithms that are not asymmetric (`none` and
    /// HMAC, with which a public key would do as a secret) and extensions that must be understood (section 4.1.11).
    pub(crate) fn read(token: &str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let mut parts = token.split('.');
        let (Some(head), Some(payload), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let head: Head = part(head)?;
        let algorithm = asymmetric(&head.alg).ok_or(TokenError::Malformed)?;
        if head.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let issuer = match part::<IssuerOnly>(payload)?.iss {
            Some(serde_json::Value::String(issuer)) => Some(issuer),
            _ => None,
        };
        let (x5t, x5t_s256) = (head.x5t, head.x5t_s256);
        Ok(Self { algorithm, key_id: head.kid, x5t, x5t_s256, issuer, token_type: head.typ })
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// The algorithm of this name, if it is one that tokens may be signed with.
pub(super) fn asymmetric(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// The claims of a token that this key has signed with this algorithm. Their meaning is still to be checked: the crate's
/// own checks read the system's clock.
pub(crate) fn signed<T: DeserializeOwned>(
    token: &str,
    algorithm: Algorithm,
    key: &DecodingKey,
) -> Result<T, TokenError> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<T>(token, key, &validation).map(|token| token.claims).map_err(|error| match error
        .kind()
    {
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => {
            TokenError::Signature
        }
        _ => TokenError::Malformed,
    })
}
