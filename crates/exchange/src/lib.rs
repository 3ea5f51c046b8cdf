//! The one seam between exconn and an Exchange organisation, and the drivers behind it.
//!
//! Only this crate opens a connection to Exchange.

mod account;
mod cure;
pub mod directory;
mod error;
mod first_sync_cookie;
pub mod online;
mod quoted;
mod read_only;
pub mod remoting;
mod report;
mod retry_after;
mod rows;
mod seam;
mod secret;
mod security;
mod shorten;
mod sign_ins;
mod tcp;
mod tls;

pub use account::Account;
pub use error::ExchangeError;
pub use read_only::ReadOnly;
pub use report::{Finding, Report, Step};
pub use seam::{DeviceAddress, DeviceListing, DeviceScope, Exchange};
pub use secret::{SecretError, SecretFile};
pub use security::KerberosConfig;
pub use sign_ins::SignIns;
pub use tls::{Roots, RootsError};
