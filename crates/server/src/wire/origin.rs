use std::net::SocketAddr;

use http::Uri;

/// Where clients reach the service: the first part of every link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Scheme, host and port, without a slash at the end.
    pub(crate) base: String,
}

impl Origin {
    /// Reads a configured address; `None` unless it is `http` or `https`, has a host and nothing behind it.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@') && !a.host().is_empty())?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('#') {
            return None;
        }
        Some(Self { base: format!("{scheme}://{authority}") })
    }

    /// The address that a client connected to.
    pub(crate) fn local(address: SocketAddr, tls: bool) -> Self {
        let scheme = if tls { "https" } else { "http" };
        Self { base: format!("{scheme}://{address}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_origin_is_a_public_url() {
        for (given, base) in [
            ("https://exconn.contoso.com", Some("https://exconn.contoso.com")),
            ("https://exconn.contoso.com/", Some("https://exconn.contoso.com")),
            ("http://[::1]:8780", Some("http://[::1]:8780")),
            ("https://exconn.contoso.com/graph", None),
            ("https://exconn.contoso.com/?a=b", None),
            ("https://exconn.contoso.com/#top", None),
            ("https://user@exconn.contoso.com", None),
            ("ftp://exconn.contoso.com", None),
            ("exconn.contoso.com", None),
            ("/path", None),
            ("", None),
        ] {
            assert_eq!(Origin::parse(given).map(|o| o.base).as_deref(), base, "{given}");
        }
    }
}
