//! Who did what: the entry of each change, refusal and sign-in, and its line in the log.

mod recorder;

use std::sync::Arc;

use exconn_model::{AuditActor, AuditEntry, AuditId, AuditOutcome, GraphEnum};
use http::{StatusCode, request::Parts};

pub(crate) use recorder::Recorder;

use crate::{
    app::Service,
    auth::Caller,
    failure::Failure,
    routes::{Operation, Route},
    wire::{Connection, Identity},
};

/// Bytes of a path that the audit keeps.
const MAX_PATH: usize = 256;
/// Bytes of a method that the audit keeps: a client may send any token as its method, as long as a whole head.
const MAX_METHOD: usize = 32;

/// What the audit knows of a request, whatever becomes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) connection: &'a Connection,
    pub(crate) identity: &'a Identity,
}

/// What becomes known of a request while it is answered.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) route: Option<&'static Route>,
}

impl Asked<'_> {
    /// The entry of a request that is answered with this status.
    pub(crate) fn entry(
        &self,
        service: &Service,
        caller: Option<&Caller>,
        operation: Option<Operation>,
        status: StatusCode,
    ) -> AuditEntry {
        let path = self.head.uri.path();
        let actor = match caller {
            None => AuditActor::Unknown,
            Some(caller) if caller.delegated => AuditActor::User,
            Some(_) => AuditActor::Application,
        };
        let tenant = caller.map_or(service.config.tenant, |caller| caller.tenant);
        let id = AuditId(service.entropy.uuid());
        let named = caller.filter(|caller| !caller.is_anonymous());
        AuditEntry {
            subject: named.map(|caller| caller.subject.clone()),
            subject_name: named.and_then(|caller| caller.name.clone()),
            application: named.and_then(|caller| caller.application.clone()),
            action: operation.map(|operation| operation.name().to_owned()),
            method: Some(beginning(self.head.method.as_str(), MAX_METHOD)),
            resource: Some(beginning(path, MAX_PATH)),
            outcome: if status.is_success() { AuditOutcome::Done } else { AuditOutcome::Refused },
            status: Some(status.as_u16()),
            address: Some(self.connection.peer.ip().to_canonical().to_string()),
            request_id: Some(self.identity.request),
            client_request_id: Some(self.identity.client()),
            ..AuditEntry::new(id, tenant, service.clock.now(), actor)
        }
    }
}

fn beginning(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

impl Service {
    /// Leaves the entry of a request within a batch that was refused before it became a request.
    pub(crate) fn record_refused_item(
        &self,
        asked: Asked<'_>,
        caller: &Caller,
        failure: &Failure,
        method: &str,
        url: &str,
    ) {
        // Only the path: queries may hold names, and an address's authority a password.
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let path =
            path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        self.recorder.refusal(AuditEntry {
            method: Some(beginning(method, MAX_METHOD)),
            resource: Some(beginning(path, MAX_PATH)),
            detail: Some(failure.code().to_owned()),
            ..asked.entry(self, Some(caller), None, failure.status())
        });
    }
}

/// Writes the entry's line into the log. Texts from outside are escaped, so that no one can write lines of their own.
pub(crate) fn log(entry: &AuditEntry) {
    tracing::info!(
        target: "audit",
        actor = entry.actor.name(),
        subject = ?entry.subject,
        subject_name = ?entry.subject_name,
        application = ?entry.application,
        action = entry.action.as_deref(),
        method = entry.method.as_deref(),
        resource = ?entry.resource,
        created = entry.created.map(|id| id.to_string()),
        status = entry.status,
        outcome = entry.outcome.name(),
        detail = entry.detail.as_deref(),
        address = entry.address.as_deref(),
        request_id = entry.request_id.map(|id| id.to_string()),
        client_request_id = ?entry.client_request_id,
    );
}
