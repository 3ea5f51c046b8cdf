//! Secrets of applications.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exconn_model::{Entropy, SecretDigest};
use ring::digest;
use subtle::ConstantTimeEq;

/// Characters of a secret by which people tell it from others: 18 of its 256 bits.
const HINT: usize = 3;

/// A new secret: 256 random bits, its digest and its hint.
pub(super) fn new(entropy: &dyn Entropy) -> (String, SecretDigest, String) {
    let (mut bytes, mut salt) = ([0; 32], [0; 16]);
    entropy.fill(&mut bytes);
    entropy.fill(&mut salt);
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let digest = SecretDigest { salt, hash: hash(&salt, &secret) };
    let hint = secret.chars().take(HINT).collect();
    (secret, digest, hint)
}

/// Whether this is the secret, in a time that tells nothing about it.
pub(crate) fn matches(digest: &SecretDigest, given: &str) -> bool {
    hash(&digest.salt, given).ct_eq(&digest.hash).into()
}

fn hash(salt: &[u8; 16], secret: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt);
    context.update(secret.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
