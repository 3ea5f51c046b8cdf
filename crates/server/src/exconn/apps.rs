//! Applications of the built-in issuer.

use std::{fmt::Write, time::Duration};

use exconn_model::{
    Application, ApplicationChange, ApplicationId, AuditEntry, Credential, CredentialId, CredentialKey,
};
use exconn_store::StoreError;
use http::{HeaderValue, StatusCode, header::LOCATION};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::{excerpt::excerpt, no_options, secret};
use crate::{
    answer::Call,
    app::Service,
    auth::{Caller, Permission},
    carry_through::carry_through,
    failure::Failure,
    identity::Certificate,
    reply::Reply,
    routes::{APPS, Operation},
    wire::read_json,
};

/// Characters of a display name.
const MAX_NAME: usize = 256;
/// How long a secret lives unless the request says.
const DEFAULT_LIFETIME: u64 = 180 * 86_400;
/// The longest life of a secret: two years, as the vendor's portal has it.
const MAX_LIFETIME: u64 = 730 * 86_400;
/// The longest time that old credentials go on beside a new one.
const MAX_OVERLAP: u64 = 30 * 86_400;

#[derive(Serialize)]
struct Apps {
    value: Vec<App>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct App {
    id: String,
    display_name: String,
    permissions: Vec<String>,
    created_date_time: String,
    credentials: Vec<ShownCredential>,
    /// Only in the answer to the request that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_text: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownCredential {
    id: String,
    kind: &'static str,
    /// The first characters of a secret.
    hint: Option<String>,
    /// SHA-1 of a certificate, as Windows shows it.
    thumbprint: Option<String>,
    /// SHA-256 of a certificate.
    thumbprint_sha256: Option<String>,
    created_date_time: String,
    expires_date_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct NewApp {
    display_name: String,
    permissions: Vec<String>,
    #[serde(default, deserialize_with = "given")]
    certificate: Option<String>,
    #[serde(default, deserialize_with = "given")]
    lifetime_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct ChangedApp {
    #[serde(default, deserialize_with = "given")]
    display_name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    permissions: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct Rotation {
    #[serde(default, deserialize_with = "given")]
    certificate: Option<String>,
    #[serde(default, deserialize_with = "given")]
    lifetime_seconds: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    overlap_seconds: Option<u64>,
}

/// A value that may be left out, but not null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Answers a request about applications.
pub(crate) async fn answer_apps(
    service: &Service,
    operation: Operation,
    caller: &Caller,
    id: &str,
    call: Call<'_>,
) -> Result<Reply, Failure> {
    no_options(call.head.uri.query())?;
    let request = Request { service, operation, caller };
    if operation == Operation::ListApps {
        return request.list().await;
    }
    if operation == Operation::CreateApp {
        return request.create(call).await;
    }
    let id: ApplicationId = id.parse().map_err(|_| Failure::NotFound)?;
    match operation {
        Operation::GetApp => {
            let application = service.store.application(caller.tenant, id).await?;
            Reply::json(&show(application, None))
        }
        Operation::UpdateApp => request.update(id, call).await,
        Operation::RotateApp => request.rotate(id, call).await,
        Operation::DeleteApp => request.delete(id, call).await,
        _ => Err(Failure::NotFound),
    }
}

struct Request<'a> {
    service: &'a Service,
    operation: Operation,
    caller: &'a Caller,
}

impl Request<'_> {
    /// `GET /exconn/v1/apps`
    async fn list(&self) -> Result<Reply, Failure> {
        let found = self.service.store.applications(self.caller.tenant).await?;
        Reply::json(&Apps { value: found.into_iter().map(|one| show(one, None)).collect() })
    }

    /// `POST /exconn/v1/apps`: with the certificate that the body holds, else with a secret.
    async fn create(&self, mut call: Call<'_>) -> Result<Reply, Failure> {
        let body: NewApp = self.body(&mut call).await?;
        let (credential, text) = self.credential(body.certificate.as_deref(), body.lifetime_seconds)?;
        let application = Application {
            id: ApplicationId(self.service.entropy.uuid()),
            tenant: self.caller.tenant,
            display_name: display_name(body.display_name)?,
            permissions: permissions(body.permissions)?,
            created: self.service.clock.now(),
            credentials: vec![credential],
        };
        let id = application.id;
        let audit = AuditEntry { created: Some(id.0), ..self.audit(&call, StatusCode::CREATED) };
        let audit = AuditEntry { detail: Some(application.permissions.join(" ")), ..audit };
        self.service.store.create_application(application.clone(), audit.clone()).await?;
        let location = format!("{}{APPS}/{id}", call.connection.origin.base());
        let reply = Reply::json(&show(application, text))?.with_status(StatusCode::CREATED).with_audit(audit);
        Ok(reply.with_header(LOCATION, HeaderValue::try_from(location).ok()))
    }

    /// `PATCH /exconn/v1/apps/{id}`: what the body names.
    async fn update(&self, id: ApplicationId, mut call: Call<'_>) -> Result<Reply, Failure> {
        let body: ChangedApp = self.body(&mut call).await?;
        let change = ApplicationChange {
            display_name: body.display_name.map(display_name).transpose()?,
            permissions: body.permissions.map(permissions).transpose()?,
        };
        if change == ApplicationChange::default() {
            return Err(Failure::bad("Name displayName or permissions, or both."));
        }
        let detail = change.permissions.as_ref().map(|names| names.join(" "));
        let audit = AuditEntry { detail, ..self.audit(&call, StatusCode::OK) };
        let (store, tenant, entry) = (self.service.store.clone(), self.caller.tenant, audit.clone());
        let changed =
            self.changed(async move { store.update_application(tenant, id, change, entry).await }).await?;
        Ok(Reply::json(&show(changed, None))?.with_audit(audit))
    }

    /// `POST /exconn/v1/apps/{id}/rotate`: a new credential; the others end after the overlap, at once without one.
    async fn rotate(&self, id: ApplicationId, mut call: Call<'_>) -> Result<Reply, Failure> {
        let body: Rotation = self.body(&mut call).await?;
        let overlap = body.overlap_seconds.unwrap_or(0);
        if overlap > MAX_OVERLAP {
            return Err(Failure::bad(format!("overlapSeconds must be at most {MAX_OVERLAP}, 30 days.")));
        }
        let (credential, text) = self.credential(body.certificate.as_deref(), body.lifetime_seconds)?;
        let now = self.service.clock.now();
        let others_end = Some(now.after(Duration::from_secs(overlap)));
        let detail = Some(format!("new credential {}", credential.id));
        let audit = AuditEntry { detail, ..self.audit(&call, StatusCode::OK) };
        let (store, tenant, entry) = (self.service.store.clone(), self.caller.tenant, audit.clone());
        let changed = self
            .changed(
                async move { store.add_credential(tenant, id, credential, others_end, now, entry).await },
            )
            .await?;
        Ok(Reply::json(&show(changed, text))?.with_audit(audit))
    }

    /// `DELETE /exconn/v1/apps/{id}`: its tokens open nothing any more.
    async fn delete(&self, id: ApplicationId, call: Call<'_>) -> Result<Reply, Failure> {
        let audit = self.audit(&call, StatusCode::NO_CONTENT);
        let (store, tenant, entry) = (self.service.store.clone(), self.caller.tenant, audit.clone());
        self.changed(async move { store.delete_application(tenant, id, entry).await }).await?;
        Ok(Reply::empty().with_audit(audit))
    }

    /// Does a change of an application, and lets it count at once for the tokens that it has.
    async fn changed<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let authentication = self.service.authentication.clone();
        carry_through(async move {
            let changed = change.await;
            authentication.forget_applications();
            changed
        })
        .await
    }

    fn audit(&self, call: &Call<'_>, status: StatusCode) -> AuditEntry {
        call.asked().entry(self.service, Some(self.caller), Some(self.operation), status)
    }

    async fn body<T: DeserializeOwned>(&self, call: &mut Call<'_>) -> Result<T, Failure> {
        let config = &self.service.config;
        let headers = &call.head.headers;
        let bytes = read_json(headers, &mut call.body, config.body_limit, config.body_timeout).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::bad(format!("The body is wrong: {}.", excerpt(&error.to_string()))))
    }

    /// A new credential, and the secret that nobody will see again.
    fn credential(
        &self,
        certificate: Option<&str>,
        lifetime: Option<u64>,
    ) -> Result<(Credential, Option<String>), Failure> {
        let now = self.service.clock.now();
        let id = CredentialId(self.service.entropy.uuid());
        let Some(pem) = certificate else {
            let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME);
            if !(1..=MAX_LIFETIME).contains(&lifetime) {
                return Err(Failure::bad(format!(
                    "lifetimeSeconds must be from 1 to {MAX_LIFETIME}, two years."
                )));
            }
            let (text, digest, hint) = secret::new(&*self.service.entropy);
            let expires = now.after(Duration::from_secs(lifetime));
            let key = CredentialKey::Secret { digest, hint };
            return Ok((Credential { id, created: now, expires, key }, Some(text)));
        };
        if lifetime.is_some() {
            return Err(Failure::bad(
                "lifetimeSeconds is for secrets; a certificate says itself when it expires.",
            ));
        }
        let certificate = Certificate::from_pem(pem)
            .map_err(|error| Failure::bad(format!("The certificate cannot be used: {error}.")))?;
        if certificate.expires <= now {
            return Err(Failure::bad(format!("The certificate expired at {}.", certificate.expires)));
        }
        let key = CredentialKey::Certificate(certificate.der);
        Ok((Credential { id, created: now, expires: certificate.expires, key }, None))
    }
}

fn display_name(name: String) -> Result<String, Failure> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Failure::bad(format!("displayName must have 1 to {MAX_NAME} printable characters.")));
    }
    Ok(name)
}

/// Known permissions only, each once: a mistyped one would open nothing and be noticed late.
fn permissions(names: Vec<String>) -> Result<Vec<String>, Failure> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        let permission: Permission = name.parse().map_err(|error: crate::auth::UnknownPermission| {
            Failure::bad(format!("permissions: {error}."))
        })?;
        let name = permission.name().to_owned();
        if !known.contains(&name) {
            known.push(name);
        }
    }
    Ok(known)
}

fn show(application: Application, secret_text: Option<String>) -> App {
    App {
        id: application.id.to_string(),
        display_name: application.display_name,
        permissions: application.permissions,
        created_date_time: application.created.to_string(),
        credentials: application.credentials.into_iter().map(show_credential).collect(),
        secret_text,
    }
}

fn show_credential(credential: Credential) -> ShownCredential {
    let (kind, hint, certificate) = match credential.key {
        CredentialKey::Secret { hint, .. } => ("secret", Some(hint), None),
        CredentialKey::Certificate(der) => ("certificate", None, Certificate::from_der(&der).ok()),
    };
    ShownCredential {
        id: credential.id.to_string(),
        kind,
        hint,
        thumbprint: certificate.as_ref().map(|certificate| hexadecimal(&certificate.sha1)),
        thumbprint_sha256: certificate.as_ref().map(|certificate| hexadecimal(&certificate.sha256)),
        created_date_time: credential.created.to_string(),
        expires_date_time: credential.expires.to_string(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}
