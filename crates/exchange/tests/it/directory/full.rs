//! A full pass brings what `ldapsearch` prints, field by field.

use exconn_exchange::directory::Feed;
use exconn_testkit::{DirectoryEntry, Domain};
use uuid::Uuid;

use super::setup::{Devices, Reader, domain};

/// The devices that OpenLDAP's own client finds, and all that is known of them.
fn expected(domain: &Domain) -> Devices {
    let users = domain.search("(objectClass=user)", &["userPrincipalName", "mail"]);
    let devices = domain
        .search("(objectClass=msExchActiveSyncDevice)", &["*", "objectGUID", "whenCreated", "whenChanged"]);
    devices
        .iter()
        .map(|device| {
            let above = device.dn.split_once(",CN=ExchangeActiveSyncDevices,").unwrap().1;
            let user = users.iter().find(|user| user.dn == above).unwrap();
            let expected = shown(device, user);
            (expected.partnership, expected)
        })
        .collect()
}

fn shown(device: &DirectoryEntry, user: &DirectoryEntry) -> exconn_model::ObservedDevice {
    let words = |attribute, words: &[&str]| {
        device.text(attribute).map(|at| words[at.parse::<usize>().unwrap()].to_owned())
    };
    let time = |attribute| {
        let text: String = device.text(attribute)?;
        let at = |from, to| text[from..to].to_owned();
        let text =
            format!("{}-{}-{}T{}:{}:{}Z", at(0, 4), at(4, 6), at(6, 8), at(8, 10), at(10, 12), at(12, 14));
        Some(text.parse().unwrap())
    };
    let owner =
        format!("contoso.test/Users/{}", user.text("userPrincipalName").unwrap().split('@').next().unwrap());
    let own = device.dn.split(",CN=").next().unwrap().strip_prefix("CN=").unwrap();
    exconn_model::ObservedDevice {
        partnership: Uuid::from_slice_le(&device.values("objectGUID")[0]).unwrap(),
        device_id: device.text("msExchDeviceID").unwrap(),
        device_type: device.text("msExchDeviceType"),
        model: device.text("msExchDeviceModel"),
        operating_system: device.text("msExchDeviceOS"),
        user_agent: device.text("msExchDeviceUserAgent"),
        identity: Some(format!("{owner}/ExchangeActiveSyncDevices/{own}")),
        user_display_name: Some(owner),
        access_state: words("msExchDeviceAccessState", &["Unknown", "Allowed", "Blocked", "Quarantined"]),
        access_state_reason: words(
            "msExchDeviceAccessStateReason",
            &["Unknown", "Global", "Individual", "DeviceRule", "Upgrade", "Policy"],
        ),
        client_type: Some("EAS".into()),
        client_version: device.text("msExchDeviceEASVersion"),
        first_sync: time("msExchFirstSyncTime"),
        created: time("whenCreated"),
        changed: time("whenChanged"),
        user_principal_name: user.text("userPrincipalName"),
        email_address: user.text("mail"),
        ..exconn_model::ObservedDevice::default()
    }
}

#[tokio::test]
async fn a_full_pass_is_what_ldapsearch_prints() {
    let domain = domain(60, 2);
    let expected = expected(&domain);
    assert_eq!(expected.len(), 120);
    // Pages that divide the devices evenly, that do not, and that hold them all.
    for page_size in [1, 7, 60, 120, 1000] {
        let reader = Reader::with(&domain, |config| config.page_size = page_size);
        let (devices, cookie) = reader.all().await.unwrap();
        assert_eq!(devices, expected, "pages of {page_size}");
        assert!(cookie.is_some());
    }
    for feed in [Feed::DirSync, Feed::UsnChanged] {
        let (devices, cookie) = Reader::with(&domain, |config| config.feed = feed).all().await.unwrap();
        assert_eq!(devices, expected, "{feed}");
        assert!(cookie.is_some());
    }
}
