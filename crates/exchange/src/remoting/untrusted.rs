//! What a server, or whoever is in between, may send before anything about it is proven, for fuzzing.

use super::sealing;
use crate::security::{ChannelBinding, refusal_in, wrap_token_length};

/// Reads a sealed body of HTTP; the length that it claims for the message within, and that of signature and sealed message.
pub fn sealed_body(content_type: &str, body: Vec<u8>) -> Option<(usize, usize)> {
    let enclosed = sealing::read(content_type, body).ok()?;
    Some((enclosed.length, enclosed.token.len()))
}

/// Opens a message that claims to be sealed with a key that nobody has; its length, if it is believed.
pub fn kerberos_message(token: Vec<u8>) -> Option<usize> {
    wrap_token_length(token)
}

/// Whether a service's last token is read as a refusal by Kerberos.
pub fn is_refusal(token: &[u8]) -> bool {
    refusal_in(token, "service", "HTTP/service", exconn_model::Timestamp::UNSET).is_some()
}

/// Whether a server's certificate makes a channel binding.
pub fn is_bindable(certificate: &[u8]) -> bool {
    ChannelBinding::to_server(certificate).is_some()
}
