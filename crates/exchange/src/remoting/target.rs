use std::{fmt, net::IpAddr};

use http::{HeaderValue, Uri, uri::PathAndQuery};

/// Where to connect to, and what to ask there.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) tls: bool,
    /// Name or address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: PathAndQuery,
    /// The `Host` header.
    pub(super) authority: HeaderValue,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not an address at all.
    #[error("{url:?} is not an address such as https://ex01.contoso.com/PowerShell/")]
    Form {
        /// What was given.
        url: String,
    },
    /// User or password inside of the address.
    #[error(
        "the address contains a user: leave out everything up to the @ and configure the user apart from it"
    )]
    User,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, TargetError> {
        let form = || TargetError::Form { url: url.chars().take(200).collect() };
        // The user part could hold a password: it must not reach the error's text.
        if url.contains('@') {
            return Err(TargetError::User);
        }
        let uri: Uri = url.parse().map_err(|_| form())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(form()),
        };
        let authority = uri.authority().ok_or_else(form)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(form());
        }
        // `Authority::port` is silent about a port that is too large.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if tls => 443,
            Some("") => 80,
            Some(port) => {
                let number = port.strip_prefix(':').and_then(|digits| digits.parse().ok());
                number.filter(|number| *number > 0).ok_or_else(form)?
            }
            None => return Err(form()),
        };
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let authority = HeaderValue::from_str(authority.as_str()).map_err(|_| form())?;
        Ok(Self { tls, host, port, path, authority })
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
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority.to_str().unwrap_or(&self.host), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_and_query_is_kept() {
        for (url, endpoint, path) in [
            ("https://ex01.contoso.com/PowerShell/", "ex01.contoso.com:443", "/PowerShell/"),
            (
                "http://localhost:8080/a/b?serializationLevel=Partial;x=%20",
                "localhost:8080",
                "/a/b?serializationLevel=Partial;x=%20",
            ),
            ("HTTPS://EX01", "EX01:443", "/"),
            ("http://[::1]/PowerShell", "[::1]:80", "/PowerShell"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.endpoint().as_str(), target.path.as_str()), (endpoint, path), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "ex01",
            "/PowerShell",
            "ftp://ex01/",
            "https://",
            "https://ex01:0/",
            "https://ex01:99999/",
            "http://a b/",
        ] {
            assert!(matches!(Target::parse(url), Err(TargetError::Form { .. })), "{url}");
        }
        let error = Target::parse("https://svc:hunter2@ex01/").unwrap_err();
        assert!(matches!(error, TargetError::User) && !error.to_string().contains("hunter2"));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, loopback) in [
            ("http://localhost/", true),
            ("http://127.0.0.1/", true),
            ("http://127.8.9.1:81/", true),
            ("http://[::1]/", true),
            ("http://localhost.contoso.com/", false),
            ("http://10.0.0.1/", false),
            ("http://ex01/", false),
        ] {
            assert_eq!(Target::parse(url).unwrap().is_loopback(), loopback, "{url}");
        }
    }
}
