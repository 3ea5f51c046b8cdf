//! What anyone may send before anything about them is proven, for fuzzing: the readers of tokens, client assertions,
//! token requests, key sets and certificates, without the service around them.

use exconn_model::{
    Application, ApplicationId, Credential, CredentialId, CredentialKey, TenantId, Timestamp,
};
use uuid::Uuid;

use crate::{
    auth::{Unverified, key_set_size},
    identity::{Certificate, check_assertion, form_size},
};

/// Reads the head of a token; the name of its algorithm, if it is one of those that are accepted.
pub fn token_algorithm(text: &str) -> Option<String> {
    Unverified::read(text).ok().map(|head| format!("{:?}", head.algorithm))
}

/// Reads the body of a token request; the number of its parameters.
pub fn token_request_parameters(body: &[u8]) -> Option<usize> {
    form_size(body)
}

/// Reads a key set; the number of its keys that could check a signature.
pub fn usable_keys(document: &[u8]) -> Option<usize> {
    key_set_size(document)
}

/// Whether a certificate would be registered, given as PEM or as DER.
pub fn is_certificate(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|pem| Certificate::from_pem(pem).is_ok())
        || Certificate::from_der(bytes).is_ok()
}

/// Whether a client assertion is accepted from an application with this certificate (DER), whose id is nil.
pub fn is_assertion(text: &str, certificate: &[u8], now: Timestamp) -> bool {
    let application = Application {
        id: ApplicationId(Uuid::nil()),
        tenant: TenantId(Uuid::nil()),
        display_name: String::new(),
        permissions: Vec::new(),
        created: now,
        credentials: vec![Credential {
            id: CredentialId(Uuid::nil()),
            created: now,
            expires: Timestamp::MAX,
            key: CredentialKey::Certificate(certificate.to_vec()),
        }],
    };
    check_assertion(text, &application, &["https://exconn".to_owned()], now).is_ok()
}
