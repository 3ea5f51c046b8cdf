//! The Basic Encoding Rules as far as LDAP uses them: definite lengths, tags of one byte (RFC 4511, 5.1).

/// Most bytes of a length. Four hold more than any message that is taken.
const MAX_LENGTH_BYTES: usize = 4;

/// `BOOLEAN`.
pub(super) const BOOLEAN: u8 = 0x01;
/// `INTEGER`.
pub(super) const INTEGER: u8 = 0x02;
/// `OCTET STRING`.
pub(super) const OCTET_STRING: u8 = 0x04;
/// `SEQUENCE`.
pub(super) const SEQUENCE: u8 = 0x30;
/// `SET`.
pub(super) const SET: u8 = 0x31;

/// How an element begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    /// Bytes of the tag and the length.
    pub(super) size: usize,
    /// Bytes of the content.
    pub(super) length: usize,
}

/// Bytes that are not of these rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The header that these bytes begin with; `None` if more bytes are needed to tell.
pub(super) fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let [tag, first, rest @ ..] = bytes else { return Ok(None) };
    // A tag of several bytes, or a length that only the end tells: neither is LDAP.
    if tag & 0x1f == 0x1f || *first == 0x80 {
        return Err(Malformed);
    }
    if first & 0x80 == 0 {
        return Ok(Some(Header { tag: *tag, size: 2, length: usize::from(*first) }));
    }
    let count = usize::from(first & 0x7f);
    if count > MAX_LENGTH_BYTES {
        return Err(Malformed);
    }
    let Some(bytes) = rest.get(..count) else { return Ok(None) };
    let length = bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    Ok(Some(Header { tag: *tag, size: 2 + count, length }))
}

/// Elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element's tag and content; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let header = header(self.0)?.ok_or(Malformed)?;
        let (head, rest) = self.0.split_at_checked(header.size + header.length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Some((header.tag, head.get(header.size..).ok_or(Malformed)?)))
    }

    /// The next element, which must be there and have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// The next element's content if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }
}

/// The value of an `INTEGER` or `ENUMERATED`.
pub(super) fn integer(content: &[u8]) -> Result<i64, Malformed> {
    let first = content.first().ok_or(Malformed)?;
    if content.len() > 8 {
        return Err(Malformed);
    }
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(content.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_far_as_they_are_there() {
        for (bytes, expected) in [
            (&[][..], Ok(None)),
            (&[0x30], Ok(None)),
            (&[0x30, 5], Ok(Some(Header { tag: 0x30, size: 2, length: 5 }))),
            (&[0x30, 0x82, 1], Ok(None)),
            (&[0x30, 0x82, 1, 2], Ok(Some(Header { tag: 0x30, size: 4, length: 258 }))),
            (
                &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
                Ok(Some(Header { tag: 0x30, size: 6, length: 0xffff_ffff })),
            ),
            (&[0x30, 0x80], Err(Malformed)),
            (&[0x30, 0x85, 0, 0, 0, 0, 1], Err(Malformed)),
            (&[0x1f, 0x81], Err(Malformed)),
        ] {
            assert_eq!(header(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn integers_have_a_sign_and_a_bound() {
        for (bytes, expected) in [
            (&[0][..], Ok(0)),
            (&[0x7f], Ok(127)),
            (&[0, 0x80], Ok(128)),
            (&[0xff], Ok(-1)),
            (&[], Err(Malformed)),
            (&[0; 9], Err(Malformed)),
        ] {
            assert_eq!(integer(bytes), expected);
        }
    }

    #[test]
    fn an_element_does_not_reach_over_its_end() {
        let mut elements = Elements(&[4, 1, b'a', 4, 2, b'b']);
        assert_eq!(elements.expect(OCTET_STRING), Ok(&b"a"[..]));
        assert_eq!(elements.next(), Err(Malformed));
    }
}
