use std::{fmt, net::IpAddr};

use http::{HeaderValue, Uri, uri::PathAndQuery};

/// Longest link that is followed, in bytes.
const MAX_LINK: usize = 16 * 1024;

/// Scheme, host and port of a web server (RFC 6454, section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) tls: bool,
    /// Name or address in lower case, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Not scheme, host and port.
    #[error("{url:?} is not an address such as https://outlook.office365.com, without a path")]
    Form {
        /// What was given.
        url: String,
    },
    /// User or password inside of the address.
    #[error("the address contains a user: leave out everything up to the @")]
    User,
    /// Secrets would be readable on the network.
    #[error("{url} would send secrets in clear text: use https; http is accepted to a loopback address only")]
    PlainText {
        /// The address.
        url: String,
    },
}

impl Origin {
    /// An address that secrets may be sent to: https, or http on this machine.
    pub(super) fn parse(url: &str) -> Result<Self, OriginError> {
        let form = || OriginError::Form { url: url.chars().take(200).collect() };
        // The user part could hold a password: it must not reach the error's text.
        if url.contains('@') {
            return Err(OriginError::User);
        }
        let uri: Uri = url.parse().map_err(|_| form())?;
        let origin = Self::of(&uri).ok_or_else(form)?;
        if !matches!(uri.path_and_query().map(PathAndQuery::as_str), None | Some("/")) {
            return Err(form());
        }
        if !origin.tls && !origin.is_loopback() {
            return Err(OriginError::PlainText { url: origin.to_string() });
        }
        Ok(origin)
    }

    fn of(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        // `Authority::port` is silent about a port that is too large.
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" if tls => 443,
            "" => 80,
            port => port.strip_prefix(':')?.parse().ok().filter(|number| *number > 0)?,
        };
        (!host.is_empty()).then_some(Self { tls, host, port })
    }

    /// Path and query of a link, if it leads to this origin.
    pub(super) fn own(&self, link: &str) -> Option<PathAndQuery> {
        if link.len() > MAX_LINK || link.contains('@') && link.split('?').next()?.contains('@') {
            return None;
        }
        let uri: Uri = link.parse().ok()?;
        if uri.scheme().is_none() && uri.authority().is_none() {
            // A path from the root; "//host" would be another server.
            return uri
                .into_parts()
                .path_and_query
                .filter(|path| path.as_str().starts_with('/') && !path.as_str().starts_with("//"));
        }
        if Self::of(&uri)? == *self { uri.into_parts().path_and_query } else { None }
    }

    /// Whether messages never leave this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Host and port, for people.
    pub(super) fn endpoint(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The `Host` header.
    pub(super) fn host_header(&self) -> Option<HeaderValue> {
        let text = self.to_string();
        HeaderValue::from_str(text.split_once("://").map(|(_, authority)| authority)?).ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.tls { ("https", 443) } else { ("http", 80) };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}", self.host)?;
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_or_this_machine() {
        for (url, written) in [
            ("https://outlook.office365.com", "https://outlook.office365.com"),
            ("HTTPS://Outlook.Office365.com:443/", "https://outlook.office365.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]/", "http://[::1]"),
        ] {
            let origin = Origin::parse(url).unwrap();
            assert_eq!(origin.to_string(), written);
            assert_eq!(origin.host_header().unwrap(), written.split_once("://").unwrap().1);
        }
        for url in
            ["", "outlook", "ftp://x", "https://", "https://x:0", "https://x:99999", "https://x/adminapi"]
        {
            assert!(matches!(Origin::parse(url), Err(OriginError::Form { .. })), "{url}");
        }
        assert!(matches!(Origin::parse("http://outlook.office365.com"), Err(OriginError::PlainText { .. })));
        let error = Origin::parse("https://svc:hunter2@x").unwrap_err();
        assert!(matches!(error, OriginError::User) && !error.to_string().contains("hunter2"));
    }

    #[test]
    fn only_links_to_the_same_origin_are_its_own() {
        let origin = Origin::parse("https://outlook.office365.com").unwrap();
        for (link, path) in [
            ("https://outlook.office365.com/a?$skiptoken=b%20c", Some("/a?$skiptoken=b%20c")),
            ("https://OUTLOOK.office365.com:443/a?$skiptoken=x@y", Some("/a?$skiptoken=x@y")),
            ("/a?$skiptoken=b", Some("/a?$skiptoken=b")),
            ("http://outlook.office365.com/a", None),
            ("https://outlook.office365.com:444/a", None),
            ("https://outlook.office365.com.evil.example/a", None),
            ("https://outlook.office365.com@evil.example/a", None),
            ("https://evil@outlook.office365.com/a", None),
            ("//evil.example/a", None),
            ("a", None),
            ("", None),
        ] {
            let own = origin.own(link);
            assert_eq!(own.as_ref().map(PathAndQuery::as_str), path, "{link}");
        }
        assert_eq!(origin.own(&format!("/{}", "a".repeat(MAX_LINK))), None);
    }
}
