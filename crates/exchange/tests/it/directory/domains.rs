//! A forest of two domains. Two Sambas of their own forests stand in for it: the first knows the second as a domain of its own.

use exconn_exchange::{DeviceScope, ExchangeError, Roots, directory::Feed};
use exconn_model::DeviceChange;
use exconn_testkit::{Domain, DomainOptions};

use super::setup::Reader;

/// In a real forest every domain knows the users of the others. Here each has one of its own by this name.
const USER: &str = "svc-exconn@forest.test";
const GUID: &str = "8f2d4b1a-0c3e-4f5a-9b6c-7d8e9fa0b1c2";

fn pair() -> (Domain, Domain) {
    let mut contoso = Domain::prepare(DomainOptions { population: (3, 2), ..DomainOptions::default() });
    let mut fabrikam = Domain::prepare(DomainOptions { realm: "FABRIKAM.TEST", ..DomainOptions::default() });
    contoso.load(
        "dn: CN=FABRIKAM,CN=Partitions,CN=Configuration,DC=contoso,DC=test\nobjectClass: crossRef\ncn: FABRIKAM\nnCName: \
         DC=fabrikam,DC=test\ndnsRoot: fabrikam.test\nnETBIOSName: FABRIKAM\nsystemFlags: 3\n",
    );
    for domain in [&contoso, &fabrikam] {
        domain.permit_deleted_objects(Domain::USER);
    }
    contoso.run();
    fabrikam.run();
    for domain in [&contoso, &fabrikam] {
        domain.set_attribute(Domain::USER, "userPrincipalName", USER);
    }
    (contoso, fabrikam)
}

fn reader(urls: &[&str], feed: Feed) -> Reader {
    Reader::at(urls, USER, Domain::PASSWORD, |config| {
        config.feed = feed;
        config.roots = Roots { system: false, file: None };
    })
    .unwrap()
}

fn mailbox(domain: &Domain) -> String {
    let user = domain.user_dn("mover");
    let container = format!("CN=ExchangeActiveSyncDevices,{user}");
    format!(
        "dn: {user}\nobjectClass: user\nsAMAccountName: mover\nmail: mover@{0}\nuserPrincipalName: mover@{0}\n\ndn: \
         {container}\nobjectClass: msExchActiveSyncDevices\n\ndn: CN=iPhone§MOVES,{container}\nobjectClass: \
         msExchActiveSyncDevice\nmsExchDeviceID: MOVES\nobjectGUID: {GUID}\n",
        domain.name()
    )
}

#[tokio::test]
async fn a_mailbox_that_moves_between_domains_is_there_at_the_end() {
    for feed in [Feed::DirSync, Feed::UsnChanged] {
        let (mut contoso, mut fabrikam) = pair();
        contoso.stop();
        contoso.load(&mailbox(&contoso));
        contoso.run();
        let reader = reader(&[&contoso.url(), &fabrikam.url()], feed);
        let (mut devices, cookie) = reader.all().await.unwrap();
        assert_eq!(devices.len(), 7);
        let shown =
            |devices: &super::setup::Devices| devices[&GUID.parse().unwrap()].user_principal_name.clone();
        assert_eq!(shown(&devices).as_deref(), Some("mover@contoso.test"));
        fabrikam.stop();
        fabrikam.load(&mailbox(&fabrikam));
        fabrikam.run();
        // It arrives before the other domain has heard that it is gone.
        let (cookie, _) = reader.update(&mut devices, &cookie.unwrap()).await.unwrap();
        assert_eq!((devices.len(), shown(&devices).as_deref()), (7, Some("mover@fabrikam.test")));
        contoso.delete(&contoso.user_dn("mover"));
        let (changes, _) = reader.list(DeviceScope::ChangedSince(cookie.clone())).await.unwrap();
        assert!(matches!(&changes[..], [DeviceChange::Removed(_), DeviceChange::Present(_)]), "{changes:?}");
        let (_, _) = reader.update(&mut devices, &cookie).await.unwrap();
        assert_eq!((devices.len(), shown(&devices).as_deref()), (7, Some("mover@fabrikam.test")));
        assert_eq!(devices, reader.all().await.unwrap().0);
    }
}

#[tokio::test]
async fn no_listing_is_complete_without_one_of_the_domains() {
    let (contoso, mut fabrikam) = pair();
    let both = reader(&[&contoso.url(), &fabrikam.url()], Feed::Auto);
    let (_, cookie) = both.all().await.unwrap();
    fabrikam.stop();
    assert!(matches!(both.failure().await, ExchangeError::Unreachable { .. }));
    let error = both.list(DeviceScope::ChangedSince(cookie.unwrap())).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Unreachable { .. }), "{error}");
    fabrikam.run();
    both.all().await.unwrap();
    // Nothing leads to the second domain but its name, which is not this machine's.
    let error = reader(&[&contoso.url()], Feed::Auto).failure().await;
    assert!(
        matches!(&error, ExchangeError::WrongEndpoint { url, .. } if url == "ldap://fabrikam.test:389"),
        "{error}"
    );
    // It leads nowhere here either.
    let error = Reader::at(&[&contoso.url()], &contoso.user_dn(Domain::USER), Domain::PASSWORD, |config| {
        config.start_tls = true;
        config.roots = Roots { system: false, file: Some(contoso.authority_file()) };
    });
    let error = error.unwrap().failure().await;
    assert!(
        matches!(&error, ExchangeError::Unreachable { endpoint, .. } if endpoint == "fabrikam.test:389"),
        "{error}"
    );
    // The other way round the first is no domain of the second's forest.
    let one = reader(&[&fabrikam.url()], Feed::Auto);
    let (devices, cookie) = one.all().await.unwrap();
    assert!(devices.is_empty());
    // A cookie of another forest is of no use.
    let error = both.list(DeviceScope::ChangedSince(cookie.unwrap())).await.unwrap_err();
    assert!(matches!(error, ExchangeError::CookieRefused { .. }), "{error}");
}
