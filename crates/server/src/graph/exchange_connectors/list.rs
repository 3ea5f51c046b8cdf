use exconn_model::Connector;

use super::SET;
use crate::{
    failure::Failure,
    graph::{Ask, collection::List},
    reply::Reply,
};

/// `GET …/exchangeConnectors`
pub(in crate::graph) async fn list(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let list = List::<Connector>::read(ask, SET)?;
    let store = &ask.service.store;
    let page = store.connectors(ask.tenant(), list.query()).await?;
    let count = match list.counts() {
        true => Some(store.count_connectors(ask.tenant(), list.query().filter.as_ref()).await?),
        false => None,
    };
    list.reply(ask, &page, count)
}
