use exconn_model::{AuditEntry, ConnectorDraft, ConnectorId, RunId};
use http::{
    HeaderValue, StatusCode,
    header::{HeaderName, LOCATION},
};

use super::{SET, change};
use crate::{
    carry_through::carry_through,
    failure::Failure,
    graph::{Ask, entity, etag},
    reply::Reply,
    wire::RequestBody,
};

/// `POST …/exchangeConnectors`: the connector and its first full sync are stored together.
pub(in crate::graph) async fn create(ask: &Ask<'_>, body: &mut RequestBody) -> Result<Reply, Failure> {
    ask.no_options()?;
    ask.can_show_entity()?;
    let change = change::for_create(&ask.json(body).await?)?;
    etag::conditions(&ask.head.headers).adding()?;
    let service = ask.service;
    let (id, run) = (ConnectorId(service.entropy.uuid()), RunId(service.entropy.uuid()));
    let draft = ConnectorDraft::default().with(change);
    let status = entity::status_of_change(ask, StatusCode::CREATED);
    let audit = AuditEntry { created: Some(id.0), ..ask.audit(status) };
    let (store, agents) = (service.store.clone(), service.agents.clone());
    let (tenant, now, entry) = (ask.tenant(), service.clock.now(), audit.clone());
    let connector = carry_through(async move {
        let connector = store.create_connector(tenant, id, draft, run, now, entry).await?;
        agents.wake(id);
        Ok(connector)
    })
    .await?;
    let location = HeaderValue::try_from(format!("{}/{SET}/{id}", ask.root)).ok();
    let mut reply =
        entity::changed(ask, SET, &connector, StatusCode::CREATED)?.with_header(LOCATION, location.clone());
    if reply.status == StatusCode::NO_CONTENT {
        // Without a body the id stands here (OData 4.0 protocol, 8.3.3).
        reply = reply.with_header(HeaderName::from_static("odata-entityid"), location);
    }
    Ok(reply.with_audit(audit))
}
