//! Distinguished names (RFC 4514) as far as they tell where an object stands.

/// The parts of a distinguished name, as they are written, the object's own first.
fn parts(dn: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(dn);
    std::iter::from_fn(move || {
        let text = rest?;
        let (part, after) = split(text);
        rest = after;
        Some(part)
    })
    .filter(|part| !part.is_empty())
}

/// The first part of a distinguished name and the rest of it.
fn split(dn: &str) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (at, byte) in dn.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            // A comma is never a part of another character in UTF-8.
            b',' => return (dn.get(..at).unwrap_or(dn), dn.get(at + 1..)),
            _ => {}
        }
    }
    (dn, None)
}

/// The name of the object above, as it is written.
pub(super) fn parent(dn: &str) -> Option<&str> {
    split(dn).1
}

/// The value of an object's own part, in clear.
pub(super) fn own_value(dn: &str) -> String {
    value(split(dn).0)
}

fn value(part: &str) -> String {
    unescaped(part.split_once('=').map_or(part, |(_, value)| value).trim())
}

/// Takes the backslashes of RFC 4514, section 2.4 away.
fn unescaped(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let mut ahead = bytes.clone();
        let pair = ahead.next().and_then(hexadecimal).zip(ahead.next().and_then(hexadecimal));
        if let Some((high, low)) = pair {
            out.push(high << 4 | low);
            bytes = ahead;
        } else if let Some(byte) = bytes.next() {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hexadecimal(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `contoso.test/Users/Lee, Ann` for `CN=Lee\, Ann,CN=Users,DC=contoso,DC=test`: the form in which Exchange shows an object. A
/// slash in a name gets a backslash in front, and so does a backslash.
pub(super) fn canonical(dn: &str) -> String {
    let mut domain = String::new();
    let mut path: Vec<&str> = Vec::new();
    for part in parts(dn) {
        match part.split_once('=') {
            Some((kind, _)) if kind.trim().eq_ignore_ascii_case("dc") => {
                if !domain.is_empty() {
                    domain.push('.');
                }
                domain.push_str(&value(part));
            }
            _ => path.push(part),
        }
    }
    for part in path.into_iter().rev() {
        domain.push('/');
        for letter in value(part).chars() {
            if matches!(letter, '/' | '\\') {
                domain.push('\\');
            }
            domain.push(letter);
        }
    }
    domain
}

/// The name in DNS of a domain, for instance `contoso.test` for `DC=contoso,DC=test`.
pub(super) fn dns_name(naming_context: &str) -> String {
    canonical(naming_context)
}

/// Distinguished names compare without case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.to_lowercase() == other.to_lowercase()
}

/// The user whose mailbox holds the partnership with this name: the object above the container of partnerships.
pub(super) fn mailbox_of(device: &str) -> Option<&str> {
    let container = parent(device)?;
    own_value(container).eq_ignore_ascii_case(CONTAINER).then(|| parent(container)).flatten()
}

/// The container of a mailbox's partnerships.
const CONTAINER: &str = "ExchangeActiveSyncDevices";

/// The name of the container of partnerships of this user.
pub(super) fn container_of(user: &str) -> String {
    format!("CN={CONTAINER},{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_exchange_does() {
        for (dn, shown) in [
            ("DC=contoso,DC=test", "contoso.test"),
            ("CN=user000001,CN=Users,DC=contoso,DC=test", "contoso.test/Users/user000001"),
            ("CN=Lee\\, Ann,OU=Staff,DC=contoso,DC=test", "contoso.test/Staff/Lee, Ann"),
            ("CN=a/b\\\\c,DC=x", "x/a\\/b\\\\c"),
            ("CN=caf\\C3\\A9 \\22q\\22\\+,DC=x", "x/café \"q\"+"),
            ("CN=x\\0ADEL:1,DC=x", "x/x\nDEL:1"),
            ("CN=é\\,,dc=x", "x/é,"),
            ("", ""),
        ] {
            assert_eq!(canonical(dn), shown, "{dn}");
        }
    }

    #[test]
    fn a_partnership_belongs_to_the_mailbox_above_its_container() {
        let user = "CN=Lee\\, Ann,CN=Users,DC=contoso,DC=test";
        let device = format!("CN=iPhone§A\\,B,{}", container_of(user));
        assert_eq!(mailbox_of(&device), Some(user));
        assert_eq!(own_value(&device), "iPhone§A,B");
        assert_eq!(mailbox_of(user), None);
        assert_eq!(mailbox_of("CN=x"), None);
        assert!(same("CN=Ä,DC=b", "cn=ä,dc=B") && !same("CN=a", "CN=ab"));
    }

    #[test]
    fn no_text_is_too_odd_for_a_name() {
        for dn in ["\\", ",,,", "=", "CN=\\4", "CN=\\zz\\", ",é\\"] {
            let _ = (canonical(dn), own_value(dn), mailbox_of(dn), parent(dn));
        }
    }
}
