//! The documents by which clients find the issuer and check its tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_model::TenantId;
use serde_json::json;

use super::{issuer, tenant, token_endpoint};
use crate::{app::Service, auth::Keyring, failure::Failure, reply::Reply};

/// `GET /{tenant}/v2.0/.well-known/openid-configuration` (OpenID Connect Discovery 1.0, section 3).
///
/// Nobody signs in as a person here; `authorization_endpoint` and what belongs to it are there because the specification
/// and the vendor's libraries demand them, and the endpoint answers 404.
pub(crate) fn configuration(service: &Service, name: &str, origin: &str) -> Result<Reply, Failure> {
    let (tenant, _) = known(service, name)?;
    Reply::json(&json!({
        "issuer": issuer(origin, tenant),
        "token_endpoint": token_endpoint(origin, tenant),
        "authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/authorize"),
        "jwks_uri": format!("{origin}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": [format!("{origin}/.default")],
        "claims_supported": [
            "iss", "aud", "sub", "oid", "tid", "appid", "azp", "app_displayname", "roles", "iat", "nbf", "exp", "ver",
        ],
    }))
}

/// `GET /{tenant}/discovery/v2.0/keys` (RFC 7517, section 5).
pub(crate) fn keys(service: &Service, name: &str) -> Result<Reply, Failure> {
    let (_, keyring) = known(service, name)?;
    // An uncompressed point is one byte, then x and y in 32 bytes each.
    let coordinates = keyring.public_point.get(1..65).map(|both| both.split_at(32));
    let (x, y) = coordinates.ok_or(Failure::Unwritable)?;
    Reply::json(&json!({"keys": [{
        "kty": "EC",
        "use": "sig",
        "alg": "ES256",
        "crv": "P-256",
        "kid": keyring.key_id,
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
    }]}))
}

fn known<'a>(service: &'a Service, name: &str) -> Result<(TenantId, &'a Keyring), Failure> {
    let keyring = service.authentication.keyring();
    tenant(service, name).zip(keyring).ok_or(Failure::NotFound)
}
