use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use exconn_exchange::{
    Account, DeviceScope, Exchange, ExchangeError,
    remoting::{Authentication, ConfigError, RemotingConfig, RemotingExchange},
};
use exconn_model::{DeviceChange, ObservedDevice, Timestamp};
use exconn_testkit::{ManualClock, Peer, SeededEntropy, wait_until};
use serde_json::Value;
use tempfile::TempDir;

/// The password of peers in these tests; long enough to be found wherever it leaks.
pub(crate) const PASSWORD: &str = "hunter2-of-the-tests";
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Starts a peer that wants [`PASSWORD`] and serves Exchange's resource URI only.
pub(crate) fn peer(options: &[&str]) -> Peer {
    Peer::start(&[&["--strict-uri", "--password", PASSWORD], options].concat())
}

/// A client, its clock, and the folder with its password.
pub(crate) struct Client {
    pub(crate) exchange: Arc<RemotingExchange>,
    /// Moved by hand.
    pub(crate) clock: Arc<ManualClock>,
    folder: TempDir,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        Self::with(url, |_| {})
    }

    pub(crate) fn with(url: &str, change: impl FnOnce(&mut RemotingConfig)) -> Self {
        Self::try_with(url, PASSWORD, change).unwrap()
    }

    pub(crate) fn try_with(
        url: &str,
        password: &str,
        change: impl FnOnce(&mut RemotingConfig),
    ) -> Result<Self, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let password_file = folder.path().join("password");
        fs::write(&password_file, password).unwrap();
        let account = Account::new("svc", password_file);
        let mut config = RemotingConfig::new(url, Authentication::Basic(account));
        // A runspace for each question, unless the test is about keeping them.
        config.idle_session = Duration::ZERO;
        config.runspace_wait = BOUND;
        change(&mut config);
        let clock = Arc::new(ManualClock::at(now()));
        let exchange = RemotingExchange::new(config, Arc::new(SeededEntropy::new(7)), clock.clone())?;
        Ok(Self { exchange: Arc::new(exchange), clock, folder })
    }

    /// Writes another password into the file.
    pub(crate) fn set_password(&self, password: &str) {
        fs::write(self.password_file(), password).unwrap();
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    pub(crate) async fn list(&self, scope: DeviceScope) -> Result<Vec<ObservedDevice>, ExchangeError> {
        let mut listing = self.exchange.devices(scope).await?;
        let mut devices = Vec::new();
        while let Some(batch) = listing.next().await? {
            assert!(!batch.is_empty(), "a batch is never empty");
            devices.extend(batch.into_iter().map(present));
        }
        Ok(devices)
    }

    pub(crate) async fn all(&self) -> Result<Vec<ObservedDevice>, ExchangeError> {
        self.list(DeviceScope::All).await
    }

    /// The error of a listing; checks that it tells no secret.
    pub(crate) async fn failure(&self) -> ExchangeError {
        let error = self.all().await.expect_err("the listing must not succeed");
        assert_no_secret(&format!("{error} {error:?} {:?}", self.exchange));
        error
    }
}

/// The true time, as the file system tells it: what Kerberos compares is not a test's to choose.
pub(crate) fn now() -> Timestamp {
    let file = tempfile::NamedTempFile::new().unwrap();
    let written = file.as_file().metadata().unwrap().modified().unwrap();
    let since_epoch = written.duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_seconds(0).after(since_epoch)
}

pub(crate) fn assert_no_secret(text: &str) {
    // The second is "svc:" and the start of the password in Base64.
    assert!(!text.contains("hunter2") && !text.contains("c3ZjOmh1bnRlc"), "a secret leaked into {text}");
}

/// The device that a listing by cmdlets names: it knows of no removals.
fn present(change: DeviceChange) -> ObservedDevice {
    match change {
        DeviceChange::Present(device) => device,
        DeviceChange::Removed(partnership) => panic!("{partnership} is reported as removed"),
    }
}

/// Starts a peer like [`peer`] at the address of one that has ended, as a server does that starts again.
pub(crate) fn restarted(url: &str, options: &[&str]) -> Peer {
    let port = url.trim_end_matches("/PowerShell/").rsplit(':').next().unwrap();
    peer(&[&["--port", port], options].concat())
}

/// What the peer was asked to run since its log was last forgotten, without the setting that begins each session.
pub(crate) fn cmdlets(peer: &Peer) -> Vec<Value> {
    let log = peer.log().into_iter();
    log.filter(|call| call["cmdlet"] != "Set-ADServerSettings").collect()
}

/// How many sessions the peer saw begin since its log was last forgotten.
pub(crate) fn sessions(peer: &Peer) -> usize {
    peer.log().len() - cmdlets(peer).len()
}

/// Waits until the peer has no shell of ours any more.
pub(crate) async fn no_shell_is_left(peer: &Peer) {
    wait_until(BOUND, || async { peer.stats()["open_shells"] == 0 }).await;
}
