//! Answers that hold one entity.

use exconn_model::schema::Entity;
use exconn_odata::{
    entity_tag,
    options::{self, Options, Purpose},
    render::{self, View},
};
use http::{HeaderValue, StatusCode, header::ETAG};

use super::{
    Ask, PREFERENCE_APPLIED,
    etag::{self, Reading},
};
use crate::{failure::Failure, reply::Reply};

/// The options of a request for one entity.
pub(super) fn options<E: Entity>(ask: &Ask<'_>) -> Result<Options, Failure> {
    Ok(options::parse(ask.head.uri.query(), Purpose::Entity, E::TYPE)?)
}

/// 200 with an entity of the collection at the path `set`, or what the client's conditions make of it.
pub(super) fn reply<E: Entity>(
    ask: &Ask<'_>,
    set: &str,
    entity: &E,
    options: &Options,
) -> Result<Reply, Failure> {
    conditional(ask, set, entity, options, render::entity)
}

/// 200 with the entity that is alone at `path`, or what the client's conditions make of it.
pub(super) fn single<E: Entity>(
    ask: &Ask<'_>,
    path: &str,
    entity: &E,
    options: &Options,
) -> Result<Reply, Failure> {
    conditional(ask, path, entity, options, render::single)
}

/// The status that a change will be answered with.
pub(super) fn status_of_change(ask: &Ask<'_>, status: StatusCode) -> StatusCode {
    if ask.preferences.minimal { StatusCode::NO_CONTENT } else { status }
}

/// What a change made of an entity: the entity, or nothing if the client prefers that.
pub(super) fn changed<E: Entity>(
    ask: &Ask<'_>,
    set: &str,
    entity: &E,
    status: StatusCode,
) -> Result<Reply, Failure> {
    let reply = if ask.preferences.minimal {
        Reply::empty().with_header(ETAG, HeaderValue::try_from(entity_tag(entity)).ok())
    } else {
        full(ask, set, entity, &Options::default(), render::entity)?.with_status(status)
    };
    Ok(reply.with_header(PREFERENCE_APPLIED, ask.preferences.applied(true, false)))
}

fn conditional<E: Entity>(
    ask: &Ask<'_>,
    path: &str,
    entity: &E,
    options: &Options,
    render: fn(View<'_>, &E) -> Vec<u8>,
) -> Result<Reply, Failure> {
    let reply = full(ask, path, entity, options, render)?;
    let tag = reply.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
    match etag::conditions(&ask.head.headers).reading(tag)? {
        Reading::Wanted => Ok(reply),
        Reading::NotModified => Ok(reply.not_modified()),
    }
}

fn full<E: Entity>(
    ask: &Ask<'_>,
    path: &str,
    entity: &E,
    options: &Options,
    render: fn(View<'_>, &E) -> Vec<u8>,
) -> Result<Reply, Failure> {
    let form = ask.form(options)?;
    let view = ask.view(path, form, options.select.as_deref());
    let applied = ask.preferences.applied(false, false);
    let reply = ask.odata(form, render(view, entity)).with_header(PREFERENCE_APPLIED, applied);
    Ok(reply.with_header(ETAG, HeaderValue::try_from(entity_tag(entity)).ok()))
}
