use exconn_model::Connector;

use crate::{
    failure::Failure,
    graph::{Ask, collection},
    reply::Reply,
};

/// `GET …/exchangeConnectors/$count`
pub(in crate::graph) async fn count(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let filter = collection::count_options::<Connector>(ask)?;
    let count = ask.service.store.count_connectors(ask.tenant(), filter.as_ref()).await?;
    Ok(Reply::text(count.to_string()))
}
