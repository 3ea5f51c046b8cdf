use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use exconn_exchange::{
    Account, DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError, Report, Roots,
    directory::{DirectoryAuthentication, DirectoryConfig, DirectoryConfigError, DirectoryExchange},
};
use exconn_model::{
    AccessDecision, DeviceChange, DeviceStatistics, ObservedDevice, Organization, SyncCookie, Timestamp,
};
use exconn_testkit::{Domain, DomainOptions, ManualClock};
use tempfile::TempDir;
use uuid::Uuid;

/// A domain with these mailboxes and partnerships of each.
pub(crate) fn domain(users: u32, per_user: u32) -> Domain {
    let mut domain =
        Domain::prepare(DomainOptions { population: (users, per_user), ..DomainOptions::default() });
    domain.permit_deleted_objects(Domain::USER);
    domain.run();
    domain
}

/// A client of a directory, as [`Domain::USER`], and the folder with its password.
pub(crate) struct Reader {
    pub(crate) directory: DirectoryExchange,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) remoting: Arc<Remoting>,
    folder: TempDir,
}

impl Reader {
    pub(crate) fn of(domain: &Domain) -> Self {
        Self::with(domain, |_| {})
    }

    pub(crate) fn with(domain: &Domain, change: impl FnOnce(&mut DirectoryConfig)) -> Self {
        Self::at(&[&domain.secure_url()], &domain.user_dn(Domain::USER), Domain::PASSWORD, |config| {
            config.roots = Roots { system: false, file: Some(domain.authority_file()) };
            change(config);
        })
        .unwrap()
    }

    pub(crate) fn at(
        urls: &[&str],
        user: &str,
        password: &str,
        change: impl FnOnce(&mut DirectoryConfig),
    ) -> Result<Self, DirectoryConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let password_file = folder.path().join("password");
        fs::write(&password_file, password).unwrap();
        let account = Account::new(user, password_file);
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        let mut config = DirectoryConfig::new(urls, DirectoryAuthentication::Simple(account));
        change(&mut config);
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000)));
        let remoting = Arc::new(Remoting::default());
        let directory = DirectoryExchange::new(config, remoting.clone(), Arc::default(), clock.clone())?;
        Ok(Self { directory, clock, remoting, folder })
    }

    pub(crate) fn change_password(&self, password: &str) {
        fs::write(self.folder.path().join("password"), password).unwrap();
    }

    /// All devices by partnership, and the cookie.
    pub(crate) async fn all(&self) -> Result<(Devices, Option<SyncCookie>), ExchangeError> {
        let mut devices = Devices::new();
        let (changes, cookie) = self.list(DeviceScope::All).await?;
        for change in changes {
            let DeviceChange::Present(device) = change else { panic!("a listing of all removes nothing") };
            assert!(devices.insert(device.partnership, device).is_none(), "a partnership comes once");
        }
        Ok((devices, cookie))
    }

    /// Brings devices up to date by the changes since a cookie; gives the next one and how many changes there were.
    pub(crate) async fn update(
        &self,
        devices: &mut Devices,
        cookie: &SyncCookie,
    ) -> Result<(SyncCookie, usize), ExchangeError> {
        let (changes, cookie) = self.list(DeviceScope::ChangedSince(cookie.clone())).await?;
        let count = changes.len();
        for change in changes {
            match change {
                DeviceChange::Present(device) => devices.insert(device.partnership, device),
                DeviceChange::Removed(partnership) => devices.remove(&partnership),
            };
        }
        Ok((cookie.expect("a listing of changes has a cookie"), count))
    }

    pub(crate) async fn list(
        &self,
        scope: DeviceScope,
    ) -> Result<(Vec<DeviceChange>, Option<SyncCookie>), ExchangeError> {
        let mut listing = self.directory.devices(scope).await?;
        let mut changes = Vec::new();
        while let Some(batch) = listing.next().await? {
            assert!(!batch.is_empty(), "a batch is never empty");
            assert_eq!(listing.cookie(), None, "the cookie is known at the end");
            changes.extend(batch);
        }
        Ok((changes, listing.cookie()))
    }

    /// The error of a listing of all; checks that it tells no secret.
    pub(crate) async fn failure(&self) -> ExchangeError {
        let error = self.all().await.expect_err("the listing must not succeed");
        assert!(!format!("{error} {error:?} {:?}", self.directory).contains("hunter2"), "a secret leaked");
        error
    }
}

pub(crate) type Devices = BTreeMap<Uuid, ObservedDevice>;

/// What stands behind the directory for what it does not know.
#[derive(Debug, Default)]
pub(crate) struct Remoting {
    pub(crate) observed: AtomicUsize,
    pub(crate) fails: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Exchange for Remoting {
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        self.observed.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(ExchangeError::EndedEarly { reason: "told to".into() });
        }
        Ok(Organization { name: "Contoso".into(), servers: Vec::new(), server_version: None })
    }

    async fn devices(&self, _: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        panic!("devices come from the directory")
    }

    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        assert_eq!(mailbox, "user000001");
        Ok(vec![DeviceStatistics::default()])
    }

    fn statistics_concurrency(&self) -> usize {
        3
    }

    async fn set_access(&self, _: &DeviceAddress, _: AccessDecision) -> Result<(), ExchangeError> {
        Err(ExchangeError::ReadOnly)
    }

    fn secrets_changed_since(&self, _: Timestamp) -> bool {
        false
    }

    async fn examine(&self, _: &mut dyn Report) {}
}
