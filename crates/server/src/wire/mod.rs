//! What is HTTP and not Graph: connections, the request's identity, bodies, answers.

mod origin;
mod patience;

use std::{net::SocketAddr, sync::Arc};

pub(crate) use origin::Origin;
pub(crate) use patience::Patience;

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
