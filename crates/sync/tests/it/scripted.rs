//! An Exchange that does what a test says.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use exconn_exchange::{DeviceAddress, DeviceListing, DeviceScope, Exchange, ExchangeError, Report};
use exconn_model::{
    AccessDecision, DeviceChange, DeviceStatistics, ObservedDevice, Organization, SyncCookie, Timestamp,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// What a listing sends, and how it ends.
#[derive(Debug)]
pub(crate) enum Listing {
    /// All devices, or all changes since the last listing; then the positive end.
    Complete,
    /// So many of them, then this error.
    Broken(usize, ExchangeError),
    /// So many of them, then nothing until the gate opens, then the rest and the positive end.
    Gated(usize),
    /// It does not even begin.
    Refused(ExchangeError),
}

#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) devices: Mutex<Vec<ObservedDevice>>,
    /// What the next listing of changes brings.
    pub(crate) changes: Mutex<Vec<DeviceChange>>,
    pub(crate) scopes: Mutex<Vec<DeviceScope>>,
    pub(crate) gate: Arc<Semaphore>,
    /// When the password's file was written.
    pub(crate) secret_written: Mutex<Option<Timestamp>>,
    /// Mailboxes that were asked for statistics, in order.
    pub(crate) asked: Mutex<Vec<String>>,
    /// What stands in the way of statistics of a mailbox; `*` stands for all.
    pub(crate) troubles: Mutex<HashMap<String, VecDeque<ExchangeError>>>,
    /// Questions for statistics wait here.
    pub(crate) statistics_gate: Semaphore,
    /// The most questions that waited there at the same time.
    pub(crate) most_at_once: AtomicUsize,
    at_once: AtomicUsize,
    secret_looks: AtomicUsize,
    listings: Mutex<VecDeque<Listing>>,
    refusals: Mutex<VecDeque<ExchangeError>>,
}

impl Scripted {
    pub(crate) fn with(count: u128) -> Arc<Self> {
        Arc::new(Self {
            devices: Mutex::new((0..count).map(device).collect()),
            changes: Mutex::default(),
            scopes: Mutex::default(),
            gate: Arc::new(Semaphore::new(0)),
            secret_written: Mutex::default(),
            asked: Mutex::default(),
            troubles: Mutex::default(),
            statistics_gate: Semaphore::new(Semaphore::MAX_PERMITS),
            most_at_once: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            secret_looks: AtomicUsize::new(0),
            listings: Mutex::default(),
            refusals: Mutex::default(),
        })
    }

    /// The next listing goes like this; those behind the last scripted one are complete.
    pub(crate) fn script(&self, listing: Listing) {
        self.listings.lock().unwrap().push_back(listing);
    }

    /// The next question about the organisation is refused.
    pub(crate) fn refuse(&self, error: ExchangeError) {
        self.refusals.lock().unwrap().push_back(error);
    }

    /// The next question for statistics of a mailbox fails; `*` stands for any.
    pub(crate) fn trouble(&self, mailbox: &str, error: ExchangeError) {
        self.troubles.lock().unwrap().entry(mailbox.to_owned()).or_default().push_back(error);
    }

    /// How often somebody asked whether the secret was renewed.
    pub(crate) fn secret_looks(&self) -> usize {
        self.secret_looks.load(Ordering::SeqCst)
    }

    /// The cookie of the listing with this number, from 1.
    pub(crate) fn cookie(number: usize) -> SyncCookie {
        SyncCookie::from_text(format!("cookie {number}"))
    }
}

pub(crate) fn mailbox(number: u128) -> String {
    format!("contoso.com/Staff/User {number}")
}

/// When the device of this number last synced, as its mailbox says.
pub(crate) fn last_success(number: u128) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + number as i64)
}

pub(crate) fn device(number: u128) -> ObservedDevice {
    ObservedDevice {
        partnership: Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + number),
        device_id: format!("DEVICE{number:06}"),
        device_type: Some("iPhone".into()),
        identity: Some(format!("{}/ExchangeActiveSyncDevices/iPhone§{number}", mailbox(number))),
        access_state: Some("Allowed".into()),
        access_state_reason: Some("Global".into()),
        first_sync: Some(Timestamp::from_unix_seconds(1_600_000_000 + number as i64)),
        ..ObservedDevice::default()
    }
}

#[async_trait]
impl Exchange for Scripted {
    async fn observe(&self) -> Result<Organization, ExchangeError> {
        match self.refusals.lock().unwrap().pop_front() {
            Some(error) => Err(error),
            None => Ok(Organization {
                name: "Contoso".into(),
                servers: vec!["ex01.contoso.com".into()],
                server_version: Some("Version 15.2 (Build 1748.10)".into()),
            }),
        }
    }

    async fn devices(&self, scope: DeviceScope) -> Result<Box<dyn DeviceListing>, ExchangeError> {
        let number = {
            let mut scopes = self.scopes.lock().unwrap();
            scopes.push(scope.clone());
            scopes.len()
        };
        let listing = self.listings.lock().unwrap().pop_front().unwrap_or(Listing::Complete);
        let changes: Vec<DeviceChange> = match scope {
            DeviceScope::All => {
                let devices = self.devices.lock().unwrap();
                devices.iter().cloned().map(DeviceChange::Present).collect()
            }
            DeviceScope::ChangedSince(_) if matches!(listing, Listing::Complete) => {
                std::mem::take(&mut *self.changes.lock().unwrap())
            }
            DeviceScope::ChangedSince(_) => self.changes.lock().unwrap().clone(),
        };
        let mut batches: VecDeque<Step> = VecDeque::new();
        let batch = |part: &[DeviceChange]| Step::Batch(part.to_vec());
        match listing {
            Listing::Complete => batches.extend(changes.chunks(100).map(batch)),
            Listing::Broken(count, error) => {
                batches.extend(changes[..count].chunks(100).map(batch));
                batches.push_back(Step::Fail(error));
            }
            Listing::Gated(count) => {
                batches.push_back(batch(&changes[..count]));
                batches.push_back(Step::Wait(self.gate.clone()));
                batches.push_back(batch(&changes[count..]));
            }
            Listing::Refused(error) => return Err(error),
        }
        Ok(Box::new(Script { batches, cookie: Self::cookie(number) }))
    }

    async fn statistics(&self, mailbox: &str) -> Result<Vec<DeviceStatistics>, ExchangeError> {
        self.asked.lock().unwrap().push(mailbox.to_owned());
        let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        self.statistics_gate.acquire().await.unwrap().forget();
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        {
            let mut troubles = self.troubles.lock().unwrap();
            for name in ["*", mailbox] {
                if let Some(error) = troubles.get_mut(name).and_then(VecDeque::pop_front) {
                    return Err(error);
                }
            }
        }
        let devices = self.devices.lock().unwrap();
        let known = devices.iter().filter(|device| device.mailbox() == Some(mailbox));
        let number = |device: &ObservedDevice| device.device_id[6..].parse().unwrap();
        Ok(known
            .map(|device| DeviceStatistics {
                partnership: device.partnership,
                last_success: Some(last_success(number(device))),
                ..DeviceStatistics::default()
            })
            .collect())
    }

    fn statistics_concurrency(&self) -> usize {
        3
    }

    async fn set_access(&self, _: &DeviceAddress, _: AccessDecision) -> Result<(), ExchangeError> {
        Err(ExchangeError::ReadOnly)
    }

    fn secrets_changed_since(&self, moment: Timestamp) -> bool {
        self.secret_looks.fetch_add(1, Ordering::SeqCst);
        self.secret_written.lock().unwrap().is_some_and(|written| written > moment)
    }

    async fn examine(&self, _: &mut dyn Report) {}
}

#[derive(Debug)]
enum Step {
    Batch(Vec<DeviceChange>),
    Wait(Arc<Semaphore>),
    Fail(ExchangeError),
}

#[derive(Debug)]
struct Script {
    batches: VecDeque<Step>,
    cookie: SyncCookie,
}

#[async_trait]
impl DeviceListing for Script {
    async fn next(&mut self) -> Result<Option<Vec<DeviceChange>>, ExchangeError> {
        loop {
            match self.batches.pop_front() {
                Some(Step::Batch(batch)) => return Ok(Some(batch)),
                Some(Step::Wait(gate)) => drop(gate.acquire().await),
                Some(Step::Fail(error)) => return Err(error),
                None => return Ok(None),
            }
        }
    }

    fn cookie(&self) -> Option<SyncCookie> {
        self.batches.is_empty().then(|| self.cookie.clone())
    }
}
