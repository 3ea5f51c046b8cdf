//! The token endpoint: the grant `client_credentials` (RFC 6749, section 4.4).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use exconn_model::{Application, ApplicationId, AuditActor, AuditEntry, CredentialKey, TenantId, Timestamp};
use exconn_store::StoreError;
use http::header::{AUTHORIZATION, HOST};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use serde_json::json;

use super::{
    Dialect, assertion,
    form::{self, Form, MAX_FORM},
    grant::Names,
    issuer,
    refusal::Refusal,
    tenant, token_endpoint,
};
use crate::{
    answer::Call,
    app::Service,
    auth::Keyring,
    exconn::secret,
    failure::Failure,
    reply::Reply,
    routes::Operation,
    wire::{RequestBody, read_form},
};

/// How long a token is valid.
const LIFETIME: Duration = Duration::from_secs(3600);
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an application proves itself with.
enum Proof {
    Secret(String),
    Assertion(String),
}

/// Why no token is issued: the client's fault, or the service's.
enum NoToken {
    Refused(Refusal),
    Failed(Failure),
}

impl From<Refusal> for NoToken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for NoToken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The claims of an application's token, by the names that the vendor's tokens have.
#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    aud: String,
    sub: String,
    oid: String,
    tid: String,
    appid: String,
    azp: String,
    app_displayname: &'a str,
    /// 1: a secret, 2: a certificate.
    appidacr: &'static str,
    idtyp: &'static str,
    roles: &'a [String],
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    ver: &'static str,
}

/// `POST /{tenant}/oauth2/v2.0/token`, and `…/oauth2/token`.
pub(crate) async fn issue(
    service: &Service,
    name: &str,
    dialect: Dialect,
    mut call: Call<'_>,
) -> Result<Reply, Failure> {
    let asked = call.asked();
    let now = service.clock.now();
    let mut request = Request { service, now, client: None };
    match request.answer(name, dialect, &mut call).await {
        Ok((reply, application)) => {
            let entry = asked.entry(service, None, Some(Operation::IssueToken), reply.status);
            let entry = AuditEntry {
                tenant: application.tenant,
                actor: AuditActor::Application,
                subject: Some(application.id.to_string()),
                subject_name: Some(application.display_name),
                application: Some(application.id.to_string()),
                ..entry
            };
            service.recorder.sign_in(entry);
            Ok(reply)
        }
        Err(NoToken::Failed(failure)) => Err(failure),
        Err(NoToken::Refused(refusal)) => {
            let client = request.client.as_deref().unwrap_or_default();
            let address = call.connection.peer.ip();
            let too_many = refusal.is_guess() && service.sign_ins.attempts.refused(client, address, now);
            let refusal = if too_many { Refusal::TooMany } else { refusal };
            let entry = asked.entry(service, None, Some(Operation::IssueToken), refusal.status());
            // Only what looks like a client id is written down: people paste secrets into the wrong field.
            let application = request.client.filter(|client| client.parse::<ApplicationId>().is_ok());
            // What was refused at a tenant is for its own administrators to see.
            let tenant = tenant(service, name).unwrap_or(entry.tenant);
            let entry = AuditEntry { tenant, application, detail: Some(refusal.detail()), ..entry };
            service.recorder.refusal(entry);
            refusal.reply(call.identity, now)
        }
    }
}

struct Request<'a> {
    service: &'a Service,
    now: Timestamp,
    /// The client id that was given, as soon as it is known.
    client: Option<String>,
}

impl Request<'_> {
    async fn answer(
        &mut self,
        name: &str,
        dialect: Dialect,
        call: &mut Call<'_>,
    ) -> Result<(Reply, Application), NoToken> {
        let keyring = self.service.authentication.keyring().ok_or(Refusal::NoIssuer)?;
        let form = self.form(call).await?;
        let tenant = tenant(self.service, name).ok_or(Refusal::UnknownTenant)?;
        if form.required("grant_type")? != "client_credentials" {
            return Err(Refusal::Grant.into());
        }
        let basic = basic(call)?;
        let proof = self.proof(&form, basic)?;
        let client = self.client.clone().ok_or(Refusal::Missing("client_id"))?;
        let application = self.application(tenant, &client).await?;
        let origin = call.connection.origin.base();
        match &proof {
            Proof::Secret(secret) => check_secret(&application, secret, self.now)?,
            Proof::Assertion(text) => {
                let audiences = [token_endpoint(origin, tenant), issuer(origin, tenant)];
                let until = assertion::check(text, &application, &audiences, self.now)?;
                let address = call.connection.peer.ip();
                let assertions = &self.service.sign_ins.assertions;
                assertions.admit(application.id, text, address, until, self.now)?;
            }
        }
        let host = call.head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let audience = keyring.audience();
        let resource = dialect.resource(&form, &Names { origin, host, audience: &audience })?;
        let token = self.sign(keyring, &application, &proof, issuer(origin, tenant))?;
        let reply = self.reply(dialect, resource, &token)?;
        Ok((reply, application))
    }

    async fn form(&self, call: &mut Call<'_>) -> Result<Form, NoToken> {
        if !form::is_form(&call.head.headers) {
            return Err(Refusal::NotAForm.into());
        }
        let body: &mut RequestBody = &mut call.body;
        let patience = self.service.config.body_timeout;
        let read = read_form(&call.head.headers, body, MAX_FORM, patience).await;
        Ok(Form::read(&read.map_err(Failure::from)?)?)
    }

    /// The one proof that a request holds; notes the client id.
    fn proof(&mut self, form: &Form, basic: Option<(String, String)>) -> Result<Proof, Refusal> {
        let given = form.get("client_id").map(str::to_owned);
        let secret = form.get("client_secret").map(str::to_owned);
        let assertion = form.get("client_assertion").map(str::to_owned);
        self.client.clone_from(&given);
        match (basic, secret, assertion) {
            (Some((client, secret)), None, None) => {
                if given.is_some_and(|given| given != client) {
                    return Err(Refusal::TwoProofs);
                }
                self.client = Some(client);
                Ok(Proof::Secret(secret))
            }
            (None, Some(secret), None) => Ok(Proof::Secret(secret)),
            (None, None, Some(text)) => {
                if form.required("client_assertion_type")? != JWT_BEARER {
                    return Err(Refusal::AssertionType);
                }
                // RFC 7521, section 4.2: the client id may be left out, the assertion names it.
                self.client = given.or_else(|| assertion::client(&text));
                Ok(Proof::Assertion(text))
            }
            (None, None, None) => Err(Refusal::NoProof),
            _ => Err(Refusal::TwoProofs),
        }
    }

    async fn application(&self, tenant: TenantId, client: &str) -> Result<Application, NoToken> {
        let id = client.to_ascii_lowercase().parse().map_err(|_| Refusal::UnknownApplication)?;
        match self.service.store.application(tenant, id).await {
            Err(StoreError::NotFound) => Err(Refusal::UnknownApplication.into()),
            found => Ok(found.map_err(Failure::from)?),
        }
    }

    fn sign(
        &self,
        keyring: &Keyring,
        application: &Application,
        proof: &Proof,
        issuer: String,
    ) -> Result<String, Failure> {
        let now = self.now.unix_seconds();
        let id = application.id.to_string();
        let claims = Claims {
            iss: issuer,
            aud: keyring.audience(),
            sub: id.clone(),
            oid: id.clone(),
            tid: application.tenant.to_string(),
            appid: id.clone(),
            azp: id,
            app_displayname: &application.display_name,
            appidacr: match proof {
                Proof::Secret(_) => "1",
                Proof::Assertion(_) => "2",
            },
            idtyp: "app",
            roles: &application.permissions,
            iat: now,
            nbf: now,
            exp: now.saturating_add(LIFETIME.as_secs() as i64),
            jti: self.service.entropy.uuid().to_string(),
            ver: "2.0",
        };
        let header = Header { kid: Some(keyring.key_id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &keyring.signing).map_err(|_| Failure::Unwritable)
    }

    fn reply(&self, dialect: Dialect, resource: &str, token: &str) -> Result<Reply, Failure> {
        // One second less, as the vendor says it: a client that counts from the answer's arrival must not be late.
        let left = LIFETIME.as_secs() - 1;
        Reply::json(&match dialect {
            Dialect::VersionTwo => json!({
                "token_type": "Bearer", "expires_in": left, "ext_expires_in": left, "access_token": token,
            }),
            Dialect::VersionOne => {
                let now = self.now.unix_seconds();
                json!({
                    "token_type": "Bearer",
                    "expires_in": left.to_string(),
                    "ext_expires_in": left.to_string(),
                    "expires_on": now.saturating_add(LIFETIME.as_secs() as i64).to_string(),
                    "not_before": now.to_string(),
                    "resource": resource,
                    "access_token": token,
                })
            }
        })
    }
}

/// Client id and secret of a Basic authorization, each encoded as in a form (RFC 6749, section 2.3.1).
fn basic(call: &Call<'_>) -> Result<Option<(String, String)>, Refusal> {
    let Some(header) = call.head.headers.get(AUTHORIZATION) else { return Ok(None) };
    let header = header.to_str().map_err(|_| Refusal::NoProof)?;
    let (scheme, encoded) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| Refusal::NoProof)?;
    let decoded = String::from_utf8(decoded).map_err(|_| Refusal::NoProof)?;
    let (client, secret) = decoded.split_once(':').ok_or(Refusal::NoProof)?;
    Ok(Some((form::decoded(client)?, form::decoded(secret)?)))
}

fn check_secret(application: &Application, given: &str, now: Timestamp) -> Result<(), Refusal> {
    let matching = application.credentials.iter().filter(|credential| match &credential.key {
        CredentialKey::Secret { digest, .. } => secret::matches(digest, given),
        CredentialKey::Certificate(_) => false,
    });
    let mut refusal = Refusal::Secret;
    for credential in matching {
        if now < credential.expires {
            return Ok(());
        }
        refusal = Refusal::ExpiredSecret;
    }
    Err(refusal)
}
