//! An agent over the real SQLite store, with an Exchange that does what each test says.
#![expect(clippy::unwrap_used, reason = "in a test a failed expectation is the result")]

mod agent;
mod failures;
mod scripted;
mod statistics;
mod world;
