//! The header of Kerberos's sealed messages (RFC 4121, section 4.2.6.2), checked before anything counts with its numbers.

use super::SecurityError;

const HEADER: usize = 16;
/// Confounder, and checksum with the encrypted copy of the header.
const LEAST_SEALED: usize = 16 + 16 + 12;
/// Longest filler: one block of any cipher.
const MAX_FILLER: u16 = 16;
const SENT_BY_ACCEPTOR: u8 = 1;

/// Whether this can be a message of the server.
pub(super) fn check(token: &[u8]) -> Result<(), SecurityError> {
    let broken = |reason: &str| Err(SecurityError::Broken(format!("a sealed message {reason}")));
    let Some((header, rest)) = token.split_first_chunk::<HEADER>() else {
        return broken("is shorter than its header");
    };
    let [id0, id1, flags, filler, ec0, ec1, ..] = *header;
    if [id0, id1, filler] != [5, 4, 0xff] || flags & SENT_BY_ACCEPTOR == 0 {
        return broken("is none of the server's");
    }
    let extra = u16::from_be_bytes([ec0, ec1]);
    if extra > MAX_FILLER || rest.len() < LEAST_SEALED + usize::from(extra) {
        return broken("is shorter than its header says");
    }
    Ok(())
}
