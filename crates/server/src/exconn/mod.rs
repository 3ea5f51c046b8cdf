//! exconn's own routes, under `/exconn/v1`: what the Graph has no place for.

mod description;
mod runs;

pub(crate) use description::get_description;
pub(crate) use runs::{get_run, list_runs};

use std::borrow::Cow;

use crate::{answer::Target, failure::Failure, routes::Place};

const ROOT: &str = "/exconn/v1";

/// What a path names; `None` if the path is not one of exconn's own.
pub(crate) fn resolve(path: &str) -> Option<Result<Target<'_>, Failure>> {
    let rest = path.strip_prefix(ROOT)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut segments = rest.split('/').skip(1);
    let (first, second, third) = (segments.next(), segments.next(), segments.next());
    let (place, id) = match (first, second, third, segments.next()) {
        (Some("openapi.json"), None, ..) => (Place::Description, None),
        (Some("runs"), Some(id), None, _) => (Place::Run, Some(id)),
        (Some("connectors"), Some(id), Some("runs"), None) => (Place::ConnectorRuns, Some(id)),
        _ => return Some(Err(Failure::UnknownRoute)),
    };
    Some(Ok(Target { place, id: id.map(Cow::Borrowed), version: None }))
}
