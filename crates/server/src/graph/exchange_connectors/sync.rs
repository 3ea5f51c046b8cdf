use exconn_model::{RunId, SyncType};
use exconn_store::SyncRequest;
use http::StatusCode;

use super::id;
use crate::{
    carry_through::carry_through,
    failure::Failure,
    graph::{Ask, etag},
    reply::Reply,
    wire::RequestBody,
};

/// `POST …/exchangeConnectors/{id}/sync`: 204 once the run is durably queued or covered by one that is.
pub(in crate::graph) async fn sync(ask: &Ask<'_>, body: &mut RequestBody) -> Result<Reply, Failure> {
    ask.no_options()?;
    let id = id(ask)?;
    let service = ask.service;
    let kind: SyncType = super::change::sync_type(&ask.json(body).await?)?;
    // The condition is on the connector (OData 4.0 protocol, 11.5.4.1), which a sync does not change by itself.
    let current = async { Ok(service.store.connector(ask.tenant(), id).await?.revision) };
    let demanded = etag::conditions(&ask.head.headers).changing(current).await?;
    let audit = ask.audit(StatusCode::NO_CONTENT);
    let (run, now) = (RunId(service.entropy.uuid()), service.clock.now());
    let request = SyncRequest { kind, run, expected: demanded, now };
    let (store, agents) = (service.store.clone(), service.agents.clone());
    let (tenant, entry) = (ask.tenant(), Some(audit.clone()));
    carry_through(async move {
        store.request_sync(tenant, id, request, entry).await?;
        agents.wake(id);
        Ok(())
    })
    .await?;
    Ok(Reply::empty().with_audit(audit))
}
