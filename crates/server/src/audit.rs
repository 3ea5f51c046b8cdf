use http::{Method, StatusCode};
use uuid::Uuid;

use crate::{
    auth::Caller,
    routes::Route,
    wire::{Connection, Identity},
};

/// Characters of a path that the audit keeps.
const MAX_PATH: usize = 256;

/// What the audit knows of a request, gathered while it is answered.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) caller: Option<std::sync::Arc<Caller>>,
    pub(crate) route: Option<&'static Route>,
    pub(crate) created: Option<Uuid>,
}

/// Writes one line: who did what to which resource, from where, and how it ended. Texts from outside are escaped, so
/// that no one can write lines of their own.
pub(crate) fn record(
    trace: &Trace,
    method: &Method,
    path: &str,
    status: StatusCode,
    connection: &Connection,
    identity: &Identity,
) {
    let path = path.get(..MAX_PATH).unwrap_or(path);
    let caller = trace.caller.as_deref();
    tracing::info!(
        target: "audit",
        subject = ?caller.map(|caller| caller.subject.as_str()),
        application = ?caller.and_then(|caller| caller.application.as_deref()),
        action = ?trace.route.map(|route| route.operation),
        method = method.as_str(),
        resource = ?path,
        created = ?trace.created,
        status = status.as_u16(),
        outcome = if status.is_success() { "done" } else { "refused" },
        peer = %connection.peer,
        request_id = %identity.request,
        client_request_id = %identity.client(),
    );
}
