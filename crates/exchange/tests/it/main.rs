//! The remoting driver against an Exchange organisation that was written apart from it, and against servers that are none.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a failed expectation is the result"
)]

mod access;
mod active_directory;
mod directory;
mod equality;
mod examination;
mod faults;
mod front_end;
#[cfg(feature = "gssapi")]
mod gssapi;
mod kerberos;
mod ntlm;
mod online;
mod refusals;
mod sealing;
mod seeds;
mod servers;
mod session;
mod setup;
mod tls;
