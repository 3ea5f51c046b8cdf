//! OData as the Graph speaks it: query options to a checked tree, paging tokens, bodies, answers. Pure.

pub(crate) mod body;
pub(crate) mod filter;
mod lexer;
pub(crate) mod options;
pub(crate) mod render;
pub(crate) mod skiptoken;
