use std::{fmt, net::IpAddr};

/// The address of a domain controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    /// `ldaps`: TLS from the first byte.
    pub(super) tls: bool,
    /// Name or address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why an address cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not the address of a domain controller, such as ldaps://dc01.contoso.com")]
pub struct TargetError {
    /// What was given.
    url: String,
}

impl Target {
    /// Reads `ldap://host`, `ldaps://host:port` and the like (RFC 4516). What could come behind, a base or a filter, is
    /// exconn's own to choose, so it is refused.
    pub(super) fn parse(url: &str) -> Result<Self, TargetError> {
        let parsed = Self::parts(url);
        parsed.ok_or_else(|| TargetError { url: url.chars().take(200).collect() })
    }

    fn parts(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme {
            _ if scheme.eq_ignore_ascii_case("ldaps") => true,
            _ if scheme.eq_ignore_ascii_case("ldap") => false,
            _ => return None,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port > 0)?,
            None if port.is_empty() => {
                if tls {
                    636
                } else {
                    389
                }
            }
            None => return None,
        };
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/?#@[]".contains(c);
        (!host.is_empty() && !host.contains(odd)).then(|| Self { tls, host: host.to_owned(), port })
    }

    /// Another host reached in the same way.
    pub(super) fn at(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// Whether messages never leave this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Host and port, for people.
    pub(super) fn endpoint(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "ldaps" } else { "ldap" }, self.endpoint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (url, shown) in [
            ("ldap://dc01.contoso.com", "ldap://dc01.contoso.com:389"),
            ("LDAPS://dc01/", "ldaps://dc01:636"),
            ("ldaps://10.0.0.1:3269", "ldaps://10.0.0.1:3269"),
            ("ldap://[::1]", "ldap://[::1]:389"),
            ("ldap://[fe80::1]:390/", "ldap://[fe80::1]:390"),
        ] {
            assert_eq!(Target::parse(url).unwrap().to_string(), shown, "{url}");
        }
        let loopback = |url| Target::parse(url).unwrap().is_loopback();
        assert!(loopback("ldap://localhost") && loopback("ldap://127.9.8.7") && loopback("ldap://[::1]"));
        assert!(!loopback("ldap://localhost.contoso.com"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "dc01",
            "http://dc01",
            "ldap://",
            "ldap://dc01:0",
            "ldap://dc01:x",
            "ldap://dc01:70000",
            "ldap://a b",
            "ldap://svc:pw@dc01",
            "ldap://dc01/DC=contoso",
            "ldap://[::1",
            "ldap://[::1]x",
            "ldap:///",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
