use std::fmt;

use uuid::Uuid;

use crate::{ObservedDevice, Timestamp};

/// What a listing says of one partnership.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of a batch are present, and a box would cost each of them more"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// It is there, with all that is known of it.
    Present(ObservedDevice),
    /// It is gone. Only a listing of changes says so.
    Removed(Uuid),
}

/// Where a listing of changes is to go on: a text of the driver that made it, which no one else reads. It holds no secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SyncCookie(Vec<u8>);

impl SyncCookie {
    /// The largest cookie, in bytes. One of DirSync grows with the domain controllers that ever were: a few kilobytes for
    /// each domain of a large forest.
    pub const MAX: usize = 1 << 20;

    /// A cookie of these bytes, unless they are too many.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= Self::MAX).then_some(Self(bytes))
    }

    /// A cookie of a driver's short text.
    pub fn from_text(text: String) -> Self {
        Self(text.into_bytes())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SyncCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncCookie({} bytes)", self.0.len())
    }
}

/// What a mailbox knows of one of its partnerships and the directory does not (`Get-MobileDeviceStatistics`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceStatistics {
    /// `Guid`: the partnership.
    pub partnership: Uuid,
    /// `LastSuccessSync`.
    pub last_success: Option<Timestamp>,
    /// `LastSyncAttemptTime`.
    pub last_attempt: Option<Timestamp>,
    /// `DeviceWipeRequestTime`: when somebody asked to wipe the device.
    pub wipe_requested: Option<Timestamp>,
    /// `DeviceWipeSentTime`: when the device was told.
    pub wipe_sent: Option<Timestamp>,
    /// `DeviceWipeAckTime`: when the device confirmed.
    pub wipe_acknowledged: Option<Timestamp>,
    /// `Status`, for instance `DeviceOk` or `DeviceWipePending`.
    pub status: Option<String>,
    /// `DeviceAccessState`: what the directory may not have heard yet.
    pub access_state: Option<String>,
    /// `DeviceAccessStateReason`.
    pub access_state_reason: Option<String>,
}

/// What Exchange is to do with a device of a mailbox: the mailbox's personal exemptions, which come before any rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessDecision {
    /// Let it in.
    Allow,
    /// Keep it out.
    Block,
    /// No exemption: rules and the organisation's default decide.
    ByRule,
}
