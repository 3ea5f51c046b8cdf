use http::StatusCode;

use super::{SET, change, id};
use crate::{
    failure::Failure,
    graph::{Ask, entity, etag},
    reply::Reply,
    wire::RequestBody,
};

/// `PATCH …/exchangeConnectors/{id}`: changes what the body names.
pub(in crate::graph) async fn update(ask: &Ask<'_>, body: &mut RequestBody) -> Result<Reply, Failure> {
    ask.no_options()?;
    ask.can_show_entity()?;
    let id = id(ask)?;
    let (store, tenant) = (&ask.service.store, ask.tenant());
    let change = change::for_update(&ask.json(body).await?, ask.id)?;
    let conditions = etag::conditions(&ask.head.headers);
    let current = async { Ok::<_, Failure>(store.connector(tenant, id).await?.revision) };
    let expected = conditions.changing(current).await?;
    let audit = ask.audit(entity::status_of_change(ask, StatusCode::OK));
    let connector = store.update_connector(tenant, id, change, expected, audit.clone()).await?;
    Ok(entity::changed(ask, SET, &connector, StatusCode::OK)?.with_audit(audit))
}
