//! Exchange by remote PowerShell (MS-PSRP over WS-Management over HTTP).
//!
//! A runspace is one shell at a server, over one connection that nobody else uses. `runspaces` keeps them, leases one to
//! each question and gives all of them back on every path; `servers` says where the next one is opened. `execution` runs a
//! cmdlet and begins it again where that is safe; `cmdlets` is all that exconn ever asks, and knows what reads and what
//! writes. `shell` drives the protocol; `link` and `connection` are the transport, `handshake` and
//! `sealing` what Windows adds to HTTP. `examination` tells what does not work.

mod answer;
mod authentication;
mod cmdlets;
mod command_probe;
mod config;
mod connection;
mod cookies;
mod examination;
mod exchange;
mod execution;
mod failure;
mod handshake;
mod link;
mod patience;
mod probe;
mod role_script;
mod runspaces;
pub(crate) mod sealing;
mod servers;
mod shell;
mod sink;
mod target;
#[cfg(feature = "untrusted")]
pub mod untrusted;

pub use authentication::Authentication;
pub use config::{ConfigError, MAX_IDLE_SESSION, MAX_RUNSPACES, RemotingConfig};
pub use exchange::RemotingExchange;
pub use role_script::role_script;
pub use sink::read_device;
pub use target::TargetError;
