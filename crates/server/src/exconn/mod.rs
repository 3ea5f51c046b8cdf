//! exconn's own routes, under `/exconn/v1`: what the Graph has no place for.

mod access;
mod apps;
mod description;
mod devices;
mod excerpt;
mod runs;
pub(crate) mod secret;
mod test;

pub(crate) use access::set_access;
pub(crate) use apps::answer_apps;
pub(crate) use description::get_description;
pub(crate) use devices::get_device;
pub(crate) use runs::{get_run, list_runs};
pub(crate) use test::test_connector;

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
        (Some("audit"), None, ..) => (Place::Audit, None),
        (Some("apps"), None, ..) => (Place::Apps, None),
        (Some("apps"), Some(id), None, _) => (Place::App, Some(id)),
        (Some("apps"), Some(id), Some("rotate"), None) => (Place::AppRotation, Some(id)),
        (Some("devices"), Some(id), None, _) => (Place::ObservedDevice, Some(id)),
        (Some("runs"), Some(id), None, _) => (Place::Run, Some(id)),
        (Some("connectors"), Some(id), Some("runs"), None) => (Place::ConnectorRuns, Some(id)),
        (Some("connectors"), Some(id), Some("test"), None) => (Place::ConnectorTest, Some(id)),
        (Some("devices"), Some(id), Some("access"), None) => (Place::DeviceAccess, Some(id)),
        _ => return Some(Err(Failure::UnknownRoute)),
    };
    Some(Ok(Target { place, id: id.map(Cow::Borrowed), version: None }))
}

/// Refuses query options, where there are none.
fn no_options(query: Option<&str>) -> Result<(), Failure> {
    match options(query).next() {
        None => Ok(()),
        Some(_) => Err(Failure::bad("There are no query options here.")),
    }
}

fn options(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.unwrap_or_default().split('&').filter(|option| !option.is_empty())
}
