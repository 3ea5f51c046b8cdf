//! Answers that hold one entity.

use exconn_model::schema::Entity;
use exconn_odata::{
    options::{self, Options, Purpose},
    render,
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
) -> Result<Reply, Failure> {
    let metadata = ask.metadata(options)?;
    let view = ask.view(set, metadata, options.select.as_deref());
    let applied = ask.preferences.applied(false, false);
    let reply = ask.odata(metadata, render::entity(view, entity)).with_header(PREFERENCE_APPLIED, applied);
    Ok(reply.with_header(ETAG, entity.revision().and_then(etag::of)))
}

/// 200 with the entity that is alone at `path`.
pub(super) fn single<E: Entity>(
    ask: &Ask<'_>,
    path: &str,
    entity: &E,
    options: &Options,
) -> Result<Reply, Failure> {
    let metadata = ask.metadata(options)?;
    let view = ask.view(path, metadata, options.select.as_deref());
    let applied = ask.preferences.applied(false, false);
    Ok(ask.odata(metadata, render::single(view, entity)).with_header(PREFERENCE_APPLIED, applied))
}

/// What a change made of an entity: the entity, or nothing if the client prefers that.
pub(super) fn changed<E: Entity>(
    ask: &Ask<'_>,
    set: &str,
    entity: &E,
    status: StatusCode,
) -> Result<Reply, Failure> {
    let reply = if ask.preferences.minimal {
        Reply::empty().with_header(ETAG, entity.revision().and_then(etag::of))
    } else {
        reply(ask, set, entity, &Options::default())?.with_status(status)
    };
    Ok(reply.with_header(PREFERENCE_APPLIED, ask.preferences.applied(true, false)))
}
