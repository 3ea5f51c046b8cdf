use exconn_model::Connector;

use super::{SET, id};
use crate::{
    failure::Failure,
    graph::{Ask, entity},
    reply::Reply,
};

/// `GET …/exchangeConnectors/{id}`
pub(in crate::graph) async fn get(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let options = entity::options::<Connector>(ask)?;
    let connector = ask.service.store.connector(ask.tenant(), id(ask)?).await?;
    entity::reply(ask, SET, &connector, &options)
}
