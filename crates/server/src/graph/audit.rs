use exconn_model::AuditEntry;
use exconn_odata::query::OrderBy;

use super::{Ask, collection::List};
use crate::{failure::Failure, reply::Reply};

/// The newest first: the position of `dateTime`.
const ORDER: [OrderBy; 1] = [OrderBy { property: 1, descending: true }];

/// `GET /exconn/v1/audit`: not one of the Graph's, but a collection with the same options.
pub(super) async fn list(ask: &Ask<'_>) -> Result<Reply, Failure> {
    let list = List::<AuditEntry>::read_ordered(ask, "audit", &ORDER)?;
    let store = &ask.service.store;
    let page = store.audit(ask.tenant(), list.query()).await?;
    let count = match list.counts() {
        true => Some(store.count_audit(ask.tenant(), list.query().filter.as_ref()).await?),
        false => None,
    };
    list.reply(ask, &page, count)
}
