use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use exconn_exchange::{
    DeviceScope, Exchange, ExchangeError, SecretFile,
    online::{ClientCredential, ConfigError, OnlineConfig, OnlineExchange},
};
use exconn_model::{DeviceChange, ObservedDevice, Timestamp};
use exconn_testkit::{ManualClock, OnlinePeer, SeededEntropy};
use tempfile::TempDir;

/// The client secret of these tests; long enough to be found wherever it leaks.
pub(crate) const SECRET: &str = "hunter2~of/the+tests";

/// Starts a peer that wants [`SECRET`].
pub(crate) fn peer(options: &[&str]) -> OnlinePeer {
    OnlinePeer::start(&[&["--client-secret", SECRET], options].concat())
}

/// A client, its clock and the folder with its secret.
pub(crate) struct Client {
    pub(crate) exchange: OnlineExchange,
    pub(crate) clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Client {
    /// A client of a server that is the token endpoint too.
    pub(crate) fn new(url: &str) -> Self {
        Self::with(url, |_| {})
    }

    pub(crate) fn with(url: &str, change: impl FnOnce(&mut OnlineConfig)) -> Self {
        Self::try_with(url, change).unwrap()
    }

    pub(crate) fn try_with(url: &str, change: impl FnOnce(&mut OnlineConfig)) -> Result<Self, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, SECRET).unwrap();
        let credential = ClientCredential::Secret(SecretFile::new(file));
        let mut config = OnlineConfig::new(
            OnlinePeer::TENANT.parse().unwrap(),
            OnlinePeer::CLIENT.parse().unwrap(),
            credential,
        );
        config.base_url = Some(url.into());
        config.authority = Some(url.into());
        config.first_wait = Duration::from_millis(5);
        config.requests_per_second = 100.0;
        config.settle_timeout = Duration::from_millis(400);
        change(&mut config);
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000)));
        let exchange = OnlineExchange::new(config, Arc::new(SeededEntropy::new(7)), clock.clone())?;
        Ok(Self { exchange, clock, folder })
    }

    pub(crate) fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    pub(crate) async fn list(&self, scope: DeviceScope) -> Result<Vec<ObservedDevice>, ExchangeError> {
        let mut listing = self.exchange.devices(scope).await?;
        let mut devices = Vec::new();
        loop {
            match listing.next().await {
                Ok(Some(batch)) => {
                    assert!(!batch.is_empty(), "a batch is never empty");
                    devices.extend(batch.into_iter().map(present));
                }
                Ok(None) => {
                    assert!(matches!(listing.next().await, Ok(None)), "an end is an end");
                    return Ok(devices);
                }
                Err(error) => {
                    assert!(listing.next().await.is_err(), "a listing that failed has no positive end");
                    return Err(error);
                }
            }
        }
    }

    pub(crate) async fn all(&self) -> Result<Vec<ObservedDevice>, ExchangeError> {
        self.list(DeviceScope::All).await
    }

    /// The error of a listing; checks that it tells no secret.
    pub(crate) async fn failure(&self) -> ExchangeError {
        let error = self.all().await.expect_err("the listing must not succeed");
        self.assert_no_secret(&error);
        error
    }

    pub(crate) fn assert_no_secret(&self, error: &ExchangeError) {
        let text = format!("{error} {error:?} {:?}", self.exchange);
        assert!(!text.contains("hunter2") && !text.contains("Bearer"), "a secret leaked into {text}");
    }
}

/// The device that a listing by cmdlets names: it knows of no removals.
fn present(change: DeviceChange) -> ObservedDevice {
    match change {
        DeviceChange::Present(device) => device,
        DeviceChange::Removed(partnership) => panic!("{partnership} is reported as removed"),
    }
}

/// Each device once, in the order of their ids: after a listing began anew some come twice.
pub(crate) fn distinct(mut devices: Vec<ObservedDevice>) -> Vec<ObservedDevice> {
    devices.sort_by_key(|device| device.partnership);
    devices.dedup();
    devices
}
