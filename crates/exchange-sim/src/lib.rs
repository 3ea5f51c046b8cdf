//! A simulated Exchange organisation that speaks the real wire protocol on loopback.
//!
//! [`Organisation`] computes its devices from a seed, so any number of them costs no memory; [`SimServer`] serves it over
//! HTTP with the server's half of `exconn-psrp`.

mod catalogue;
mod cmdlets;
mod condition;
mod organisation;
mod render;
mod server;
mod shell;

pub use organisation::{Organisation, OrganisationError};
pub use server::{SimError, SimOptions, SimServer};
pub use shell::Fault;
