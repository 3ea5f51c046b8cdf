use std::fmt::Debug;

use async_trait::async_trait;
use exconn_model::{AccessDecision, DeviceChange, DeviceStatistics, Organization, SyncCookie, Timestamp};

use crate::{ExchangeError, Report};

/// Which devices are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceScope {
    /// Every partnership of the organisation. What the listing does not name does not exist.
    All,
    /// What changed since the listing that ended with this cookie.
    ChangedSince(SyncCookie),
}

/// A device as Exchange's cmdlets address it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAddress {
    /// The mailbox, in any form that Exchange takes.
    pub mailbox: String,
    /// What the device calls itself.
    pub device_id: String,
}

/// An Exchange organisation that can be asked. One value is one configured connection; it connects when it is asked.
///
/// [`set_access`](Self::set_access) alone changes anything at Exchange.
#[async_trait]
pub trait Exchange: Debug + Send + Sync {
    /// Asks the organisation about itself.
    async fn observe(&self) -> Result<Organization, ExchangeError>;

    /// Starts a listing of mobile devices.
    ///
    /// # Errors
    /// [`ExchangeError::CookieRefused`] if the changes since a cookie cannot be told; a listing of all can.
    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError>;

    /// What a mailbox knows of its partnerships. Costs Exchange a look into the mailbox.
    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError>;

    /// How many mailboxes may be asked for [`statistics`](Self::statistics) at the same time, at least one.
    fn statistics_concurrency(&self) -> usize;

    /// Lets a device in or keeps it out.
    async fn set_access(&self, device: &DeviceAddress, decision: AccessDecision)
    -> Result<(), ExchangeError>;

    /// Whether a password or another secret of the connection was written after this moment, so that one that was refused
    /// then is worth another try.
    fn secrets_changed_since(&self, moment: Timestamp) -> bool;

    /// Tries the connection step by step and reports each. Reads only; ends at the first step that the others build on.
    async fn examine(&self, report: &mut dyn Report);

    /// Gives back what is held at the server between two questions. For the end of the process; a later question takes it
    /// again.
    async fn close(&self) {}
}

/// A listing under way. Devices are fetched when they are asked for, so a slow reader slows Exchange down instead of
/// filling memory. Dropping it ends the listing and gives back what it held at the server.
#[async_trait]
pub trait DeviceListing: Debug + Send {
    /// The next changes, in the order in which they are to be applied; never an empty batch. A listing of all devices
    /// brings [`DeviceChange::Present`] alone. `None` is the positive end: the server said that the listing is complete
    /// and reported no error.
    ///
    /// # Errors
    /// After an error the listing is over and must not be taken for complete.
    async fn next(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError>;

    /// Where the next listing of changes is to go on. Known after the positive end.
    fn cookie(&self) -> Option<SyncCookie>;
}
