//! An Exchange that does what a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use exconn_exchange::{DeviceListing, DeviceScope, Exchange, ExchangeError};
use exconn_model::{ObservedDevice, Organization, Timestamp};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The devices that a listing sends, and how it ends.
#[derive(Debug)]
pub(crate) enum Listing {
    /// All devices, then the positive end.
    Complete,
    /// So many devices, then this error.
    Broken(usize, ExchangeError),
    /// So many devices, then nothing until the gate opens, then the rest and the positive end.
    Gated(usize),
}

#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) devices: Mutex<Vec<ObservedDevice>>,
    pub(crate) scopes: Mutex<Vec<DeviceScope>>,
    pub(crate) gate: Arc<Semaphore>,
    listings: Mutex<VecDeque<Listing>>,
    refusals: Mutex<VecDeque<ExchangeError>>,
}

impl Scripted {
    pub(crate) fn with(count: u128) -> Arc<Self> {
        Arc::new(Self {
            devices: Mutex::new((0..count).map(device).collect()),
            scopes: Mutex::default(),
            gate: Arc::new(Semaphore::new(0)),
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
}

pub(crate) fn device(number: u128) -> ObservedDevice {
    ObservedDevice {
        partnership: Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + number),
        device_id: format!("DEVICE{number:06}"),
        device_type: Some("iPhone".into()),
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
        self.scopes.lock().unwrap().push(scope);
        let mut devices = self.devices.lock().unwrap().clone();
        if let DeviceScope::FirstSyncedSince(since) = scope {
            devices.retain(|device| device.first_sync >= Some(since));
        }
        let mut batches: VecDeque<Step> = VecDeque::new();
        let listing = self.listings.lock().unwrap().pop_front().unwrap_or(Listing::Complete);
        match listing {
            Listing::Complete => batches.extend(devices.chunks(100).map(|part| Step::Batch(part.to_vec()))),
            Listing::Broken(count, error) => {
                batches.extend(devices[..count].chunks(100).map(|part| Step::Batch(part.to_vec())));
                batches.push_back(Step::Fail(error));
            }
            Listing::Gated(count) => {
                batches.push_back(Step::Batch(devices[..count].to_vec()));
                batches.push_back(Step::Wait(self.gate.clone()));
                batches.push_back(Step::Batch(devices[count..].to_vec()));
            }
        }
        Ok(Box::new(Script { batches }))
    }
}

#[derive(Debug)]
enum Step {
    Batch(Vec<ObservedDevice>),
    Wait(Arc<Semaphore>),
    Fail(ExchangeError),
}

#[derive(Debug)]
struct Script {
    batches: VecDeque<Step>,
}

#[async_trait]
impl DeviceListing for Script {
    async fn next(&mut self) -> Result<Option<Vec<ObservedDevice>>, ExchangeError> {
        loop {
            match self.batches.pop_front() {
                Some(Step::Batch(batch)) => return Ok(Some(batch)),
                Some(Step::Wait(gate)) => drop(gate.acquire().await),
                Some(Step::Fail(error)) => return Err(error),
                None => return Ok(None),
            }
        }
    }
}
