use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{header::HOST, request::Parts, uri::Authority};

use super::{Origin, TrustedProxies, origin::authority};
use crate::tls::Tls;

/// Where requests come from, and where their senders believe to have sent them.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// The other side's address.
    pub(crate) peer: SocketAddr,
    /// This side's.
    pub(crate) local: SocketAddr,
    /// Whether it is TLS.
    pub(crate) secure: bool,
    /// What TLS is served with, if it is served here.
    pub(crate) tls: Option<Tls>,
    /// The base of links.
    pub(crate) origin: Arc<Origin>,
}

impl Connection {
    /// The connection as the sender of this request sees it. `public` is the configured base of links.
    pub(crate) fn of_request(
        &self,
        head: &Parts,
        proxies: &TrustedProxies,
        public: Option<&Arc<Origin>>,
    ) -> Cow<'_, Self> {
        let forwarded = proxies.forwarded(self.peer.ip(), &head.headers);
        let secure = forwarded.as_ref().and_then(|said| said.secure).unwrap_or(self.secure);
        let origin = match (public, &forwarded) {
            (Some(_), _) => None,
            (None, Some(said)) => {
                // A proxy that says no host may have passed on whatever the client wrote into `Host`.
                let passed_on = || {
                    host(head).filter(|host| host.as_str() == self.origin.authority() || self.is_called(host))
                };
                said.host.clone().or_else(passed_on).map(|host| Origin::at(&host, secure))
            }
            (None, None) => {
                let other = host(head).filter(|host| host.as_str() != self.origin.authority());
                other.filter(|host| self.is_called(host)).map(|host| Origin::at(&host, secure))
            }
        };
        if origin.is_none() && forwarded.is_none() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            peer: forwarded.and_then(|said| said.client).unwrap_or(self.peer),
            secure,
            origin: origin.map_or_else(|| self.origin.clone(), Arc::new),
            ..self.clone()
        })
    }

    /// Whether the request was sent to a name that only this machine has, that the certificate proves, or that is
    /// configured.
    pub(crate) fn is_meant(&self, head: &Parts, public: Option<&Origin>) -> bool {
        host(head).is_none_or(|host| {
            is_loopback(name(&host))
                || self.is_called(&host)
                || public.is_some_and(|origin| origin.authority().eq_ignore_ascii_case(host.as_str()))
        })
    }

    /// Whether this service is really called so: anyone can write anything into `Host`. On this machine it has the names of
    /// the loopback address; elsewhere those that its certificate proves.
    fn is_called(&self, host: &Authority) -> bool {
        let name = name(host);
        let port = host.port_u16().unwrap_or(if self.secure { 443 } else { 80 });
        (is_loopback(name) && self.local.ip().to_canonical().is_loopback() && port == self.local.port())
            || self.tls.as_ref().is_some_and(|tls| tls.names(name))
    }
}

fn name(host: &Authority) -> &str {
    host.host().trim_matches(['[', ']'])
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The name and port that the request was sent to; an absolute address in the request's first line wins (RFC 9112,
/// section 3.2.2).
fn host(head: &Parts) -> Option<Authority> {
    match head.uri.authority() {
        Some(given) => authority(given.as_str()),
        None => authority(head.headers.get(HOST)?.to_str().ok()?),
    }
}

/// Whether the request names its host as it must (RFC 9112, section 3.2). What does not may be read in two ways by two
/// servers on its way.
pub(crate) fn names_its_host(head: &Parts) -> bool {
    match head.headers.get_all(HOST).iter().count() {
        0 => head.version != http::Version::HTTP_11,
        count => count == 1,
    }
}
