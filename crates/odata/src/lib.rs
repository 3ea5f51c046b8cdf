//! OData as the Graph speaks it: query options to a checked tree, paging tokens, bodies, error bodies.
//!
//! Pure: no I/O, no clock, no randomness. Everything here reads text that strangers wrote.

pub mod query;
