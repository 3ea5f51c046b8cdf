//! Messages that the server sealed by Kerberos (RFC 4121, section 4.2.6.2).
//!
//! They are not opened by `sspi`, which takes any message of the connection at any time: one that was kept back and sent again
//! would be believed. It also rotates by a fixed count, where this reads the one in the token, and it reads a token's numbers
//! unchecked.

use picky_krb::crypto::CipherSuite;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{SecurityError, Unwrapped};

const HEADER: usize = 16;
const SENT_BY_ACCEPTOR: u8 = 1;
const SEALED: u8 = 2;
/// What the keys of an acceptor's wrap tokens are derived with, sealed or not (RFC 4121, section 2).
const ACCEPTOR_SEAL: i32 = 22;
/// Longest filler, and longest checksum of a message that is signed alone.
const MAX_EXTRA: usize = 64;

/// Opens what the server seals on one connection.
pub(super) struct Opener {
    cipher: CipherSuite,
    key: Zeroizing<Vec<u8>>,
    /// The number of the next message; unknown before the first.
    next: Option<u64>,
}

impl Opener {
    /// With the key that both sides came to.
    pub(super) fn new(key: Vec<u8>) -> Result<Self, SecurityError> {
        let cipher = match key.len() {
            16 => CipherSuite::Aes128CtsHmacSha196,
            32 => CipherSuite::Aes256CtsHmacSha196,
            _ => return Err(SecurityError::Unsupported("the service chose a cipher that is not AES")),
        };
        Ok(Self { cipher, key: Zeroizing::new(key), next: None })
    }

    /// Opens the next message.
    pub(super) fn open(&mut self, mut token: Vec<u8>) -> Result<Unwrapped, SecurityError> {
        let Some((header, body)) = token.split_first_chunk_mut::<HEADER>() else {
            return Err(broken("is shorter than its header"));
        };
        let header = *header;
        let [id0, id1, flags, filler, extra0, extra1, rotation0, rotation1, number @ ..] = header;
        if [id0, id1, filler] != [5, 4, 0xff] || flags & SENT_BY_ACCEPTOR == 0 {
            return Err(broken("is none of the server's"));
        }
        let extra = usize::from(u16::from_be_bytes([extra0, extra1]));
        if extra > MAX_EXTRA || body.is_empty() {
            return Err(broken("is shorter than its header says"));
        }
        let rotation = usize::from(u16::from_be_bytes([rotation0, rotation1]));
        let is_sealed = flags & SEALED != 0;
        let message = if is_sealed {
            self.decrypt(header, body, extra, rotation)?
        } else {
            self.verify(header, body, extra, rotation)?
        };
        self.count(u64::from_be_bytes(number))?;
        Ok(Unwrapped { message, is_sealed })
    }

    fn decrypt(
        &self,
        header: [u8; HEADER],
        body: &mut [u8],
        extra: usize,
        rotation: usize,
    ) -> Result<Vec<u8>, SecurityError> {
        // Windows turns by the filler's length too (MS-KILE, 3.4.5.4.1).
        rotate_back(body, rotation + extra);
        let mut opened = self.cipher.cipher().decrypt(&self.key, ACCEPTOR_SEAL, body);
        if opened.is_err() && extra > 0 {
            let length = body.len();
            body.rotate_right(extra % length);
            opened = self.cipher.cipher().decrypt(&self.key, ACCEPTOR_SEAL, body);
        }
        let mut plain = opened.map_err(|_| altered())?;
        let length = plain.len().checked_sub(HEADER + extra).ok_or_else(altered)?;
        // The copy of the header within is what nobody could change. Its counts of rotation and filler may differ.
        let copy: &[u8; HEADER] = plain.last_chunk().ok_or_else(altered)?;
        if copy[..4] != header[..4] || copy[8..] != header[8..] {
            return Err(altered());
        }
        plain.truncate(length);
        Ok(plain)
    }

    fn verify(
        &self,
        mut header: [u8; HEADER],
        body: &mut [u8],
        extra: usize,
        rotation: usize,
    ) -> Result<Vec<u8>, SecurityError> {
        rotate_back(body, rotation);
        let length = body.len().checked_sub(extra).ok_or_else(altered)?;
        let (message, checksum) = body.split_at(length);
        header[4..8].fill(0);
        let signed = [message, &header].concat();
        let hasher = self.cipher.cipher().checksum_type().hasher();
        let expected = hasher.checksum(&self.key, ACCEPTOR_SEAL, &signed).map_err(|_| altered())?;
        if bool::from(expected.as_slice().ct_eq(checksum)) { Ok(message.to_vec()) } else { Err(altered()) }
    }

    /// Numbers start anywhere, and those of 32 bits may start again at zero.
    fn count(&mut self, number: u64) -> Result<(), SecurityError> {
        const LOW: u64 = 0xffff_ffff;
        if self.next.is_some_and(|next| next & LOW != number & LOW) {
            return Err(broken("is not the server's next"));
        }
        self.next = Some(number.wrapping_add(1));
        Ok(())
    }
}

fn rotate_back(body: &mut [u8], count: usize) {
    let length = body.len();
    body.rotate_left(count % length.max(1));
}

fn broken(reason: &str) -> SecurityError {
    SecurityError::Broken(format!("a sealed message {reason}"))
}

fn altered() -> SecurityError {
    broken("was altered")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn header(flags: u8, extra: u16, rotation: u16, number: u64) -> [u8; HEADER] {
        let mut header = [5, 4, flags, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[4..6].copy_from_slice(&extra.to_be_bytes());
        header[6..8].copy_from_slice(&rotation.to_be_bytes());
        header[8..].copy_from_slice(&number.to_be_bytes());
        header
    }

    /// A sealed message as MIT and Windows write it; `turned` is by how much it is really turned.
    fn sealed(message: &[u8], extra: u16, rotation: u16, turned: usize, number: u64) -> Vec<u8> {
        let filler = vec![0; usize::from(extra)];
        let plain = [message, &filler, &header(7, extra, 0, number)].concat();
        let cipher = CipherSuite::Aes256CtsHmacSha196.cipher();
        let mut body = cipher.encrypt(&KEY, ACCEPTOR_SEAL, &plain).unwrap();
        body.rotate_right(turned);
        [&header(7, extra, rotation, number)[..], &body].concat()
    }

    fn signed(message: &[u8], number: u64) -> Vec<u8> {
        let hasher = CipherSuite::Aes256CtsHmacSha196.cipher().checksum_type().hasher();
        let all = [message, &header(5, 0, 0, number)].concat();
        let checksum = hasher.checksum(&KEY, ACCEPTOR_SEAL, &all).unwrap();
        let extra = u16::try_from(checksum.len()).unwrap();
        [&header(5, extra, 0, number)[..], message, &checksum].concat()
    }

    fn opener() -> Opener {
        Opener::new(KEY.to_vec()).unwrap()
    }

    #[test]
    fn every_way_to_turn_a_message_is_read() {
        for (extra, rotation, turned) in [(0, 0, 0), (0, 28, 28), (16, 28, 44), (16, 28, 28), (0, 40, 40)] {
            for message in [&b""[..], b"x", &[9; 5000]] {
                let token = sealed(message, extra, rotation, turned, 1);
                let opened = opener().open(token).unwrap();
                assert_eq!((opened.message.as_slice(), opened.is_sealed), (message, true));
            }
        }
        let opened = opener().open(signed(b"offer", 1)).unwrap();
        assert_eq!((opened.message.as_slice(), opened.is_sealed), (&b"offer"[..], false));
    }

    #[test]
    fn messages_come_once_and_in_order() {
        let mut opener = opener();
        for number in [0xffff_fffe, 0xffff_ffff, 0, 1] {
            opener.open(sealed(b"x", 0, 28, 28, number)).unwrap();
        }
        for number in [1, 0, 3] {
            let error = opener.open(sealed(b"x", 0, 28, 28, number)).unwrap_err();
            assert!(error.to_string().contains("next"), "{error}");
        }
    }

    #[test]
    fn a_changed_byte_and_a_cut_are_noticed() {
        for whole in [sealed(b"message", 16, 28, 44, 1), signed(b"message", 1)] {
            for at in 0..whole.len() {
                let mut changed = whole.clone();
                changed[at] ^= 0x10;
                // The counts in the header are read only to find the way; turned by a whole round they lead there too.
                if let Ok(opened) = opener().open(changed) {
                    assert!((4..8).contains(&at) && opened.message == b"message", "{at}");
                }
                assert!(opener().open(whole[..at].to_vec()).is_err(), "{at}");
            }
        }
        let mut own = sealed(b"x", 0, 28, 28, 1);
        own[2] = 6;
        assert!(opener().open(own).is_err(), "what the client sent is not believed");
        assert!(Opener::new(vec![0; 24]).is_err());
    }
}
