//! What exconn keeps: connectors, devices, runs of syncs, applications, the audit.
//!
//! [`Store`] is the contract; [`contract`] tells its whole story and every body must pass it. Only this crate knows SQL.

#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod sqlite;
mod store;

pub use error::StoreError;
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{
    Binding, ConnectionIdentity, DeviceRow, DueMailbox, LeasedRun, MAX_APPLICATIONS, MailboxAnswer, Page,
    RequestedSync, RunPatch, StageEnd, StagedChange, Store, SyncHistory, SyncRequest,
};
