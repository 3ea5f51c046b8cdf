use exconn_model::{ObservedDevice, Timestamp};
use uuid::Uuid;

use super::{Mapper, moment};
use crate::shorten::shortened;

/// Longest text of a property, in bytes. Exchange's own limits are far below.
const MAX_TEXT: usize = 4096;

/// Makes a device of the properties of a `Get-MobileDevice` or `Get-MobileDeviceStatistics` object, as they come.
#[derive(Debug, Default)]
pub(crate) struct DeviceMapper {
    device: ObservedDevice,
    problem: Option<Problem>,
}

/// Why an object is not a device. A listing with such an object is not complete.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    property: &'static str,
    reason: &'static str,
}

/// Where a property's value goes.
enum Slot<'a> {
    Guid(&'a mut Uuid),
    DeviceId(&'a mut String),
    Text(&'a mut Option<String>),
    Moment(&'a mut Option<Timestamp>),
}

type Place = fn(&mut ObservedDevice) -> Slot<'_>;

/// The properties that are kept, in the order in which Exchange sends them. The two cmdlets spell three of them
/// differently. Local times are left alone: only the UTC twins tell a moment.
const PROPERTIES: [(&str, Place); 22] = [
    ("FriendlyName", |d| Slot::Text(&mut d.friendly_name)),
    ("DeviceFriendlyName", |d| Slot::Text(&mut d.friendly_name)),
    ("DeviceId", |d| Slot::DeviceId(&mut d.device_id)),
    ("DeviceImei", |d| Slot::Text(&mut d.imei)),
    ("DeviceMobileOperator", |d| Slot::Text(&mut d.mobile_operator)),
    ("DeviceOS", |d| Slot::Text(&mut d.operating_system)),
    ("DeviceTelephoneNumber", |d| Slot::Text(&mut d.telephone_number)),
    ("DevicePhoneNumber", |d| Slot::Text(&mut d.telephone_number)),
    ("DeviceType", |d| Slot::Text(&mut d.device_type)),
    ("DeviceUserAgent", |d| Slot::Text(&mut d.user_agent)),
    ("DeviceModel", |d| Slot::Text(&mut d.model)),
    ("FirstSyncTime", |d| Slot::Moment(&mut d.first_sync)),
    ("UserDisplayName", |d| Slot::Text(&mut d.user_display_name)),
    ("DeviceAccessState", |d| Slot::Text(&mut d.access_state)),
    ("DeviceAccessStateReason", |d| Slot::Text(&mut d.access_state_reason)),
    ("DeviceAccessControlRule", |d| Slot::Text(&mut d.access_rule)),
    ("ClientVersion", |d| Slot::Text(&mut d.client_version)),
    ("ClientType", |d| Slot::Text(&mut d.client_type)),
    ("Identity", |d| Slot::Text(&mut d.identity)),
    ("Guid", |d| Slot::Guid(&mut d.partnership)),
    ("WhenChangedUTC", |d| Slot::Moment(&mut d.changed)),
    ("WhenCreatedUTC", |d| Slot::Moment(&mut d.created)),
];

impl Mapper for DeviceMapper {
    type Row = ObservedDevice;

    /// Takes one property. Names compare without case; of several values for one place the first counts; empty text is
    /// no value; what is not kept is passed over.
    fn property(&mut self, name: &str, text: &str) {
        let Some((property, place)) = PROPERTIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        else {
            return;
        };
        if text.is_empty() {
            return;
        }
        let problem =
            if text.len() > MAX_TEXT { Some("it is too long") } else { fill(place(&mut self.device), text) };
        if let Some(reason) = problem {
            self.problem.get_or_insert(Problem { property, reason });
        }
    }

    /// The device, once all properties were taken.
    fn finish(self) -> Result<ObservedDevice, String> {
        let missing = |property| Problem { property, reason: "it is missing" };
        let problem = self.problem.or_else(|| match &self.device {
            device if device.partnership.is_nil() => Some(missing("Guid")),
            device if device.device_id.is_empty() => Some(missing("DeviceId")),
            _ => None,
        });
        match problem {
            None => Ok(self.device),
            Some(Problem { property, reason }) => {
                Err(format!("{property} of {}: {reason}", describe(&self.device)))
            }
        }
    }
}

/// Puts a value in its place; says what is wrong with it otherwise.
fn fill(slot: Slot<'_>, text: &str) -> Option<&'static str> {
    match slot {
        Slot::Guid(guid) if guid.is_nil() => match text.parse() {
            Ok(value) => *guid = value,
            Err(_) => return Some("it is no GUID"),
        },
        Slot::DeviceId(id) if id.is_empty() => text.clone_into(id),
        Slot::Text(value @ None) => *value = Some(text.to_owned()),
        Slot::Moment(value @ None) => match moment(text) {
            Ok(moment) => *value = moment,
            Err(_) => return Some("it is no date and time"),
        },
        _ => {}
    }
    None
}

fn describe(device: &ObservedDevice) -> String {
    if !device.partnership.is_nil() {
        format!("device {}", device.partnership)
    } else if let Some(identity) = &device.identity {
        format!("device {}", shortened(identity))
    } else if !device.device_id.is_empty() {
        format!("device {}", shortened(&device.device_id))
    } else {
        "an object without identity".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "10000000-0000-4000-8000-000000000001";

    fn map(properties: &[(&str, &str)]) -> Result<ObservedDevice, String> {
        let mut mapper = DeviceMapper::default();
        for (name, text) in properties {
            mapper.property(name, text);
        }
        mapper.finish()
    }

    #[test]
    fn both_spellings_are_one_property() {
        let expected = ObservedDevice {
            partnership: GUID.parse().unwrap(),
            device_id: "ABC".into(),
            telephone_number: Some("+49".into()),
            friendly_name: Some("Ann's phone".into()),
            ..ObservedDevice::default()
        };
        for names in [
            ["Guid", "DeviceId", "DeviceTelephoneNumber", "FriendlyName"],
            ["GUID", "DeviceID", "DevicePhoneNumber", "DeviceFriendlyName"],
            ["guid", "deviceid", "devicephonenumber", "friendlyname"],
        ] {
            let values = [GUID, "ABC", "+49", "Ann's phone"];
            let properties: Vec<_> = names.into_iter().zip(values).collect();
            assert_eq!(map(&properties), Ok(expected.clone()));
        }
    }

    #[test]
    fn the_first_value_counts_empty_ones_and_strangers_do_not() {
        let device = map(&[
            ("deviceid2", "Z"),
            ("DeviceId", "first"),
            ("DEVICEID", "second"),
            ("FriendlyName", ""),
            ("DeviceFriendlyName", "kept"),
            ("Guid", GUID),
            ("WhenChanged", "no date at all"),
            ("DeviceModel", ""),
        ]);
        let device = device.unwrap();
        assert_eq!(device.device_id, "first");
        assert_eq!(device.friendly_name.as_deref(), Some("kept"));
        assert_eq!(device.model, None);
    }

    #[test]
    fn times_are_utc() {
        for (text, written) in [
            ("2024-01-01T06:00:11Z", Some("2024-01-01T06:00:11Z")),
            ("2024-01-01T08:00:11.1234567+02:00", Some("2024-01-01T06:00:11.1234567Z")),
            ("2024-01-01T06:00:11", Some("2024-01-01T06:00:11Z")),
            ("0001-01-01T00:00:00+02:00", None),
            ("", None),
        ] {
            let device = map(&[("Guid", GUID), ("DeviceId", "A"), ("FirstSyncTime", text)]).unwrap();
            assert_eq!(device.first_sync.map(|moment| moment.to_string()).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_device_is_named() {
        let long = "x".repeat(MAX_TEXT + 1);
        for (properties, error) in [
            (&[][..], "Guid of an object without identity: it is missing"),
            (&[("DeviceId", "ABC")], "Guid of device ABC: it is missing"),
            (
                &[("Identity", "contoso.com/x"), ("DeviceId", "ABC")],
                "Guid of device contoso.com/x: it is missing",
            ),
            (&[("Guid", "{1}"), ("DeviceId", "A")], "Guid of device A: it is no GUID"),
            (
                &[("Guid", GUID), ("DeviceId", "")],
                "DeviceId of device 10000000-0000-4000-8000-000000000001: it is missing",
            ),
            (
                &[("Guid", GUID), ("DeviceId", "A"), ("whenchangedutc", "yesterday")],
                "WhenChangedUTC of device 10000000-0000-4000-8000-000000000001: it is no date and time",
            ),
            (
                &[("Guid", GUID), ("DeviceModel", &long), ("DeviceId", "A")],
                "DeviceModel of device 10000000-0000-4000-8000-000000000001: it is too long",
            ),
        ] {
            assert_eq!(map(properties), Err(error.to_owned()));
        }
    }
}
