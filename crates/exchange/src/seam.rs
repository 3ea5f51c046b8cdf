use std::fmt::Debug;

use async_trait::async_trait;
use exconn_model::{ObservedDevice, Organization, Timestamp};

use crate::ExchangeError;

/// Which devices are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceScope {
    /// Every partnership of the organisation.
    All,
    /// Partnerships whose first sync was at this moment or later.
    FirstSyncedSince(Timestamp),
}

/// An Exchange organisation that can be asked. One value is one configured connection; it connects when it is asked.
#[async_trait]
pub trait Exchange: Debug + Send + Sync {
    /// Asks the organisation about itself.
    async fn observe(&self) -> Result<Organization, ExchangeError>;

    /// Starts a listing of mobile devices.
    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError>;
}

/// A listing under way. Devices are fetched when they are asked for, so a slow reader slows Exchange down instead of
/// filling memory. Dropping it ends the listing and gives back what it held at the server.
#[async_trait]
pub trait DeviceListing: Debug + Send {
    /// The next devices, in the order in which Exchange sends them; never an empty batch. `None` is the positive end:
    /// Exchange said that the listing is complete and reported no error.
    ///
    /// # Errors
    /// After an error the listing is over and must not be taken for complete.
    async fn next(&mut self) -> Result<Option<Vec<ObservedDevice>>, ExchangeError>;
}
