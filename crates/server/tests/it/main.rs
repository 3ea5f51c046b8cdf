//! The service from outside: a real listener, a real store, plain HTTP.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a failed expectation is the result"
)]

mod apps;
mod audit;
mod audit_entries;
mod authorisation;
mod batch;
mod bodies;
mod compression;
mod conditional;
mod conformance;
mod connectors;
mod cors;
mod devices;
mod errors;
mod exconn;
mod harness;
mod http2;
mod issuers;
mod keyring;
mod limits;
mod lists;
mod media_types;
mod metadata;
mod model;
mod openapi;
mod operations;
mod order;
mod origins;
mod protocol;
mod queries;
mod seeds;
mod serving;
mod sign_in;
mod throttling;
mod tls;
