use http::StatusCode;

use super::id;
use crate::{
    carry_through::carry_through,
    failure::Failure,
    graph::{Ask, etag},
    reply::Reply,
};

/// `DELETE …/exchangeConnectors/{id}`: its devices go with it, its runs are cancelled.
pub(in crate::graph) async fn delete(ask: &Ask<'_>) -> Result<Reply, Failure> {
    ask.no_options()?;
    let id = id(ask)?;
    let (store, tenant) = (&ask.service.store, ask.tenant());
    let conditions = etag::conditions(&ask.head.headers);
    let current = async { Ok::<_, Failure>(store.connector(tenant, id).await?.revision) };
    let expected = conditions.changing(current).await?;
    let audit = ask.audit(StatusCode::NO_CONTENT);
    let (store, agents) = (store.clone(), ask.service.agents.clone());
    let (now, entry) = (ask.service.clock.now(), audit.clone());
    carry_through(async move {
        store.delete_connector(tenant, id, expected, now, entry).await?;
        // Its agent may be in the middle of a run that no longer counts.
        agents.wake(id);
        Ok(())
    })
    .await?;
    Ok(Reply::empty().with_audit(audit))
}
