use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_model::{Application, ApplicationId, CredentialKey, Timestamp};
use jsonwebtoken::Algorithm;
use ring::digest;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::{certificate::Certificate, refusal::Refusal};
use crate::auth::{NumericDate, OneOrMany, Unverified, check_time, signed};

/// An assertion may be valid so long from now on; the vendor's libraries sign for ten minutes.
const MAX_LIFE: Duration = Duration::from_secs(3600);
/// Assertions of one application that are remembered until they expire. The vendor's libraries use one for ten minutes.
const MAX_REMEMBERED: usize = 2000;

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: NumericDate,
    nbf: Option<NumericDate>,
}

/// Checks a client assertion (RFC 7523, section 3), which must be signed with the key of one of the application's
/// certificates. Returns the moment from which on it is worth nothing.
pub(crate) fn check(
    assertion: &str,
    application: &Application,
    audiences: &[String],
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let head = Unverified::read(assertion).map_err(|_| Refusal::Assertion)?;
    if !matches!(head.algorithm, Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256) {
        return Err(Refusal::Assertion);
    }
    let sha1 = head.x5t.as_deref().map(thumbprint).transpose()?;
    let sha256 = head.x5t_s256.as_deref().map(thumbprint).transpose()?;
    if sha1.is_none() && sha256.is_none() {
        return Err(Refusal::Assertion);
    }
    let same =
        |given: &Option<Vec<u8>>, own: &[u8]| given.as_ref().is_none_or(|given| given.ct_eq(own).into());
    let valid = application.credentials.iter().filter(|credential| now < credential.expires);
    let certificate = valid
        .filter_map(|credential| match &credential.key {
            CredentialKey::Certificate(der) => Certificate::from_der(der).ok(),
            CredentialKey::Secret { .. } => None,
        })
        .find(|one| same(&sha1, &one.sha1) && same(&sha256, &one.sha256))
        .ok_or(Refusal::AssertionKey)?;
    let key = certificate.key(head.algorithm).ok_or(Refusal::AssertionKey)?;
    let claims: Claims = signed(assertion, head.algorithm, key).map_err(|error| match error {
        crate::auth::TokenError::Signature => Refusal::AssertionKey,
        _ => Refusal::Assertion,
    })?;
    let id = application.id.to_string();
    if claims.iss != id || claims.sub != id {
        return Err(Refusal::Assertion);
    }
    if !claims.aud.iter().any(|audience| audiences.contains(audience)) {
        return Err(Refusal::AssertionAudience);
    }
    let not_before = claims.nbf.map_or(i64::MIN, |moment| moment.0);
    check_time(not_before, claims.exp.0, now).map_err(|_| Refusal::AssertionTime)?;
    let expires = Timestamp::from_unix_seconds(claims.exp.0);
    // The allowance for clocks counts here too.
    if expires > now.after(MAX_LIFE + Duration::from_secs(60)) {
        return Err(Refusal::AssertionTime);
    }
    Ok(expires.after(Duration::from_secs(60)))
}

/// A thumbprint as it stands in a head: Base64url, by some libraries with padding.
fn thumbprint(text: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| Refusal::Assertion)
}

/// The client an assertion says to be from. Nothing of it is proven.
pub(super) fn client(assertion: &str) -> Option<String> {
    Unverified::read(assertion).ok()?.issuer
}

/// Assertions that were used, and from where. The vendor's libraries use one assertion for several requests, so that a
/// second use is no attack; a use from another address is.
#[derive(Default)]
pub(crate) struct Assertions(Mutex<HashMap<ApplicationId, Used>>);

/// The assertions of one application: it can fill up only its own memory.
struct Used {
    by_fingerprint: HashMap<[u8; 32], (IpAddr, Timestamp)>,
    /// When the first of them expires; before that there is nothing to forget.
    first_end: Timestamp,
    /// When the last of them expires.
    last_end: Timestamp,
}

impl Assertions {
    /// Notes the use of an assertion of this application that was checked.
    pub(super) fn admit(
        &self,
        application: ApplicationId,
        assertion: &str,
        address: IpAddr,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let fingerprint = digest::digest(&digest::SHA256, assertion.as_bytes());
        let fingerprint = fingerprint.as_ref().try_into().map_err(|_| Refusal::Assertion)?;
        let mut applications = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !applications.contains_key(&application) {
            applications.retain(|_, used| used.last_end > now);
        }
        applications.entry(application).or_default().admit(fingerprint, address.to_canonical(), until, now)
    }
}

impl Used {
    fn admit(
        &mut self,
        fingerprint: [u8; 32],
        address: IpAddr,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some((first, _)) = self.by_fingerprint.get(&fingerprint) {
            return if *first == address { Ok(()) } else { Err(Refusal::AssertionReplayed) };
        }
        if self.by_fingerprint.len() >= MAX_REMEMBERED && self.first_end <= now {
            self.by_fingerprint.retain(|_, (_, until)| *until > now);
            let ends = self.by_fingerprint.values().map(|(_, until)| *until);
            self.first_end = ends.min().unwrap_or(Timestamp::MAX);
        }
        // To forget an assertion would let it be replayed, so the application waits.
        if self.by_fingerprint.len() >= MAX_REMEMBERED {
            return Err(Refusal::TooManyAssertions);
        }
        self.by_fingerprint.insert(fingerprint, (address, until));
        self.first_end = self.first_end.min(until);
        self.last_end = self.last_end.max(until);
        Ok(())
    }
}

impl Default for Used {
    fn default() -> Self {
        Self {
            by_fingerprint: HashMap::new(),
            first_end: Timestamp::MAX,
            last_end: Timestamp::from_unix_seconds(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_application_fills_only_its_own_memory_and_only_until_its_assertions_expire() {
        let assertions = Assertions::default();
        let start = Timestamp::from_unix_seconds(1_000_000);
        let after = |seconds| start.after(Duration::from_secs(seconds));
        let here = IpAddr::from([127, 0, 0, 1]);
        let (busy, other) = (ApplicationId(Uuid::from_u128(1)), ApplicationId(Uuid::from_u128(2)));
        for number in 0..MAX_REMEMBERED {
            let until = after(if number == 0 { 60 } else { 600 });
            assert_eq!(assertions.admit(busy, &number.to_string(), here, until, start), Ok(()));
        }
        let more = |application, text: &str, now| assertions.admit(application, text, here, after(900), now);
        assert_eq!(more(busy, "a", after(59)), Err(Refusal::TooManyAssertions));
        assert_eq!(more(busy, "1", after(59)), Ok(()), "one that is remembered can be used again");
        assert_eq!(more(other, "a", after(59)), Ok(()));
        assert_eq!(more(busy, "a", after(60)), Ok(()));
        assert_eq!(more(busy, "b", after(60)), Err(Refusal::TooManyAssertions));
        assert_eq!(more(busy, "b", after(600)), Ok(()));
        let third = ApplicationId(Uuid::from_u128(3));
        assert_eq!(more(third, "a", after(900)), Ok(()));
        assert_eq!(
            assertions.0.lock().unwrap().len(),
            1,
            "applications without live assertions are forgotten"
        );
    }
}
