//! Answers that hold one entity.

use exconn_model::schema::Entity;
use exconn_odata::{
    options::{self, Options, Purpose},
    render::{self, View},
};
use http::{StatusCode, header::ETAG};

use super::{Ask, PREFERENCE_APPLIED, etag};
use crate::{failure::Failure, reply::Reply};

/// The options of a request for one entity.
pub(super) fn options<E: Entity>(ask: &Ask<'_>) -> Result<Options, Failure> {
    Ok(options::parse(ask.head.uri.query(), Purpose::Entity, E::TYPE)?)
}

/// 200 with an entity.
pub(super) fn reply<E: Entity>(
    ask: &Ask<'_>,
    set: &str,
    entity: &E,
    options: &Options,
    revision: Option<i64>,
) -> Result<Reply, Failure> {
    let metadata = ask.metadata(options)?;
    let view = View { root: ask.root, set, metadata, select: options.select.as_deref() };
    let tag = revision.map(etag::text);
    let reply = ask.odata(metadata, render::entity(view, entity, tag.as_deref()));
    Ok(reply.with_header(ETAG, revision.and_then(etag::of)))
}

/// What a change made of an entity: the entity, or nothing if the client prefers that.
pub(super) fn changed<E: Entity>(
    ask: &Ask<'_>,
    set: &str,
    entity: &E,
    revision: i64,
    status: StatusCode,
) -> Result<Reply, Failure> {
    let reply = if ask.preferences.minimal {
        Reply::empty().with_header(ETAG, etag::of(revision))
    } else {
        reply(ask, set, entity, &Options::default(), Some(revision))?.with_status(status)
    };
    Ok(reply.with_header(PREFERENCE_APPLIED, ask.preferences.applied(true, false)))
}
