//! The built binary, from outside.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a failed expectation is the result")]

mod access;
mod apps;
mod commands;
mod configuration;
mod doctor;
mod documentation;
mod openapi;
mod program;
mod refusals;
mod renewal;
mod roads;
mod service;
mod sync;
mod vendor;
