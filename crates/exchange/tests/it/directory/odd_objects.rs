//! Names and ids that people and devices come up with, and objects that miss something.

use exconn_exchange::directory::Feed;
use exconn_testkit::Domain;

use super::setup::{Reader, domain};

fn add_user(domain: &Domain, name: &str, account: &str, more: &str) -> String {
    let dn = domain.user_dn(name);
    domain.modify(&format!("dn: {dn}\nobjectClass: user\nsAMAccountName: {account}\n{more}\n"));
    let container = format!("CN=ExchangeActiveSyncDevices,{dn}");
    domain.modify(&format!("dn: {container}\nobjectClass: msExchActiveSyncDevices\n"));
    container
}

fn add_device(domain: &Domain, name: &str, container: &str, more: &str) {
    domain.modify(&format!("dn: CN={name},{container}\nobjectClass: msExchActiveSyncDevice\n{more}\n"));
}

#[tokio::test]
async fn odd_names_and_ids_come_through() {
    let domain = domain(0, 0);
    let reader = Reader::of(&domain);
    let (mut devices, cookie) = reader.all().await.unwrap();
    assert!(devices.is_empty());
    let lee = add_user(
        &domain,
        "Lee\\, Ann \\\"A/B\\\" \\\\ \\+",
        "lee",
        "mail: ann@contoso.test\nuserPrincipalName: ann@contoso.test",
    );
    let emoji = add_user(&domain, "Zoë 😀 \\# x", "zoe", "");
    add_device(
        &domain,
        "iPhone§O'Neil \\\"1\\\"\\, §2/3\\;4",
        &lee,
        "msExchDeviceID: O'Neil \"1\", §2/3;4\nmsExchDeviceType: iPhone",
    );
    add_device(&domain, "Android§日本語", &emoji, "msExchDeviceID: 日本語");
    // Two partnerships of two mailboxes with one device id.
    add_device(&domain, "SP§SAME", &lee, "msExchDeviceID: SAME");
    add_device(&domain, "SP§SAME", &emoji, "msExchDeviceID: SAME");
    // Only the name tells what it is.
    add_device(
        &domain,
        "iPad§FROM-NAME",
        &emoji,
        "msExchDeviceAccessState: 9\nmsExchDeviceAccessStateReason: 99",
    );
    let (cookie, changes) = reader.update(&mut devices, &cookie.unwrap()).await.unwrap();
    assert_eq!(changes, 5);
    assert_eq!(devices, reader.all().await.unwrap().0);
    let uncounted = Reader::with(&domain, |config| config.feed = Feed::UsnChanged).all().await.unwrap().0;
    assert_eq!(devices, uncounted);
    let by_id = |id: &str| devices.values().filter(|device| device.device_id == id).collect::<Vec<_>>();
    let [ann] = by_id("O'Neil \"1\", §2/3;4")[..] else { panic!("one device of that id") };
    assert_eq!(ann.user_principal_name.as_deref(), Some("ann@contoso.test"));
    assert_eq!(ann.user_display_name.as_deref(), Some("contoso.test/Users/Lee, Ann \"A\\/B\" \\\\ +"));
    assert_eq!(
        ann.identity.as_deref(),
        Some(
            "contoso.test/Users/Lee, Ann \"A\\/B\" \\\\ +/ExchangeActiveSyncDevices/iPhone§O'Neil \"1\", §2\\/3;4"
        )
    );
    assert_eq!(by_id("日本語")[0].user_display_name.as_deref(), Some("contoso.test/Users/Zoë 😀 # x"));
    assert_eq!(by_id("SAME").len(), 2);
    let [named] = by_id("FROM-NAME")[..] else { panic!("one device of that id") };
    assert_eq!(named.device_type.as_deref(), Some("iPad"));
    assert_eq!(
        (named.access_state.as_deref(), named.access_state_reason.as_deref()),
        (Some("9"), Some("99"))
    );
    assert_eq!((named.user_principal_name.as_deref(), named.email_address.as_deref()), (None, None));

    // A device that cannot be named: no listing is complete with it, and the error says which it is.
    add_device(&domain, "nameless", &lee, "msExchDeviceType: x");
    let error = reader.failure().await.to_string();
    assert!(
        error.contains("no msExchDeviceID of the partnership CN=nameless,CN=ExchangeActiveSyncDevices"),
        "{error}"
    );
    let error = reader.update(&mut devices, &cookie).await.unwrap_err().to_string();
    assert!(error.contains("CN=nameless"), "{error}");
    domain.delete(&format!("CN=nameless,{lee}"));
    reader.update(&mut devices, &cookie).await.unwrap();
    assert_eq!(devices, reader.all().await.unwrap().0);
}
