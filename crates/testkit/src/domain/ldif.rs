use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};

/// An object as OpenLDAP's tools print it (RFC 2849).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its distinguished name.
    pub dn: String,
    attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl DirectoryEntry {
    /// All values of an attribute, by the name that the server prints.
    pub fn values(&self, attribute: &str) -> &[Vec<u8>] {
        self.attributes.get(attribute).map(Vec::as_slice).unwrap_or_default()
    }

    /// The first value of an attribute as text.
    pub fn text(&self, attribute: &str) -> Option<String> {
        self.values(attribute).first().map(|value| String::from_utf8(value.clone()).expect("a text is UTF-8"))
    }
}

/// The objects of an LDIF text whose lines are not wrapped.
pub(super) fn read(text: &str) -> Vec<DirectoryEntry> {
    let mut entries: Vec<DirectoryEntry> = Vec::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let value = match rest.strip_prefix(':') {
            Some(encoded) => BASE64_STANDARD.decode(encoded.trim()).expect("a value in Base64"),
            None => rest.trim_start().as_bytes().to_vec(),
        };
        if name == "dn" {
            let dn = String::from_utf8(value).expect("a name is UTF-8");
            entries.push(DirectoryEntry { dn, ..DirectoryEntry::default() });
        } else if let (false, Some(entry)) = (name.starts_with('#') || name == "ref", entries.last_mut()) {
            entry.attributes.entry(name.to_owned()).or_default().push(value);
        }
    }
    entries
}

pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let entries =
            read("dn: CN=a,DC=b\ncn: a\ncn:: w6k=\n\n# pagedresults: cookie=\n\ndn:: Q049w6k=\nx: 1:2\n");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].values("cn"), [b"a".to_vec(), "é".as_bytes().to_vec()]);
        assert_eq!((entries[1].dn.as_str(), entries[1].text("x").as_deref()), ("CN=é", Some("1:2")));
    }
}
