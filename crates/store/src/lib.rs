//! What exconn keeps: connectors, devices, runs of syncs.
//!
//! [`Store`] is the contract; [`contract`] tells its whole story and every body must pass it. Only this crate knows SQL.

mod error;
mod store;

pub use error::StoreError;
pub use store::{
    Binding, ConnectionIdentity, DeviceRow, LeasedRun, Page, RequestedSync, RunPatch, StageEnd, Store,
    SyncHistory,
};
