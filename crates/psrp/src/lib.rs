//! Remote PowerShell without I/O: WS-Management, PSRP and CLIXML, the client's and the server's half.
#![deny(clippy::indexing_slicing)]

pub mod client;
pub mod clixml;
mod command;
pub mod envelope;
pub mod fragment;
mod limits;
pub mod message;
mod record;
pub mod server;

pub use client::{Client, ClientConfig, ClientError, EXCHANGE, Outcome, Progress, Sink};
pub use command::{Argument, Command};
pub use envelope::Fault;
pub use limits::Limits;
pub use record::ErrorRecord;
