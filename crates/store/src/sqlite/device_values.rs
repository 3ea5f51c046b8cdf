//! A device as the values of its columns.

use exconn_model::{GraphEnum, ObservedDevice, Timestamp, access};
use rusqlite::ToSql;

/// The values of [`super::devices::OBSERVED`].
pub(super) struct Observed<'a> {
    partnership: &'a [u8; 16],
    device_id: &'a str,
    texts: [&'a Option<String>; 15],
    moments: [Option<i64>; 3],
    user: [&'a Option<String>; 2],
}

impl<'a> Observed<'a> {
    pub(super) fn of(device: &'a ObservedDevice) -> Self {
        Self {
            partnership: device.partnership.as_bytes(),
            device_id: &device.device_id,
            texts: [
                &device.device_type,
                &device.model,
                &device.operating_system,
                &device.friendly_name,
                &device.imei,
                &device.mobile_operator,
                &device.telephone_number,
                &device.user_agent,
                &device.user_display_name,
                &device.identity,
                &device.access_state,
                &device.access_state_reason,
                &device.access_rule,
                &device.client_type,
                &device.client_version,
            ],
            moments: [device.first_sync, device.created, device.changed]
                .map(|moment| moment.map(Timestamp::ticks)),
            user: [&device.user_principal_name, &device.email_address],
        }
    }

    pub(super) fn all(&self) -> impl IntoIterator<Item = &dyn ToSql> {
        let first: [&dyn ToSql; 2] = [&self.partnership, &self.device_id];
        let texts = self.texts.iter().map(|text| text as &dyn ToSql);
        let moments = self.moments.iter().map(|moment| moment as &dyn ToSql);
        let user = self.user.iter().map(|text| text as &dyn ToSql);
        first.into_iter().chain(texts).chain(moments).chain(user)
    }
}

/// The values of [`super::devices::DERIVED`].
pub(super) struct Derived<'a> {
    texts: [Option<&'a str>; 4],
    numbers: [i32; 2],
}

impl<'a> Derived<'a> {
    pub(super) fn of(device: &'a ObservedDevice) -> Self {
        let (system, version) = device.split_operating_system();
        let (state, reason) = access(device, None);
        Self {
            texts: [device.device_name(), system, version, device.mailbox_name()],
            numbers: [state.number(), reason.number()],
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &dyn ToSql> {
        let texts = self.texts.iter().map(|text| text as &dyn ToSql);
        texts.chain(self.numbers.iter().map(|number| number as &dyn ToSql))
    }
}
