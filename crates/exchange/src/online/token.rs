use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use exconn_model::{Clock, Entropy, Timestamp};
use http::{HeaderMap, HeaderValue, header, uri::PathAndQuery};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    assertion::Signer,
    client::{Client, Post},
    config::ClientCredential,
    token_answer::{self, MAX_TOKEN_ANSWER, SignInRefusal},
};
use crate::{ExchangeError, secret::TriedSecrets};

/// A token is not used in the last part of its life: at most so long.
const RENEWAL: Duration = Duration::from_secs(300);
/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token that was granted.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The `Authorization` header.
    pub(super) authorization: HeaderValue,
    /// Permissions that it names, if it can be read.
    pub(super) roles: Option<Vec<String>>,
    renew_at: Timestamp,
}

/// Signs the application in (RFC 6749, section 4.4) and keeps the token as long as it is good.
pub(super) struct Tokens {
    pub(super) client: Client,
    tenant: Uuid,
    pub(super) application: Uuid,
    scope: String,
    pub(super) credential: ClientCredential,
    refused: TriedSecrets,
    kept: Mutex<Option<Token>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("application", &self.application).finish_non_exhaustive()
    }
}

/// What goes into the request besides the application's name.
enum Proof {
    Secret(SecretString),
    Assertion { text: Zeroizing<String>, key: SecretString },
}

impl Tokens {
    pub(super) fn new(
        client: Client,
        (tenant, application): (Uuid, Uuid),
        scope: String,
        credential: ClientCredential,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let (refused, kept) = (TriedSecrets::default(), Mutex::default());
        Self { client, tenant, application, scope, credential, refused, kept, clock, entropy }
    }

    /// A token that is good for a while. Whoever comes while one is fetched waits for that one.
    pub(super) async fn token(&self) -> Result<Token, ExchangeError> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        if let Some(token) = kept.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.clone());
        }
        let token = self.fetch(now).await?;
        *kept = Some(token.clone());
        Ok(token)
    }

    /// Forgets a token that was not accepted, unless another one has taken its place.
    pub(super) async fn forget(&self, token: &Token) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.authorization == token.authorization) {
            *kept = None;
        }
    }

    async fn fetch(&self, now: Timestamp) -> Result<Token, ExchangeError> {
        let path = format!("/{}/oauth2/v2.0/token", self.tenant);
        let proof = self.proof(format!("{}{path}", self.client.origin), now).await?;
        let secret = match &proof {
            Proof::Secret(secret) | Proof::Assertion { key: secret, .. } => secret,
        };
        let application = self.application.to_string();
        if let Some(held) = self.refused.held(&application, secret, now) {
            return Err(ExchangeError::CredentialsHeld { endpoint: held.by, until: held.until });
        }
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        let path: PathAndQuery =
            path.parse().map_err(|_| self.client.wrong_endpoint("the tenant makes no path"))?;
        let post =
            Post { path, headers, body: self.form(&proof), on_new_connection: false, most: MAX_TOKEN_ANSWER };
        let answer = self.client.post(post).await?;
        match token_answer::read(&answer, now) {
            Ok(granted) => {
                self.refused.accepted(&application, secret);
                let early = RENEWAL.min(granted.lifetime / 4);
                Ok(Token {
                    authorization: granted.authorization,
                    roles: granted.roles,
                    renew_at: now.after(granted.lifetime.saturating_sub(early)),
                })
            }
            Err(refusal) => {
                if refusal == SignInRefusal::Secret {
                    self.refused.refused(&application, secret, &self.client.origin.endpoint(), now);
                }
                Err(hide(refusal, secret).into_error(&self.client))
            }
        }
    }

    async fn proof(&self, audience: String, now: Timestamp) -> Result<Proof, ExchangeError> {
        let (credential, application, id) = (self.credential.clone(), self.application, self.entropy.uuid());
        let read = move || match credential {
            ClientCredential::Secret(file) => {
                file.read().map(Proof::Secret).map_err(|error| error.to_string())
            }
            ClientCredential::Certificate { certificate, key } => {
                let signer = Signer::load(&certificate, &key).map_err(|error| error.to_string())?;
                let signed = signer.assertion(application, &audience, now, id);
                let text = signed.map_err(|error| format!("it does not sign: {error}"))?;
                Ok(Proof::Assertion { text: Zeroizing::new(text), key: signer.secret })
            }
        };
        let unavailable =
            |reason| ExchangeError::PasswordUnavailable { path: self.credential.path(), reason };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(error.to_string())).map_err(unavailable)
    }

    fn form(&self, proof: &Proof) -> Bytes {
        let mut form = Zeroizing::new(String::with_capacity(8192));
        let mut field = |name: &str, value: &str| {
            if !form.is_empty() {
                form.push('&');
            }
            form.push_str(name);
            form.push('=');
            form.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        };
        field("grant_type", "client_credentials");
        field("client_id", &self.application.to_string());
        field("scope", &self.scope);
        match proof {
            Proof::Secret(secret) => field("client_secret", secret.expose_secret()),
            Proof::Assertion { text, .. } => {
                field("client_assertion_type", ASSERTION_TYPE);
                field("client_assertion", text);
            }
        }
        Bytes::copy_from_slice(form.as_bytes())
    }
}

/// No server makes exconn write a secret into its log by repeating what it was sent.
fn hide(refusal: SignInRefusal, secret: &SecretString) -> SignInRefusal {
    let hide = |reason: String| reason.replace(secret.expose_secret(), "…");
    match refusal {
        SignInRefusal::Application(reason) => SignInRefusal::Application(hide(reason)),
        SignInRefusal::Clock(reason) => SignInRefusal::Clock(hide(reason)),
        SignInRefusal::Unavailable(reason) => SignInRefusal::Unavailable(hide(reason)),
        other => other,
    }
}
