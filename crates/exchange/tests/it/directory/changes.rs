//! What changes in the directory is found by either feed, and only that is read.

use exconn_exchange::directory::Feed;
use exconn_testkit::Domain;

use super::setup::{Devices, Reader, domain};

const FEEDS: [Feed; 2] = [Feed::DirSync, Feed::UsnChanged];

/// A reader by each feed, with its devices and cookie.
struct Follower {
    feed: Feed,
    reader: Reader,
    devices: Devices,
    cookie: exconn_model::SyncCookie,
}

impl Follower {
    async fn all_of(domain: &Domain) -> Vec<Self> {
        let mut followers = Vec::new();
        for feed in FEEDS {
            let reader = Reader::with(domain, |config| config.feed = feed);
            let (devices, cookie) = reader.all().await.unwrap();
            followers.push(Self { feed, reader, devices, cookie: cookie.unwrap() });
        }
        followers
    }

    /// Follows the changes; at the end there is what a full pass brings. Gives how many changes there were.
    async fn follow(&mut self, what: &str) -> usize {
        let (cookie, count) = self.reader.update(&mut self.devices, &self.cookie).await.unwrap();
        let (all, _) = self.reader.all().await.unwrap();
        assert_eq!(self.devices, all, "{what} by {}", self.feed);
        self.cookie = cookie;
        // Nothing is told twice for long: what is repeated is what changed while the searches ran.
        let (cookie, again) = self.reader.update(&mut self.devices, &self.cookie).await.unwrap();
        assert_eq!(again, 0, "{what} by {} is told again", self.feed);
        self.cookie = cookie;
        count
    }
}

#[tokio::test]
async fn additions_changes_and_deletions_are_followed() {
    let domain = domain(5, 2);
    let base = domain.base();
    let mut followers = Follower::all_of(&domain).await;
    let device =
        |number: usize| domain.search("(objectClass=msExchActiveSyncDevice)", &["cn"]).swap_remove(number).dn;
    let device_of = |user: &str| {
        let found = domain.search("(objectClass=msExchActiveSyncDevice)", &["cn"]);
        found.into_iter().find(|device| device.dn.contains(user)).unwrap().dn
    };
    let ldif = |dn: &str, rest: &str| domain.modify(&format!("dn: {dn}\n{rest}\n"));
    let steps: [(&str, &dyn Fn(), usize); 8] = [
        ("nothing", &|| {}, 0),
        (
            "an access state",
            &|| {
                ldif(
                    &device(0),
                    "changetype: modify\nreplace: msExchDeviceAccessState\nmsExchDeviceAccessState: 4",
                )
            },
            1,
        ),
        (
            "an addition",
            &|| {
                let dn =
                    format!("CN=iPhone§NEW,CN=ExchangeActiveSyncDevices,{}", domain.user_dn("user000001"));
                ldif(&dn, "objectClass: msExchActiveSyncDevice\nmsExchDeviceID: NEW");
            },
            1,
        ),
        ("a deletion", &|| domain.delete(&device_of("user000000")), 1),
        (
            "a user's address",
            &|| {
                ldif(
                    &domain.user_dn("user000002"),
                    "changetype: modify\nreplace: mail\nmail: new@contoso.test",
                )
            },
            2,
        ),
        (
            "a user's name",
            &|| {
                ldif(
                    &domain.user_dn("user000003"),
                    "changetype: modrdn\nnewrdn: CN=Lee\\, Ann/Sales\ndeleteoldrdn: 1",
                )
            },
            2,
        ),
        (
            "a move",
            &|| {
                ldif(&format!("OU=Büro,{base}"), "objectClass: organizationalUnit");
                ldif(
                    &domain.user_dn("user000004"),
                    &format!(
                        "changetype: modrdn\nnewrdn: CN=user000004\ndeleteoldrdn: 1\nnewsuperior: OU=Büro,{base}"
                    ),
                );
            },
            2,
        ),
        (
            "a unit's name",
            &|| ldif(&format!("OU=Büro,{base}"), "changetype: modrdn\nnewrdn: OU=Office\ndeleteoldrdn: 1"),
            2,
        ),
    ];
    for (what, step, count) in steps {
        step();
        for follower in &mut followers {
            let changes = follower.follow(what).await;
            assert_eq!(changes, count, "{what} by {}", follower.feed);
        }
    }
    let shown = |follower: &Follower| {
        follower.devices.values().filter_map(|device| device.user_display_name.clone()).collect::<Vec<_>>()
    };
    for follower in &followers {
        assert_eq!(follower.devices.len(), 10);
        assert!(shown(follower).contains(&"contoso.test/Office/user000004".to_owned()));
        assert!(shown(follower).contains(&"contoso.test/Users/Lee, Ann\\/Sales".to_owned()));
        assert!(
            follower
                .devices
                .values()
                .any(|device| device.email_address.as_deref() == Some("new@contoso.test"))
        );
    }
    domain.delete(&domain.user_dn("user000000"));
    for follower in &mut followers {
        follower.follow("a mailbox's deletion").await;
    }
}
