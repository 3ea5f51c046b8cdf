use std::{sync::Arc, time::Duration};

use exconn_model::{
    AuditActor, AuditEntry, AuditId, Connector, ConnectorChange, ConnectorDraft, ConnectorId,
    ConnectorStatus, DeviceId, ObservedDevice, RunId, SyncCookie, SyncCounts, SyncType, TenantId, Timestamp,
};
use exconn_odata::query::Query;
use uuid::Uuid;

use crate::{DeviceRow, LeasedRun, StageEnd, StagedChange, Store, StoreError, SyncRequest};

pub(super) const TENANT: TenantId = TenantId(Uuid::from_u128(1));
pub(super) const STRANGER: TenantId = TenantId(Uuid::from_u128(2));

/// A store with a clock and a source of ids that a chapter moves along.
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    now: Timestamp,
    next: u128,
}

impl World {
    pub(super) fn on(store: Arc<dyn Store>) -> Self {
        Self { store, now: Timestamp::from_unix_seconds(1_800_000_000), next: 1000 }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn later(&mut self, seconds: u64) -> Timestamp {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.now
    }

    pub(super) fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    /// An audit entry for a change that is about to be made.
    pub(super) fn entry(&mut self, action: &str) -> AuditEntry {
        let id = AuditId(self.id());
        let entry = AuditEntry::new(id, TENANT, self.now, AuditActor::Application);
        AuditEntry { action: Some(action.to_owned()), ..entry }
    }

    pub(super) async fn create(&mut self, draft: ConnectorDraft) -> Connector {
        let (id, run) = (ConnectorId(self.id()), RunId(self.id()));
        let entry = self.entry("createConnector");
        self.store.create_connector(TENANT, id, draft, run, self.now, entry).await.unwrap()
    }

    /// A connector without an open run.
    pub(super) async fn synced(&mut self) -> ConnectorId {
        let id = self.create(ConnectorDraft::default()).await.id;
        self.sync(id, &[], true).await;
        id
    }

    /// Leases the next run for 30 seconds.
    pub(super) async fn lease(&mut self, connector: ConnectorId) -> Option<LeasedRun> {
        let until = self.now.after(Duration::from_secs(30));
        self.store.lease_run(TENANT, connector, "me", self.now, until, 3).await.unwrap()
    }

    pub(super) async fn request(&mut self, connector: ConnectorId, kind: SyncType) -> crate::RequestedSync {
        let run = RunId(self.id());
        let entry = self.entry("syncConnector");
        let request = SyncRequest { kind, run, expected: None, now: self.now };
        self.store.request_sync(TENANT, connector, request, Some(entry)).await.unwrap()
    }

    /// Runs the open run with these devices to its good end.
    pub(super) async fn sync(
        &mut self,
        connector: ConnectorId,
        devices: &[ObservedDevice],
        remove_absent: bool,
    ) -> SyncCounts {
        let lease = self.lease(connector).await.unwrap();
        self.store.begin_stage(&lease).await.unwrap();
        for part in devices.chunks(500) {
            self.store.stage(&lease, rows(part)).await.unwrap();
        }
        self.store.apply_stage(&lease, self.end(remove_absent)).await.unwrap()
    }

    /// Asks for a delta sync and runs it with these changes; the next cookie is `cookie`.
    pub(super) async fn delta_sync(
        &mut self,
        connector: ConnectorId,
        changes: Vec<StagedChange>,
        cookie: &str,
    ) -> Result<SyncCounts, StoreError> {
        self.request(connector, SyncType::Delta).await;
        let lease = self.lease(connector).await.unwrap();
        self.store.begin_stage(&lease).await?;
        for change in changes {
            self.store.stage(&lease, vec![change]).await?;
        }
        let cookie = Some(SyncCookie::from_text(cookie.to_owned()));
        self.store.apply_stage(&lease, StageEnd { cookie, ..self.end(false) }).await
    }

    /// Asks for a full sync and runs it.
    pub(super) async fn full_sync(
        &mut self,
        connector: ConnectorId,
        devices: &[ObservedDevice],
    ) -> SyncCounts {
        self.request(connector, SyncType::Full).await;
        self.sync(connector, devices, true).await
    }

    pub(super) fn end(&self, remove_absent: bool) -> StageEnd {
        let observed = ConnectorChange {
            status: Some(ConnectorStatus::Connected),
            last_sync: Some(self.now),
            ..ConnectorChange::default()
        };
        StageEnd {
            remove_absent,
            cookie: Some(SyncCookie::from_text(self.now.to_string())),
            observed,
            now: self.now,
        }
    }

    pub(super) async fn stored(&self) -> Vec<(DeviceId, ObservedDevice)> {
        let query = Query { limit: 1000, ..Query::default() };
        let page = self.store.devices(TENANT, &query).await.unwrap();
        let mut devices: Vec<_> = page.items.into_iter().map(|device| (device.id, device.observed)).collect();
        devices.sort_by_key(|(_, observed)| observed.partnership);
        devices
    }
}

pub(super) fn rows(devices: &[ObservedDevice]) -> Vec<StagedChange> {
    let row = |observed: &ObservedDevice| DeviceRow {
        id: DeviceId(Uuid::from_u128(observed.partnership.as_u128() ^ (1 << 100))),
        observed: observed.clone(),
    };
    devices.iter().map(row).map(StagedChange::Present).collect()
}

pub(super) fn device(number: u128) -> ObservedDevice {
    ObservedDevice {
        partnership: Uuid::from_u128(0x4000_8000_0000_0000_0000 + number),
        device_id: format!("D{number}"),
        friendly_name: (!number.is_multiple_of(3)).then(|| format!("Phone {number}")),
        operating_system: Some(if number.is_multiple_of(2) { "iOS 18.1" } else { "Android 15" }.to_owned()),
        access_state: Some(if number.is_multiple_of(5) { "Blocked" } else { "Allowed" }.to_owned()),
        access_state_reason: Some("Global".to_owned()),
        user_display_name: Some(format!("contoso.com/Staff/User {number}")),
        identity: Some(format!("contoso.com/Staff/User {number}/ExchangeActiveSyncDevices/iPhone§D{number}")),
        first_sync: Some(Timestamp::from_unix_seconds(1_700_000_000 + number as i64)),
        user_principal_name: (!number.is_multiple_of(4)).then(|| format!("user{number}@contoso.com")),
        email_address: (!number.is_multiple_of(4)).then(|| format!("User.{number}@contoso.com")),
        ..ObservedDevice::default()
    }
}

pub(super) fn devices(numbers: std::ops::Range<u128>) -> Vec<ObservedDevice> {
    numbers.map(device).collect()
}
