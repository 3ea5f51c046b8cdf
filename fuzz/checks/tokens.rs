//! Tokens, client assertions, token requests, key sets and certificates from anyone: nothing panics, and what is read is
//! of the kinds and within the bounds that are accepted.

use exconn_model::Timestamp;
use exconn_server::{auth::MAX_TOKEN, untrusted};

/// A certificate whose private key nobody has.
const CERTIFICATE: &[u8] = include_bytes!("certificate.der");

pub(crate) fn check(data: &[u8]) {
    if let Some(parameters) = untrusted::token_request_parameters(data) {
        assert!(parameters <= 64);
    }
    if let Some(keys) = untrusted::usable_keys(data) {
        assert!((1..=100).contains(&keys));
    }
    untrusted::is_certificate(data);
    assert!(untrusted::is_certificate(CERTIFICATE));
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(algorithm) = untrusted::token_algorithm(text) {
        assert!(text.len() <= MAX_TOKEN && text.matches('.').count() == 2);
        assert!(!algorithm.starts_with("HS") && !algorithm.eq_ignore_ascii_case("none"), "{algorithm}");
    }
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    assert!(!untrusted::is_assertion(text, CERTIFICATE, now), "nobody can have signed it");
}
