use bytes::Bytes;
use rasn_ldap::{BindResponse, ExtendedResponse, LdapResult, SearchResultDone};

use super::ber::{self, BOOLEAN, Elements, INTEGER, Malformed, OCTET_STRING, SEQUENCE, SET};

/// Tags of the operations that a server sends to a client which only binds and searches (RFC 4511, 4.2 to 4.13).
const BIND_RESPONSE: u8 = 0x61;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const CONTROLS: u8 = 0xa0;

/// What a server says.
#[derive(Debug)]
pub(super) struct Message {
    /// To which request it belongs; 0 if to none.
    pub(super) id: i64,
    pub(super) operation: Operation,
    pub(super) controls: Vec<ResponseControl>,
}

#[derive(Debug)]
pub(super) enum Operation {
    Bind(BindResponse),
    Entry(Entry),
    /// A part of the directory that another server has.
    Reference,
    Done(LdapResult),
    Extended(ExtendedResponse),
}

/// A control of an answer.
#[derive(Debug)]
pub(super) struct ResponseControl {
    pub(super) kind: Bytes,
    pub(super) value: Bytes,
}

/// An object that a search found. Names and values are parts of the message that brought it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) dn: Bytes,
    attributes: Vec<(Bytes, Vec<Bytes>)>,
}

impl Entry {
    /// All values of an attribute.
    pub(super) fn values(&self, name: &str) -> &[Bytes] {
        let found = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    }

    /// The first value of an attribute; an empty one is none.
    pub(super) fn value(&self, name: &str) -> Option<&Bytes> {
        self.values(name).first().filter(|value| !value.is_empty())
    }

    /// The first value of an attribute as text. What is not UTF-8 is replaced.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The first value of an attribute as a number.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        str::from_utf8(self.value(name)?).ok()?.parse().ok()
    }

    /// Bytes of memory that it takes, the empty attributes and values of an odd server included.
    pub(super) fn size(&self) -> usize {
        let values =
            |values: &[Bytes]| values.iter().map(|value| size_of::<Bytes>() + value.len()).sum::<usize>();
        let attributes = self
            .attributes
            .iter()
            .map(|(name, all)| size_of::<(Bytes, Vec<Bytes>)>() + name.len() + values(all));
        self.dn.len() + attributes.sum::<usize>()
    }

    /// Its distinguished name. What is not UTF-8 is replaced.
    pub(super) fn dn(&self) -> String {
        String::from_utf8_lossy(&self.dn).into_owned()
    }
}

impl Message {
    /// Reads a whole message. The envelope and what searches find are read here; what is seldom is left to `rasn`, which is
    /// never given a kind of message that nests without bound.
    pub(super) fn read(frame: &Bytes) -> Result<Self, Malformed> {
        let mut whole = Elements(frame);
        let mut parts = Elements(whole.expect(SEQUENCE)?);
        let id = ber::integer(parts.expect(INTEGER)?)?;
        let before = parts.0;
        let (tag, content) = parts.next()?.ok_or(Malformed)?;
        let element = before.get(..before.len() - parts.0.len()).ok_or(Malformed)?;
        let operation = match tag {
            SEARCH_ENTRY => Operation::Entry(read_entry(frame, content)?),
            SEARCH_REFERENCE => Operation::Reference,
            SEARCH_DONE => {
                let SearchResultDone(result) = rasn::ber::decode(element).map_err(|_| Malformed)?;
                Operation::Done(result)
            }
            BIND_RESPONSE => Operation::Bind(rasn::ber::decode(element).map_err(|_| Malformed)?),
            EXTENDED_RESPONSE => Operation::Extended(rasn::ber::decode(element).map_err(|_| Malformed)?),
            _ => return Err(Malformed),
        };
        let mut controls = Vec::new();
        if let Some(list) = parts.optional(CONTROLS)? {
            let mut list = Elements(list);
            while let Some((SEQUENCE, control)) = list.next()? {
                let mut control = Elements(control);
                let kind = frame.slice_ref(control.expect(OCTET_STRING)?);
                control.optional(BOOLEAN)?;
                let value = control.optional(OCTET_STRING)?.map(|value| frame.slice_ref(value));
                controls.push(ResponseControl { kind, value: value.unwrap_or_default() });
            }
        }
        Ok(Self { id, operation, controls })
    }
}

fn read_entry(frame: &Bytes, content: &[u8]) -> Result<Entry, Malformed> {
    let mut parts = Elements(content);
    let dn = frame.slice_ref(parts.expect(OCTET_STRING)?);
    let mut list = Elements(parts.expect(SEQUENCE)?);
    let mut attributes = Vec::new();
    while let Some((tag, attribute)) = list.next()? {
        if tag != SEQUENCE {
            return Err(Malformed);
        }
        let mut attribute = Elements(attribute);
        let name = frame.slice_ref(attribute.expect(OCTET_STRING)?);
        let mut set = Elements(attribute.expect(SET)?);
        let mut values = Vec::new();
        while let Some((tag, value)) = set.next()? {
            if tag != OCTET_STRING {
                return Err(Malformed);
            }
            values.push(frame.slice_ref(value));
        }
        attributes.push((name, values));
    }
    Ok(Entry { dn, attributes })
}

#[cfg(test)]
pub(super) mod tests {
    use rasn_ldap::{Control, LdapMessage, PartialAttribute, ProtocolOp, ResultCode, SearchResultEntry};

    use super::*;

    /// An entry as a server would send it.
    pub(in super::super) fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Entry {
        let attributes = attributes.iter().map(|(name, values)| {
            let values = values.iter().map(|value| value.to_vec().into()).collect::<Vec<_>>();
            PartialAttribute::new((*name).into(), values.into())
        });
        let found = SearchResultEntry::new(dn.into(), attributes.collect());
        let message = LdapMessage::new(7, ProtocolOp::SearchResEntry(found));
        let bytes = Bytes::from(rasn::ber::encode(&message).unwrap());
        match Message::read(&bytes).unwrap() {
            Message { id: 7, operation: Operation::Entry(entry), .. } => entry,
            other => panic!("{other:?} is no entry"),
        }
    }

    #[test]
    fn an_entry_is_read() {
        let entry = entry("CN=é,DC=b", &[("mail", &[b"a@b", b"c@d"]), ("empty", &[b""]), ("none", &[])]);
        assert_eq!(entry.dn(), "CN=é,DC=b");
        assert_eq!(entry.text("MAIL").as_deref(), Some("a@b"));
        assert_eq!(entry.values("mail").len(), 2);
        assert_eq!((entry.value("empty"), entry.value("none"), entry.value("other")), (None, None, None));
    }

    #[test]
    fn values_of_nothing_have_a_size() {
        let nothing = vec![&b""[..]; 1000];
        assert!(entry("CN=x", &[("a", &nothing)]).size() >= 1000 * size_of::<Bytes>());
        let attributes: Vec<(&str, &[&[u8]])> = vec![("", &[]); 1000];
        assert!(entry("CN=x", &attributes).size() >= 1000 * size_of::<Vec<Bytes>>());
    }

    #[test]
    fn an_end_is_read_with_its_controls() {
        let result = LdapResult::new(ResultCode::SizeLimitExceeded, "".into(), "too many".into());
        let mut message = LdapMessage::new(9, ProtocolOp::SearchResDone(SearchResultDone(result)));
        message.controls = Some(vec![
            Control::new(b"1.2".to_vec().into(), true, Some(b"x".to_vec().into())),
            Control::new(b"1.3".to_vec().into(), false, None),
        ]);
        let bytes = Bytes::from(rasn::ber::encode(&message).unwrap());
        let read = Message::read(&bytes).unwrap();
        let Operation::Done(result) = read.operation else { panic!("no end") };
        assert_eq!((read.id, result.result_code), (9, ResultCode::SizeLimitExceeded));
        let controls: Vec<_> = read.controls.iter().map(|c| (&c.kind[..], &c.value[..])).collect();
        assert_eq!(controls, [(&b"1.2"[..], &b"x"[..]), (b"1.3", b"")]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &b""[..],
            b"\x30\x00",
            b"\x30\x03\x02\x01\x01",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\x30\x05\x02\x01\x01\x63\x00",
        ] {
            assert_eq!(Message::read(&Bytes::copy_from_slice(bytes)).err(), Some(Malformed), "{bytes:x?}");
        }
    }
}
