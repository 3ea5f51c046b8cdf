//! The devices of an Exchange organisation from its Active Directory, over LDAP (RFC 4511, MS-ADTS).
//!
//! Exchange keeps each partnership as an object below the mailbox's user. A listing reads them domain by domain, page by page;
//! a listing of changes asks a domain's own feed what changed, and reads that.
//!
//! `connection` carries messages and `search` asks; `forest` finds domains and their controllers; `changes` and `listing`
//! know what a device is made of.

mod ber;
mod bind;
mod changes;
mod config;
mod connection;
mod cookie;
mod cure;
mod device;
mod dirsync;
mod examination;
mod exchange;
mod failure;
mod forest;
mod link;
mod listing;
mod message;
mod names;
mod observation;
mod rights;
mod root;
mod search;
mod target;
#[cfg(feature = "untrusted")]
pub mod untrusted;
mod users;

pub use config::{DirectoryAuthentication, DirectoryConfig, DirectoryConfigError, Feed};
pub use exchange::DirectoryExchange;
pub use rights::directory_rights;
pub use target::TargetError;
