//! `deviceManagement/managedDevices` and `managedDeviceOverview`: what syncs found, to read only.

mod count;
mod get;
mod list;
mod overview;

pub(super) use count::count;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use overview::overview;

/// The path of the collection below a version's root.
const SET: &str = "deviceManagement/managedDevices";
