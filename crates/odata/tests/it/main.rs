//! The crate from outside: what a stranger's text becomes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a failed expectation is the result"
)]

mod batch;
mod body;
mod filter;
mod filter_aliases;
mod filter_functions;
mod filter_members;
mod filter_text;
mod metadata;
mod options;
mod render;
mod seeds;
mod skiptoken;
