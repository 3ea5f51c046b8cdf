//! The keys of one external issuer, kept fresh without letting callers hammer the issuer.

use std::{
    error::Error,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use exconn_model::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{
    fetch::{FetchError, Fetcher, address},
    jwks::{self, JwksError, VerificationKey},
};

/// Keys of this age are fetched anew, while they go on serving.
const FRESH: Duration = Duration::from_secs(3600);
/// Keys of this age serve no longer, even if the issuer is down.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// Between two fetches, however many tokens name unknown keys.
const BETWEEN: Duration = Duration::from_secs(30);
/// Between two fetches when the last one failed.
const BETWEEN_FAILURES: Duration = Duration::from_secs(5);

/// Why a token's key is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// The issuer does not answer, and what was fetched before does not help.
    Unreachable,
}

/// Why an issuer's keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error("its OpenID configuration cannot be fetched")]
    Discovery(#[source] FetchError),
    #[error("its OpenID configuration is not JSON with 'issuer' and 'jwks_uri'")]
    Configuration,
    #[error("it calls itself '{0}'; the configured issuer must be the same text")]
    OtherIssuer(String),
    #[error("its key set cannot be fetched")]
    Keys(#[source] FetchError),
    #[error(transparent)]
    KeySet(#[from] JwksError),
}

#[derive(Deserialize)]
struct OpenIdConfiguration {
    issuer: String,
    jwks_uri: String,
}

/// The keys of one issuer.
pub(super) struct IssuerKeys {
    issuer: String,
    fetcher: Fetcher,
    known: RwLock<Option<Arc<KnownKeys>>>,
    /// Held while fetching, so that there is one fetch at a time.
    latest: Arc<Mutex<Option<Attempt>>>,
    refreshing: AtomicBool,
}

struct KnownKeys {
    keys: Vec<VerificationKey>,
    fetched: Timestamp,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Timestamp,
    failed: bool,
}

impl IssuerKeys {
    pub(super) fn new(issuer: &str, fetcher: Fetcher) -> Self {
        Self {
            issuer: issuer.to_owned(),
            fetcher,
            known: RwLock::default(),
            latest: Arc::default(),
            refreshing: AtomicBool::new(false),
        }
    }

    /// The keys that a token with this head may be signed with.
    pub(super) async fn find(
        self: &Arc<Self>,
        key_id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Vec<DecodingKey>, NoKey> {
        let known = self.known(now);
        if let Some(known) = &known {
            let found = known.find(key_id, algorithm);
            if !found.is_empty() {
                if apart(known.fetched, now) >= FRESH {
                    self.refresh_behind(now);
                }
                return Ok(found);
            }
        }
        let failed = self.refresh(known.map(|known| known.fetched), now).await;
        match self.known(now) {
            Some(known) => match known.find(key_id, algorithm) {
                found if !found.is_empty() => Ok(found),
                _ if failed => Err(NoKey::Unreachable),
                _ => Err(NoKey::Unknown),
            },
            None => Err(NoKey::Unreachable),
        }
    }

    /// The keys that may still serve.
    fn known(&self, now: Timestamp) -> Option<Arc<KnownKeys>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| apart(known.fetched, now) < USABLE)
    }

    /// Fetches the keys without letting anyone wait.
    fn refresh_behind(self: &Arc<Self>, now: Timestamp) {
        if self.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            let seen = this.known(now).map(|known| known.fetched);
            this.refresh(seen, now).await;
            this.refreshing.store(false, Ordering::Release);
        });
    }

    /// Fetches the keys, unless someone else has since `seen` or the last fetch was a short while ago. Tells whether the
    /// latest fetch failed.
    async fn refresh(self: &Arc<Self>, seen: Option<Timestamp>, now: Timestamp) -> bool {
        let mut latest = self.latest.clone().lock_owned().await;
        if self.known(now).map(|known| known.fetched) != seen {
            return false;
        }
        if let Some(attempt) = *latest {
            let pause = if attempt.failed { BETWEEN_FAILURES } else { BETWEEN };
            if apart(attempt.at, now) < pause {
                return attempt.failed;
            }
        }
        // The task goes on, and holds the lock, if the caller goes away: otherwise callers with forged tokens that hang up
        // at once could keep the keys from ever being fetched.
        let this = self.clone();
        let fetching = tokio::spawn(async move {
            let failed = this.fetch_and_keep(now).await;
            *latest = Some(Attempt { at: now, failed });
            failed
        });
        fetching.await.unwrap_or(true)
    }

    /// Fetches the keys. Tells whether that failed.
    async fn fetch_and_keep(&self, now: Timestamp) -> bool {
        match self.fetch().await {
            Ok(keys) => {
                let known = Arc::new(KnownKeys { keys, fetched: now });
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
                tracing::info!(issuer = self.issuer, "fetched the issuer's keys");
                false
            }
            Err(error) => {
                let error: &dyn Error = &error;
                tracing::warn!(issuer = self.issuer, error, "the issuer's keys could not be fetched");
                true
            }
        }
    }

    /// OpenID Connect Discovery 1.0, section 4.
    async fn fetch(&self) -> Result<Vec<VerificationKey>, RefreshError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = self.fetcher.get(&url).await.map_err(RefreshError::Discovery)?;
        let configuration: OpenIdConfiguration =
            serde_json::from_slice(&document).map_err(|_| RefreshError::Configuration)?;
        if configuration.issuer != self.issuer {
            let other = configuration.issuer;
            return Err(RefreshError::OtherIssuer(other.chars().take(256).collect()));
        }
        address(&configuration.jwks_uri).map_err(RefreshError::Keys)?;
        let keys = self.fetcher.get(&configuration.jwks_uri).await.map_err(RefreshError::Keys)?;
        Ok(jwks::read(&keys)?)
    }
}

impl KnownKeys {
    /// The key with this id. A token without one may be signed only by the one key that its algorithm fits: trying all
    /// would let each forged token cost as many checks.
    fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let fits = |key: &&VerificationKey| key.algorithms.contains(&algorithm);
        let found: Vec<_> = match key_id {
            Some(id) => self.keys.iter().filter(fits).filter(|key| key.id.as_deref() == Some(id)).collect(),
            None => self.keys.iter().filter(fits).collect(),
        };
        if key_id.is_none() && found.len() > 1 {
            return Vec::new();
        }
        found.into_iter().take(MAX_SAME_ID).map(|key| key.key.clone()).collect()
    }
}

/// Keys of one id that are tried: ids should be unique, but nothing makes an issuer keep to that.
const MAX_SAME_ID: usize = 2;

/// The time between two moments, whichever is first: a clock that was set back must not stop refreshes.
fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}
