//! The part of OPATH filters that exconn sends: one comparison of one property.

use exconn_model::{ObservedDevice, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    FirstSyncSince { moment: Timestamp, inclusive: bool },
    DeviceId(String),
    DeviceType(String),
}

impl Condition {
    /// Reads `Property -operator 'value'`. `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (property, rest) = text.trim().split_once(' ')?;
        let (operator, value) = rest.trim().split_once(' ')?;
        let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        let is = |name: &str| property.eq_ignore_ascii_case(name);
        match operator.to_ascii_lowercase().as_str() {
            operator @ ("-ge" | "-gt") if is("FirstSyncTime") => Some(Self::FirstSyncSince {
                moment: Timestamp::parse(value).ok()?,
                inclusive: operator == "-ge",
            }),
            "-eq" if is("DeviceId") => Some(Self::DeviceId(value.to_owned())),
            "-eq" if is("DeviceType") => Some(Self::DeviceType(value.to_owned())),
            _ => None,
        }
    }

    pub(crate) fn holds(&self, device: &ObservedDevice) -> bool {
        match self {
            Self::FirstSyncSince { moment, inclusive: true } => device.first_sync >= Some(*moment),
            Self::FirstSyncSince { moment, inclusive: false } => device.first_sync > Some(*moment),
            Self::DeviceId(id) => device.device_id.eq_ignore_ascii_case(id),
            Self::DeviceType(kind) => {
                device.device_type.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(kind))
            }
        }
    }
}
