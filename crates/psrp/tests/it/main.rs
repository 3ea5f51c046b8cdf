//! The client's half against the server's, and both against what real Windows hosts sent and an independent client asks.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "in a test a failed expectation is the result")]

mod clixml;
mod conversation;
mod fragments;
mod misbehaviour;
mod pypsrp;
mod recorded;
mod seeds;
mod server;
