//! What a KDC's, or a service's, refusal means (RFC 4120, section 5.9.1).

use std::time::Duration;

use exconn_model::Timestamp;
use rasn::{
    AsnType, Decode, Decoder, Encoder,
    types::{Any, GeneralizedTime, Integer, OctetString, SequenceOf},
};

use super::SecurityError;

/// How far clocks may be apart (RFC 4120, section 1.6).
pub(crate) const ALLOWED_SKEW: Duration = Duration::from_secs(300);

/// Error codes of RFC 4120, section 7.5.9.
const NAME_EXPIRED: i32 = 1;
const CLIENT_UNKNOWN: i32 = 6;
const SERVICE_UNKNOWN: i32 = 7;
const POLICY: i32 = 12;
const ENCRYPTION_TYPE_UNSUPPORTED: i32 = 14;
const CLIENT_REVOKED: i32 = 18;
const CLIENT_NOT_YET: i32 = 21;
const KEY_EXPIRED: i32 = 23;
const PREAUTHENTICATION_FAILED: i32 = 24;
const PREAUTHENTICATION_REQUIRED: i32 = 25;
const UNAVAILABLE: i32 = 29;
const BAD_INTEGRITY: i32 = 31;
const TICKET_NOT_YET: i32 = 33;
const SKEW: i32 = 37;
const MODIFIED: i32 = 41;
const WRONG_REALM: i32 = 68;

/// `KRB-ERROR` (RFC 4120, section 5.9.1).
#[derive(AsnType, Decode, Debug)]
#[rasn(tag(explicit(application, 30)))]
#[expect(dead_code, reason = "a part is read to come to the next one")]
struct KrbError {
    #[rasn(tag(explicit(0)))]
    version: Integer,
    #[rasn(tag(explicit(1)))]
    message_type: Integer,
    #[rasn(tag(explicit(2)))]
    client_time: Option<Any>,
    #[rasn(tag(explicit(3)))]
    client_microseconds: Option<Any>,
    #[rasn(tag(explicit(4)))]
    server_time: GeneralizedTime,
    #[rasn(tag(explicit(5)))]
    server_microseconds: Any,
    #[rasn(tag(explicit(6)))]
    code: i32,
    #[rasn(tag(explicit(7)))]
    client_realm: Option<Any>,
    #[rasn(tag(explicit(8)))]
    client_name: Option<Any>,
    #[rasn(tag(explicit(9)))]
    realm: Any,
    #[rasn(tag(explicit(10)))]
    service_name: Any,
    #[rasn(tag(explicit(11)))]
    text: Option<Any>,
    #[rasn(tag(explicit(12)))]
    data: Option<OctetString>,
}

/// `KERB-ERROR-DATA` (MS-KILE, 2.2.1), and `PA-DATA` (RFC 4120, section 5.2.7), which looks the same.
#[derive(AsnType, Decode, Debug)]
struct ErrorData {
    #[rasn(tag(explicit(1)))]
    kind: i32,
    #[rasn(tag(explicit(2)))]
    value: Option<OctetString>,
}

/// A refusal by Kerberos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: i32,
    server_time: Timestamp,
    /// What Windows adds: an NTSTATUS (MS-ERREF, 2.3).
    status: Option<u32>,
}

impl Refusal {
    /// The refusal in a Kerberos message, if it is one.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        // [APPLICATION 30]; a message of another kind is not worth decoding.
        if message.first() != Some(&0x7e) {
            return None;
        }
        let error: KrbError = rasn::der::decode(message).ok()?;
        let server_time = Timestamp::from_unix_seconds(error.server_time.timestamp());
        let status = error.data.and_then(|data| windows_status(&data));
        Some(Self { code: error.code, server_time, status })
    }

    /// The refusal in a GSS-API token of Kerberos (RFC 4121, section 4.1: token id 03 00), bare or inside of SPNEGO, which a
    /// server may send with its last word.
    pub(super) fn find(token: &[u8]) -> Option<Self> {
        const MARK: [u8; 3] = [0x03, 0x00, 0x7e];
        let at = token.windows(MARK.len()).position(|three| three == MARK)?;
        let message = token.get(at + 2..)?;
        Self::read(message.get(..der_length(message)?)?)
    }

    /// Whether the exchange goes on after it: the KDC asks for proof of the password.
    pub(super) fn asks_for_proof(&self) -> bool {
        self.code == PREAUTHENTICATION_REQUIRED
    }

    /// Whether another KDC is worth asking.
    pub(super) fn is_temporary(&self) -> bool {
        self.code == UNAVAILABLE
    }

    /// What it means to whoever wanted to reach `service`, as far as `by` tells.
    pub(super) fn meaning(&self, by: &str, service: &str, now: Timestamp) -> SecurityError {
        if let Some(error) = self.status.and_then(|status| of_status(status, by)) {
            return error;
        }
        let unknown =
            || SecurityError::Refused { by: by.to_owned(), reason: format!("Kerberos error {}", self.code) };
        meaning_of(self.code, by, service, || skew(self.server_time, now)).unwrap_or_else(unknown)
    }
}

/// What an error code of Kerberos means, if it is one that somebody can act on.
pub(super) fn meaning_of(
    code: i32,
    by: &str,
    service: &str,
    skew: impl FnOnce() -> String,
) -> Option<SecurityError> {
    let by = by.to_owned();
    let locked = |reason: &str| SecurityError::AccountLocked { by: by.clone(), reason: reason.to_owned() };
    let refused = |reason: &str| SecurityError::Refused { by: by.clone(), reason: reason.to_owned() };
    Some(match code {
        CLIENT_UNKNOWN | PREAUTHENTICATION_FAILED => SecurityError::CredentialsRefused { by },
        KEY_EXPIRED => SecurityError::PasswordExpired { by },
        NAME_EXPIRED => locked("it has expired"),
        CLIENT_REVOKED => locked("it is locked, disabled or expired"),
        CLIENT_NOT_YET => locked("it is not valid yet"),
        POLICY => locked("a policy does not let it sign in here and now"),
        SERVICE_UNKNOWN => SecurityError::ServiceUnknown { principal: service.to_owned() },
        SKEW | TICKET_NOT_YET => SecurityError::ClockSkew { by, reason: skew() },
        ENCRYPTION_TYPE_UNSUPPORTED => refused(
            "account and service have no AES key (msDS-SupportedEncryptionTypes; a password set anew makes one)",
        ),
        BAD_INTEGRITY | MODIFIED => refused(&format!(
            "the service cannot read the ticket: {service} is registered for another account than the one that runs \
                 the service, or the key of that account has changed"
        )),
        WRONG_REALM => refused("it does not serve the account's realm"),
        _ => return None,
    })
}

/// What a service says with its last token, if Kerberos says it. It never sees a password, and whoever meddles with the
/// connection could else have it left alone for an hour.
pub(crate) fn refusal_in(token: &[u8], by: &str, service: &str, now: Timestamp) -> Option<SecurityError> {
    let meaning = Refusal::find(token)?.meaning(by, service, now);
    Some(match meaning {
        SecurityError::CredentialsRefused { by } => {
            SecurityError::Refused { by, reason: "it does not know the account of the ticket".into() }
        }
        meaning => meaning,
    })
}

/// The difference of two clocks, in words.
pub(crate) fn skew(theirs: Timestamp, ours: Timestamp) -> String {
    let (ahead, behind) = (theirs.since(ours), ours.since(theirs));
    let (difference, side) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    format!(
        "it says {theirs}, {} s {side} this machine's {ours}; Kerberos allows {} s",
        difference.as_secs(),
        ALLOWED_SKEW.as_secs()
    )
}

/// The whole length of the DER value that starts here.
fn der_length(value: &[u8]) -> Option<usize> {
    let first = usize::from(*value.get(1)?);
    if first < 0x80 {
        return Some(2 + first);
    }
    let count = first & 0x7f;
    let bytes = value.get(2..2 + count).filter(|bytes| bytes.len() <= 4)?;
    let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    length.checked_add(2 + count)
}

/// The NTSTATUS in the `e-data` of an Active Directory: `KERB-EXT-ERROR` (MS-KILE, 2.2.2) in `KERB-ERROR-DATA` of type 3, or
/// in `PA-DATA` of that type.
fn windows_status(data: &[u8]) -> Option<u32> {
    let one = |data: ErrorData| {
        let value = data.value.filter(|value| data.kind == 3 && value.len() >= 4)?;
        Some(u32::from_le_bytes(*value.first_chunk()?))
    };
    if let Ok(data) = rasn::der::decode::<ErrorData>(data) {
        return one(data);
    }
    rasn::der::decode::<SequenceOf<ErrorData>>(data).ok()?.into_iter().find_map(one)
}

/// The cases that Kerberos's own codes throw together.
fn of_status(status: u32, by: &str) -> Option<SecurityError> {
    let by = by.to_owned();
    let locked = |reason: &str| SecurityError::AccountLocked { by: by.clone(), reason: reason.to_owned() };
    Some(match status {
        0xc000_0064 | 0xc000_006a | 0xc000_006d => SecurityError::CredentialsRefused { by },
        0xc000_0071 | 0xc000_0224 => SecurityError::PasswordExpired { by },
        0xc000_006e => locked("a restriction does not let it sign in"),
        0xc000_006f => locked("it may not sign in at this hour"),
        0xc000_0070 => locked("it may not sign in from this machine"),
        0xc000_0072 => locked("it is disabled"),
        0xc000_0193 => locked("it has expired"),
        0xc000_0234 => locked("it is locked out"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    }

    fn krb_error(code: u8, data: Option<&[u8]>) -> Vec<u8> {
        let name = tlv(0x30, &[tlv(0xa0, &[2, 1, 2]), tlv(0xa1, &tlv(0x30, &tlv(0x1b, b"krbtgt")))].concat());
        let mut fields = [
            tlv(0xa0, &[2, 1, 5]),
            tlv(0xa1, &[2, 1, 30]),
            tlv(0xa2, &tlv(0x18, b"20270115080000Z")),
            tlv(0xa3, &[2, 1, 9]),
            tlv(0xa4, &tlv(0x18, b"20270115081000Z")),
            tlv(0xa5, &[2, 1, 9]),
            tlv(0xa6, &[2, 1, code]),
            tlv(0xa9, &tlv(0x1b, b"CONTOSO.COM")),
            tlv(0xaa, &name),
        ]
        .concat();
        if let Some(data) = data {
            fields.extend(tlv(0xac, &tlv(4, data)));
        }
        tlv(0x7e, &tlv(0x30, &fields))
    }

    fn status(code: u32) -> Vec<u8> {
        let value = [&code.to_le_bytes()[..], &[0; 8]].concat();
        tlv(0x30, &[tlv(0xa1, &[2, 1, 3]), tlv(0xa2, &tlv(4, &value))].concat())
    }

    fn meaning(code: u8, data: Option<&[u8]>) -> SecurityError {
        let now = Timestamp::parse("2027-01-15T08:00:00Z").unwrap();
        Refusal::read(&krb_error(code, data)).unwrap().meaning("dc1:88", "HTTP/ex01", now)
    }

    #[test]
    fn windows_tells_apart_what_kerberos_does_not() {
        assert!(matches!(meaning(18, None), SecurityError::AccountLocked { .. }));
        for (code, text) in [
            (0xc000_0234, "locked out"),
            (0xc000_0072, "disabled"),
            (0xc000_0193, "expired"),
            (0xc000_006f, "hour"),
        ] {
            for data in [status(code), tlv(0x30, &status(code))] {
                let SecurityError::AccountLocked { reason, .. } = meaning(18, Some(&data)) else {
                    panic!("{code:x}")
                };
                assert!(reason.contains(text), "{reason}");
            }
        }
        assert!(matches!(meaning(18, Some(&status(0xc000_0071))), SecurityError::PasswordExpired { .. }));
        assert!(matches!(meaning(18, Some(b"no data at all")), SecurityError::AccountLocked { .. }));
    }

    #[test]
    fn a_skew_says_how_much() {
        let SecurityError::ClockSkew { reason, .. } = meaning(37, None) else { panic!() };
        assert!(reason.contains("600 s ahead of"), "{reason}");
    }

    #[test]
    fn a_refusal_is_found_in_a_token_of_the_service() {
        let token =
            [&[0x60, 0x82, 1, 2, 6, 1, 42, 3, 0][..], &krb_error(41, None), &[0xa3, 4, 1, 2]].concat();
        let refusal = Refusal::find(&token).unwrap();
        let now = Timestamp::from_unix_seconds(0);
        assert!(refusal.meaning("ex01", "HTTP/ex01", now).to_string().contains("another account"));
    }

    #[test]
    fn a_service_says_nothing_of_the_password() {
        for code in [CLIENT_UNKNOWN, PREAUTHENTICATION_FAILED] {
            let code = u8::try_from(code).unwrap();
            assert!(matches!(meaning(code, None), SecurityError::CredentialsRefused { .. }));
            let token = [&[3, 0][..], &krb_error(code, None)].concat();
            let said = refusal_in(&token, "ex01", "HTTP/ex01", Timestamp::UNSET).unwrap();
            assert!(matches!(said, SecurityError::Refused { .. }), "{said}");
        }
    }

    #[test]
    fn what_is_no_refusal_is_none() {
        let whole = krb_error(37, Some(&status(0xc000_0234)));
        for end in 0..whole.len() {
            assert_eq!(Refusal::read(&whole[..end]), None);
            assert_eq!(Refusal::find(&[&[3, 0][..], &whole[..end]].concat()), None);
        }
        assert_eq!(Refusal::read(b""), None);
        assert_eq!(Refusal::find(&[3, 0, 0x7e, 0xff, 0xff]), None);
    }
}
