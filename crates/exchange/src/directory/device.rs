use exconn_model::{ObservedDevice, Timestamp};
use uuid::Uuid;

use super::{message::Entry, names, users::MailboxUser};
use crate::shorten::shortened;

/// The class of partnerships.
pub(super) const CLASS: &str = "msExchActiveSyncDevice";

/// What is read of a partnership.
pub(super) const ATTRIBUTES: [&str; 18] = [
    "objectGUID",
    "msExchDeviceID",
    "msExchDeviceType",
    "msExchDeviceModel",
    "msExchDeviceOS",
    "msExchDeviceFriendlyName",
    "msExchDeviceIMEI",
    "msExchDeviceMobileOperator",
    "msExchDeviceTelephoneNumber",
    "msExchDeviceUserAgent",
    "msExchDeviceAccessState",
    "msExchDeviceAccessStateReason",
    "msExchDeviceAccessControlRuleLink",
    "msExchDeviceClientType",
    "msExchDeviceEASVersion",
    "msExchFirstSyncTime",
    "whenCreated",
    "whenChanged",
];

/// Longest text of an attribute, in bytes. The schema's own limits are far below; what is longer is cut.
const MAX_TEXT: usize = 4096;

/// `DeviceAccessState` by number.
const STATES: [&str; 5] = ["Unknown", "Allowed", "Blocked", "Quarantined", "DeviceDiscovery"];
/// `DeviceAccessStateReason` by number. From the seventh on they are the behaviours for which Exchange blocks a device by
/// itself (`Set-ActiveSyncDeviceAutoblockThreshold`).
const REASONS: [&str; 13] = [
    "Unknown",
    "Global",
    "Individual",
    "DeviceRule",
    "Upgrade",
    "Policy",
    "UserAgentsChanges",
    "RecentCommands",
    "Watsons",
    "OutOfBudgets",
    "SyncCommands",
    "EnableNotificationEmail",
    "CommandFrequency",
];
/// `ClientType` of partnerships that say nothing of it: those of Exchange ActiveSync, which were there before there was
/// anything else.
const FIRST_CLIENT_TYPE: &str = "EAS";

/// The object's identity in the directory (MS-DTYP, 2.3.4.2: the first three parts little-endian).
pub(super) fn guid(entry: &Entry) -> Option<Uuid> {
    Uuid::from_slice_le(entry.value("objectGUID")?).ok()
}

/// Makes a device of a partnership object.
///
/// Attributes that are missing, empty, too long or not of their form do not keep a device from being listed: a device of
/// which less is known is there all the same, and an error would end every listing until somebody repairs the object.
///
/// # Errors
/// If it cannot be told which device it is: without a GUID, or with no id of the device, neither in its attribute nor in
/// its name (`Type§Id`). What cannot be named cannot be kept, and leaving it out would make the listing a false one.
pub(super) fn observed(entry: &Entry, user: Option<&MailboxUser>) -> Result<ObservedDevice, String> {
    let dn = entry.dn();
    let unusable = |what: &str| format!("{what} of the partnership {}", shortened(&dn));
    let partnership = guid(entry).ok_or_else(|| unusable("no objectGUID"))?;
    let name = names::own_value(&dn);
    let (named_type, named_id) = name.split_once('§').unzip();
    let device_id = text(entry, "msExchDeviceID").or_else(|| non_empty(named_id));
    Ok(ObservedDevice {
        partnership,
        device_id: device_id.ok_or_else(|| unusable("no msExchDeviceID"))?,
        device_type: text(entry, "msExchDeviceType").or_else(|| non_empty(named_type)),
        model: text(entry, "msExchDeviceModel"),
        operating_system: text(entry, "msExchDeviceOS"),
        friendly_name: text(entry, "msExchDeviceFriendlyName"),
        imei: text(entry, "msExchDeviceIMEI"),
        mobile_operator: text(entry, "msExchDeviceMobileOperator"),
        telephone_number: text(entry, "msExchDeviceTelephoneNumber"),
        user_agent: text(entry, "msExchDeviceUserAgent"),
        user_display_name: names::mailbox_of(&dn).map(|user| cut(names::canonical(user))),
        identity: Some(cut(names::canonical(&dn))),
        access_state: word(entry, "msExchDeviceAccessState", &STATES),
        access_state_reason: word(entry, "msExchDeviceAccessStateReason", &REASONS),
        access_rule: text(entry, "msExchDeviceAccessControlRuleLink").map(|rule| names::own_value(&rule)),
        client_type: text(entry, "msExchDeviceClientType").or_else(|| Some(FIRST_CLIENT_TYPE.to_owned())),
        client_version: text(entry, "msExchDeviceEASVersion"),
        first_sync: moment(entry, "msExchFirstSyncTime"),
        created: moment(entry, "whenCreated"),
        changed: moment(entry, "whenChanged"),
        user_principal_name: user.and_then(|user| user.principal_name.clone()),
        email_address: user.and_then(|user| user.mail.clone()),
    })
}

fn text(entry: &Entry, attribute: &str) -> Option<String> {
    entry.text(attribute).map(cut)
}

fn non_empty(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(|text| cut(text.to_owned()))
}

pub(super) fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// The word for a number; a number that none is known for stays one.
fn word(entry: &Entry, attribute: &str, words: &[&str]) -> Option<String> {
    let number = text(entry, attribute)?;
    let known = number.parse().ok().and_then(|at: usize| words.get(at)).map(|word| (*word).to_owned());
    Some(known.unwrap_or(number))
}

fn moment(entry: &Entry, attribute: &str) -> Option<Timestamp> {
    generalized_time(&entry.text(attribute)?).filter(|moment| *moment > NEVER)
}

/// What a time of zero in Windows' own count becomes: the beginning of 1601.
const NEVER: Timestamp = Timestamp::from_unix_seconds(-11_644_473_600);

/// A time like `20260131080000.0Z` (RFC 4517, 3.3.13).
pub(super) fn generalized_time(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(8)?;
    let (clock, zone) = rest.split_at_checked(6)?;
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let date = format!("{}-{}-{}", part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?);
    let clock = format!("{}:{}:{}", part(clock, 0, 2)?, part(clock, 2, 4)?, part(clock, 4, 6)?);
    Timestamp::parse(&format!("{date}T{clock}{zone}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::message::tests::entry;

    const GUID: [u8; 16] =
        [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    const DN: &str = "CN=iPhone§ABC,CN=ExchangeActiveSyncDevices,CN=Lee\\, Ann,CN=Users,DC=contoso,DC=test";

    fn device(attributes: &[(&str, &[&[u8]])]) -> ObservedDevice {
        observed(&entry(DN, &[&[("objectGUID", &[&GUID[..]][..])], attributes].concat()), None).unwrap()
    }

    #[test]
    fn an_object_with_nothing_but_its_name_is_a_device() {
        let found = device(&[]);
        assert_eq!(found.partnership.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!((found.device_id.as_str(), found.device_type.as_deref()), ("ABC", Some("iPhone")));
        assert_eq!(found.user_display_name.as_deref(), Some("contoso.test/Users/Lee, Ann"));
        assert_eq!(
            found.identity.as_deref(),
            Some("contoso.test/Users/Lee, Ann/ExchangeActiveSyncDevices/iPhone§ABC")
        );
        assert_eq!(found.client_type.as_deref(), Some("EAS"));
        assert_eq!((found.access_state, found.first_sync), (None, None));
    }

    #[test]
    fn numbers_become_exchanges_words() {
        for (state, shown, reason, reason_shown) in [
            ("0", "Unknown", "0", "Unknown"),
            ("1", "Allowed", "1", "Global"),
            ("4", "DeviceDiscovery", "6", "UserAgentsChanges"),
            ("5", "5", "77", "77"),
            ("-1", "-1", "much", "much"),
        ] {
            let found = device(&[
                ("msExchDeviceAccessState", &[state.as_bytes()]),
                ("msExchDeviceAccessStateReason", &[reason.as_bytes()]),
            ]);
            assert_eq!(found.access_state.as_deref(), Some(shown));
            assert_eq!(found.access_state_reason.as_deref(), Some(reason_shown));
        }
    }

    #[test]
    fn absurd_attributes_do_not_hide_a_device() {
        let long = "é".repeat(MAX_TEXT);
        let found = device(&[
            ("msExchDeviceID", &[b"first", b"second"]),
            ("msExchDeviceModel", &[long.as_bytes()]),
            ("msExchDeviceOS", &[b"iOS \xff"]),
            ("msExchFirstSyncTime", &[b"yesterday"]),
            ("whenCreated", &[b"16010101000000.0Z"]),
            ("whenChanged", &[b"20260131080011.0Z"]),
            (
                "msExchDeviceAccessControlRuleLink",
                &[b"CN=iPhone (DeviceType),CN=Mobile Mailbox Settings,DC=x"],
            ),
        ]);
        assert_eq!(found.device_id, "first");
        assert_eq!(found.model.map(|model| model.len()), Some(MAX_TEXT));
        assert_eq!(found.operating_system.as_deref(), Some("iOS \u{fffd}"));
        assert_eq!((found.first_sync, found.created), (None, None));
        assert_eq!(found.changed.map(|at| at.to_string()).as_deref(), Some("2026-01-31T08:00:11Z"));
        assert_eq!(found.access_rule.as_deref(), Some("iPhone (DeviceType)"));
    }

    #[test]
    fn what_cannot_be_told_apart_is_an_error_that_names_it() {
        let no_guid = entry(DN, &[("msExchDeviceID", &[b"A"])]);
        assert!(
            observed(&no_guid, None).unwrap_err().contains("no objectGUID of the partnership CN=iPhone§ABC")
        );
        let short_guid = entry(DN, &[("objectGUID", &[b"123"])]);
        assert!(observed(&short_guid, None).is_err());
        let no_id = entry("CN=phone,CN=x,DC=y", &[("objectGUID", &[&GUID])]);
        assert!(
            observed(&no_id, None)
                .unwrap_err()
                .contains("no msExchDeviceID of the partnership CN=phone,CN=x")
        );
    }
}
