//! exconn's own routes, under `/exconn/v1`: what the Graph has no place for.

mod description;
mod runs;

pub(crate) use description::get_description;
pub(crate) use runs::{get_run, list_runs};

use std::borrow::Cow;

use crate::{failure::Failure, routes::Place};

const ROOT: &str = "/exconn/v1";

/// The place that a path names, and the id in it; `None` if the path is not one of exconn's own.
pub(crate) fn resolve(path: &str) -> Option<Result<(Place, Option<Cow<'_, str>>), Failure>> {
    let rest = path.strip_prefix(ROOT)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut segments = rest.split('/').skip(1);
    let (first, second, third) = (segments.next(), segments.next(), segments.next());
    let place = match (first, second, third, segments.next()) {
        (Some("openapi.json"), None, ..) => (Place::Description, None),
        (Some("runs"), Some(id), None, _) => (Place::Run, Some(Cow::Borrowed(id))),
        (Some("connectors"), Some(id), Some("runs"), None) => (Place::ConnectorRuns, Some(Cow::Borrowed(id))),
        _ => return Some(Err(Failure::NotFound)),
    };
    Some(Ok(place))
}
