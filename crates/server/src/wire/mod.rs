//! What is HTTP and not Graph: connections, the request's identity, bodies, preferences.

mod accept;
mod body;
mod identity;
mod origin;
mod patience;
mod prefer;

use std::{net::SocketAddr, sync::Arc};

pub(crate) use accept::{Acceptable, accepted_format};
pub(crate) use body::{BodyError, RequestBody, read_json};
pub(crate) use identity::Identity;
pub(crate) use origin::Origin;
pub(crate) use patience::Patience;
pub(crate) use prefer::Preferences;

/// Where requests come from.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The other side's address.
    pub(crate) peer: SocketAddr,
    /// Whether it is TLS.
    pub(crate) secure: bool,
    /// The base of links.
    pub(crate) origin: Arc<Origin>,
}
