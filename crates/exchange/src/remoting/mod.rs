//! Exchange by remote PowerShell (MS-PSRP over WS-Management over HTTP).
//!
//! A listing or an observation is one shell at the server with one runspace, over one connection that nobody else uses.
//! `shell` drives the protocol and gives the shell back on every path; `link` and `connection` are the transport,
//! `handshake` and `sealing` what Windows adds to HTTP.

mod answer;
mod authentication;
mod config;
mod connection;
mod cookies;
mod exchange;
mod failure;
mod handshake;
mod link;
pub(crate) mod sealing;
mod shell;
mod sink;
mod target;

pub use authentication::Authentication;
pub use config::{ConfigError, RemotingConfig};
pub use exchange::RemotingExchange;
pub use sink::read_device;
pub use target::TargetError;
