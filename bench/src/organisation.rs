//! Devices of a simulated organisation, put into a store as a sync does.

use std::time::Duration;

use exconn_exchange_sim::Organisation;
use exconn_model::{
    Clock, ConnectorChange, ConnectorDraft, ConnectorId, ConnectorStatus, DeviceId, Entropy, RunId,
};
use exconn_store::{DeviceRow, StageEnd, StagedChange, StoreError};

use crate::{service::Service, system::System};

/// Rows that are staged at once.
const BATCH: u64 = 2000;

/// Creates a connector with so many devices.
pub(crate) async fn sync(service: &Service, count: u64) -> Result<(), String> {
    stage(service, count).await.map_err(|error| format!("the devices cannot be stored: {error}"))
}

async fn stage(service: &Service, count: u64) -> Result<(), StoreError> {
    let (store, tenant) = (&service.store, service.tenant);
    let organisation = Organisation::new(7, count, "Contoso", "contoso.example");
    let (id, run) = (ConnectorId(System.uuid()), RunId(System.uuid()));
    let now = System.now();
    store.create_connector(tenant, id, ConnectorDraft::default(), run, now, System.audit(tenant)).await?;
    let until = now.after(Duration::from_secs(3600));
    let lease = store.lease_run(tenant, id, "bench", now, until, 1).await?.ok_or(StoreError::LeaseLost)?;
    store.begin_stage(&lease).await?;
    for first in (0..count).step_by(BATCH as usize) {
        let numbers = first..count.min(first + BATCH);
        let rows = numbers.filter_map(|number| organisation.device(number));
        let rows =
            rows.map(|observed| StagedChange::Present(DeviceRow { id: DeviceId(System.uuid()), observed }));
        store.stage(&lease, rows.collect()).await?;
    }
    let observed = ConnectorChange {
        status: Some(ConnectorStatus::Connected),
        last_sync: Some(System.now()),
        ..ConnectorChange::default()
    };
    store
        .apply_stage(&lease, StageEnd { remove_absent: true, cookie: None, observed, now: System.now() })
        .await?;
    Ok(())
}
