//! The keys that an issuer publishes (RFC 7517).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::claims::asymmetric;

/// Keys of one issuer that are looked at.
const MAX_KEYS: usize = 100;
/// RSA keys may have so many bits. Shorter ones are within reach of those who can pay, longer ones cost too much to check.
pub(crate) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key that tokens can be checked with.
#[derive(Clone)]
pub(super) struct VerificationKey {
    pub(super) id: Option<String>,
    /// The algorithms that the key is for.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// What is published is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwksError {
    /// It is not JSON with a member `keys`.
    #[error("the key set is not JSON with a list 'keys'")]
    Malformed,
    /// None of its keys can check a token.
    #[error("the key set has no key that tokens could be checked with")]
    NoKey,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads a key set. Keys that are of no use here, encryption keys for instance, are left out.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<VerificationKey>, JwksError> {
    let set: KeySet = serde_json::from_slice(bytes).map_err(|_| JwksError::Malformed)?;
    let keys: Vec<_> = set.keys.into_iter().take(MAX_KEYS).filter_map(usable).collect();
    if keys.is_empty() { Err(JwksError::NoKey) } else { Ok(keys) }
}

fn usable(value: Value) -> Option<VerificationKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig")
        || jwk.key_ops.as_ref().is_some_and(|uses| !uses.iter().any(|one| one == "verify"))
    {
        return None;
    }
    let (mut algorithms, key) = match jwk.kty.as_str() {
        "RSA" => {
            let (n, e) = (jwk.n.as_deref()?, jwk.e.as_deref()?);
            if !RSA_BITS.contains(&bits(n)?) {
                return None;
            }
            (RSA.to_vec(), DecodingKey::from_rsa_components(n, e).ok()?)
        }
        "EC" => {
            let algorithm = match jwk.crv.as_deref()? {
                "P-256" => Algorithm::ES256,
                "P-384" => Algorithm::ES384,
                _ => return None,
            };
            let key = DecodingKey::from_ec_components(jwk.x.as_deref()?, jwk.y.as_deref()?).ok()?;
            (vec![algorithm], key)
        }
        "OKP" if jwk.crv.as_deref() == Some("Ed25519") => {
            (vec![Algorithm::EdDSA], DecodingKey::from_ed_components(jwk.x.as_deref()?).ok()?)
        }
        // `oct` above all: a shared secret is nothing that an issuer publishes.
        _ => return None,
    };
    if let Some(name) = &jwk.alg {
        let only = asymmetric(name)?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    (!algorithms.is_empty()).then_some(VerificationKey { id: jwk.kid, algorithms, key })
}

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The length of a number in bits.
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number.trim_end_matches('=')).ok()?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    let leading = bytes.get(first)?.leading_zeros() as usize;
    Some((bytes.len() - first) * 8 - leading)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bits: usize) -> Value {
        let mut modulus = vec![0; bits / 8];
        modulus[0] = 0x80;
        serde_json::json!({"kty": "RSA", "kid": "1", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    #[test]
    fn only_keys_that_can_check_signatures_are_used() {
        let ec = serde_json::json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        for (key, algorithms) in [
            (rsa(2048), 6),
            (rsa(8192), 6),
            (rsa(2040), 0),
            (rsa(1024), 0),
            (rsa(16384), 0),
            (with(rsa(2048), "use", "sig".into()), 6),
            (with(rsa(2048), "use", "enc".into()), 0),
            (with(rsa(2048), "key_ops", serde_json::json!(["verify"])), 6),
            (with(rsa(2048), "key_ops", serde_json::json!(["encrypt"])), 0),
            (with(rsa(2048), "alg", "PS256".into()), 1),
            (with(rsa(2048), "alg", "ES256".into()), 0),
            (with(rsa(2048), "alg", "HS256".into()), 0),
            (with(rsa(2048), "alg", "RSA-OAEP".into()), 0),
            (with(rsa(2048), "n", "!".into()), 0),
            (ec.clone(), 1),
            (with(ec.clone(), "crv", "secp256k1".into()), 0),
            (with(ec, "y", Value::Null), 0),
            (serde_json::json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}), 0),
            (serde_json::json!({"kty": 5}), 0),
            (Value::Null, 0),
        ] {
            let text = serde_json::json!({"keys": [key]}).to_string();
            let found = read(text.as_bytes()).map_or(0, |keys| keys[0].algorithms.len());
            assert_eq!(found, algorithms, "{text}");
        }
        assert_eq!(read(b"[]").err(), Some(JwksError::Malformed));
        assert_eq!(read(br#"{"keys":[]}"#).err(), Some(JwksError::NoKey));
    }
}
