//! OData as the Graph speaks it: query options to a checked tree, paging tokens, bodies, answers.
//!
//! Pure: no I/O, no clock, no randomness. Everything here reads text that strangers wrote.
#![deny(clippy::indexing_slicing)]

pub mod batch;
pub mod body;
mod entity_tag;
mod excerpt;
pub mod filter;
mod json;
pub mod metadata;
mod names;
pub mod openapi;
pub mod options;
pub mod query;
pub mod render;
pub mod skiptoken;

pub use entity_tag::entity_tag;
