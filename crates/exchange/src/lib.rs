//! The one seam between exconn and an Exchange organisation, and the drivers behind it.
//!
//! Only this crate opens a connection to Exchange.

mod error;
pub mod remoting;
mod seam;
mod shorten;

pub use error::ExchangeError;
pub use seam::{DeviceListing, DeviceScope, Exchange};
