use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header::FORWARDED, uri::Authority};
use ipnet::IpNet;

use super::origin::authority;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The proxies whose word about a request's client is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// What proxies say of the request that they passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// Who sent it to the outermost trusted proxy; the port is 0 where it is not told.
    pub(crate) client: Option<SocketAddr>,
    /// Whether it came by TLS.
    pub(crate) secure: Option<bool>,
    /// The service's name and port, as the client wrote them.
    pub(crate) host: Option<Authority>,
}

/// One hop: what a proxy says of the side that it got the request from.
#[derive(Clone, Copy, Debug, Default)]
struct Hop<'a> {
    node: Option<SocketAddr>,
    proto: Option<&'a str>,
    host: Option<&'a str>,
}

impl TrustedProxies {
    /// Reads addresses such as `10.0.0.5` and networks such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse<'a>(proxies: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let read = |text: &'a str| {
            let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or(text)
        };
        proxies.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The networks as [`TrustedProxies::parse`] reads them.
    pub fn networks(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// What is said of a request that came from `peer`; `None` if nobody who is trusted sent it.
    ///
    /// `X-Forwarded-…` counts where there is any of it, else `Forwarded` (RFC 7239). Each proxy writes behind what it was
    /// sent, and a client can send anything, so that the lists are read from their ends as far as the proxies are trusted.
    pub(crate) fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Forwarded> {
        if !self.contain(peer) {
            return None;
        }
        let is_legacy =
            [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST].iter().any(|name| headers.contains_key(name));
        let hops = if is_legacy { legacy_hops(headers) } else { hops(headers) };
        let mut outermost = None;
        for hop in hops.into_iter().rev() {
            let is_proxy = hop.node.is_some_and(|node| self.contain(node.ip()));
            outermost = Some(hop);
            if !is_proxy {
                break;
            }
        }
        let Hop { node, proto, host } = outermost.unwrap_or_default();
        Some(Forwarded {
            client: node,
            secure: proto.and_then(|proto| match proto.to_ascii_lowercase().as_str() {
                "https" => Some(true),
                "http" => Some(false),
                _ => None,
            }),
            host: host.and_then(authority),
        })
    }
}

/// The hops of `X-Forwarded-…`. A proxy that writes behind the lists writes behind all; one that replaces a list leaves a
/// single entry, which then counts for every hop.
fn legacy_hops(headers: &HeaderMap) -> Vec<Hop<'_>> {
    let list = |name| -> Vec<&str> {
        let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
        values.flat_map(|value| value.split(',')).map(str::trim).collect()
    };
    let (nodes, protos, hosts) = (list(FORWARDED_FOR), list(FORWARDED_PROTO), list(FORWARDED_HOST));
    let hops = nodes.len().max(1);
    let entry = |list: &[_], at: usize| {
        let entry: Option<&&str> = if list.len() == hops { list.get(at) } else { list.last() };
        entry.copied().filter(|entry| !entry.is_empty())
    };
    let hop = |at| Hop {
        node: nodes.get(at).copied().and_then(node),
        proto: entry(&protos, at),
        host: entry(&hosts, at),
    };
    (0..hops).map(hop).collect()
}

/// The hops of `Forwarded`.
fn hops(headers: &HeaderMap) -> Vec<Hop<'_>> {
    let values = headers.get_all(FORWARDED).iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| unquoted_split(value, ',')).map(hop).collect()
}

fn hop(element: &str) -> Hop<'_> {
    let mut hop = Hop::default();
    for pair in unquoted_split(element, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.node = node(value),
            "proto" => hop.proto = Some(value),
            "host" => hop.host = Some(value),
            _ => {}
        }
    }
    hop
}

/// The parts between separators that do not stand in a quoted string. No value that counts here holds a quoted quote.
fn unquoted_split(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    let is_end = |character: char| {
        quoted ^= character == '"';
        character == separator && !quoted
    };
    text.split(is_end).map(str::trim).collect()
}

/// An address with or without a port; `None` for `unknown` and for names that hide it.
fn node(text: &str) -> Option<SocketAddr> {
    let bare = text.trim_matches(['[', ']']).parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
    bare.or_else(|_| text.parse()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(peer: &str, given: &[(&'static str, &'static str)]) -> Option<(String, Option<bool>, String)> {
        let proxies = TrustedProxies::parse(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let said = proxies.forwarded(peer.parse().unwrap(), &headers)?;
        let client = said.client.map(|client| client.to_string()).unwrap_or_default();
        Some((client, said.secure, said.host.map(|host| host.to_string()).unwrap_or_default()))
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let said = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
        for (peer, believed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.1", true),
            ("2001:db8::5", true),
            ("192.0.2.2", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(read(peer, &said).is_some(), believed, "{peer}");
        }
        assert_eq!(TrustedProxies::parse(["10.0.0.0/8", "proxy.contoso.com"]), Err("proxy.contoso.com"));
    }

    #[test]
    fn lists_are_read_from_their_ends() {
        let some = |client: &str, secure, host: &str| Some((client.to_owned(), secure, host.to_owned()));
        for (given, said) in [
            (&[][..], some("", None, "")),
            (
                &[
                    ("x-forwarded-for", "203.0.113.9"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "x.y:8443"),
                ],
                some("203.0.113.9:0", Some(true), "x.y:8443"),
            ),
            // The client claims to be someone else.
            (&[("x-forwarded-for", "1.1.1.1, 203.0.113.9")], some("203.0.113.9:0", None, "")),
            (
                &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9, 10.9.9.9")],
                some("203.0.113.9:0", None, ""),
            ),
            (&[("x-forwarded-for", "10.8.8.8, 10.9.9.9")], some("10.8.8.8:0", None, "")),
            (&[("x-forwarded-for", "1.1.1.1, unknown")], some("", None, "")),
            (&[("x-forwarded-for", "[2001:db9::1]:55")], some("[2001:db9::1]:55", None, "")),
            // A chain whose proxies write behind each other.
            (
                &[("x-forwarded-for", "203.0.113.9, 10.9.9.9"), ("x-forwarded-proto", "https, http")],
                some("203.0.113.9:0", Some(true), ""),
            ),
            (&[("x-forwarded-proto", "ftp"), ("x-forwarded-host", "a/b")], some("", None, "")),
            (&[("x-forwarded-host", "user@x.y")], some("", None, "")),
            (
                &[("forwarded", "for=203.0.113.9;proto=https;host=\"x.y:8443\"")],
                some("203.0.113.9:0", Some(true), "x.y:8443"),
            ),
            (
                &[(
                    "forwarded",
                    "for=1.1.1.1;host=evil, For=\"[2001:db9::1]:55\";Proto=HTTP, for=10.9.9.9;host=inner",
                )],
                some("[2001:db9::1]:55", Some(false), ""),
            ),
            (&[("forwarded", "for=\"a,b;c\";proto=https, for=_hidden")], some("", None, "")),
            // A proxy that writes the one passes the client's other on.
            (
                &[("forwarded", "for=1.1.1.1;host=evil"), ("x-forwarded-for", "203.0.113.9")],
                some("203.0.113.9:0", None, ""),
            ),
        ] {
            assert_eq!(read("10.1.2.3", given), said, "{given:?}");
        }
    }
}
