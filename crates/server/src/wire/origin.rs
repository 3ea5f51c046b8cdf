use std::net::SocketAddr;

use http::{Uri, uri::Authority};

/// Where clients reach the service: the first part of every link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The root of the Graph's stable version.
    pub(crate) v1: String,
    /// The root of its beta.
    pub(crate) beta: String,
    /// The root of exconn's own routes.
    pub(crate) own: String,
    base: String,
    authority: String,
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
        Some(Self::new(&format!("{scheme}://{authority}")))
    }

    fn new(base: &str) -> Self {
        let authority = base.split_once("://").map_or(base, |(_, authority)| authority);
        Self {
            v1: format!("{base}/v1.0"),
            beta: format!("{base}/beta"),
            own: format!("{base}/exconn/v1"),
            base: base.to_owned(),
            authority: authority.to_owned(),
        }
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Scheme, host and port.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The address that a client connected to.
    pub(crate) fn local(address: SocketAddr, tls: bool) -> Self {
        Self::new(&format!("{}://{address}", scheme(tls)))
    }

    /// The name and port that a client used.
    pub(crate) fn at(host: &Authority, tls: bool) -> Self {
        Self::new(&format!("{}://{host}", scheme(tls)))
    }
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// Reads a host with or without a port: fewer characters than an address may hold, and nothing that a link would read
/// otherwise.
pub(super) fn authority(text: &str) -> Option<Authority> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    text.bytes().all(is_allowed).then(|| text.parse().ok())?
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
            assert_eq!(Origin::parse(given), base.map(Origin::new), "{given}");
        }
    }
}
