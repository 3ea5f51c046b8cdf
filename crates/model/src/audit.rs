use uuid::Uuid;

use crate::{
    AuditId, GraphEnum, TenantId, Timestamp,
    enumeration::graph_enum,
    schema::{self, Entity, EntityType, Property, Value},
};

graph_enum! {
    /// What kind of actor an audit entry is about.
    AuditActor as "auditActor" {
        /// Someone whose identity is not proven: no token, or a refused one.
        Unknown = 0 "unknown",
        /// A person, by a token with `scp`.
        User = 1 "user",
        /// A program, by a token with `roles` or by its credentials.
        Application = 2 "application",
        /// The agent of a configured Exchange connection.
        Agent = 3 "agent",
        /// exconn itself.
        Service = 4 "service",
    }
}

graph_enum! {
    /// How it ended.
    AuditOutcome as "auditOutcome" {
        /// It was done.
        Done = 0 "done",
        /// It was refused, or failed without having changed anything.
        Refused = 1 "refused",
    }
}

/// One line of the audit: who did what to which resource, from where, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Identity, given by exconn.
    pub id: AuditId,
    /// The tenant whose data it is about.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// What kind of actor.
    pub actor: AuditActor,
    /// The actor's identity that never changes: `oid` or `sub` of its token, or the connection's name of an agent.
    pub subject: Option<String>,
    /// The actor's name for people: `upn`, `preferred_username` or the like. Its issuer may let people change it.
    pub subject_name: Option<String>,
    /// The program that asked: `appid` or `azp` of its token, or its client id.
    pub application: Option<String>,
    /// What was done, for instance `createConnector`; for a request that named nothing known, null.
    pub action: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The path of the request, without its query.
    pub resource: Option<String>,
    /// The id of what was created.
    pub created: Option<Uuid>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The HTTP status that it was answered with.
    pub status: Option<u16>,
    /// Why it was refused, as the error code of the answer, or what else is worth knowing.
    pub detail: Option<String>,
    /// The address that the request came from.
    pub address: Option<String>,
    /// The `request-id` of the answer.
    pub request_id: Option<Uuid>,
    /// The client's own id of the request.
    pub client_request_id: Option<String>,
}

impl AuditEntry {
    /// An entry that says only that something was done, by what kind of actor and when.
    pub fn new(id: AuditId, tenant: TenantId, at: Timestamp, actor: AuditActor) -> Self {
        Self {
            id,
            tenant,
            at,
            actor,
            subject: None,
            subject_name: None,
            application: None,
            action: None,
            method: None,
            resource: None,
            created: None,
            outcome: AuditOutcome::Done,
            status: None,
            detail: None,
            address: None,
            request_id: None,
            client_request_id: None,
        }
    }
}

/// What `GET /exconn/v1/audit` shows.
pub const AUDIT_ENTRY: EntityType = EntityType::read_only(
    "auditEntry",
    "Who did what to which resource, from where, and how it ended.",
    &[
        schema::key(),
        schema::moment("dateTime", "When."),
        schema::enumeration("actor", AuditActor::TYPE, "What kind of actor."),
        schema::text("subject", "The actor's identity that never changes."),
        schema::text("subjectName", "The actor's name for people; its issuer may let them change it."),
        schema::text("application", "The program that asked."),
        schema::text("action", "What was done, for instance createConnector."),
        schema::text("method", "The HTTP method."),
        schema::text("resource", "The path of the request."),
        schema::text("created", "The id of what was created."),
        schema::enumeration("outcome", AuditOutcome::TYPE, "How it ended."),
        Property { nullable: true, ..schema::number("status", "The HTTP status of the answer.") },
        schema::text("detail", "Why it was refused, or what else is worth knowing."),
        schema::text("address", "Where the request came from."),
        schema::text("requestId", "The request-id of the answer."),
        schema::text("clientRequestId", "The client's own id of the request."),
    ],
);

impl Entity for AuditEntry {
    const TYPE: &'static EntityType = &AUDIT_ENTRY;

    fn value(&self, position: usize) -> Value<'_> {
        let owned = |text: Option<String>| text.map_or(Value::Null, |text| Value::Text(text.into()));
        match position {
            0 => Value::Text(self.id.to_string().into()),
            1 => Value::Timestamp(self.at),
            2 => Value::Enum(AuditActor::TYPE, self.actor.number()),
            3 => Value::text(self.subject.as_deref()),
            4 => Value::text(self.subject_name.as_deref()),
            5 => Value::text(self.application.as_deref()),
            6 => Value::text(self.action.as_deref()),
            7 => Value::text(self.method.as_deref()),
            8 => Value::text(self.resource.as_deref()),
            9 => owned(self.created.map(|id| id.to_string())),
            10 => Value::Enum(AuditOutcome::TYPE, self.outcome.number()),
            11 => self.status.map_or(Value::Null, |status| Value::Int32(i32::from(status))),
            12 => Value::text(self.detail.as_deref()),
            13 => Value::text(self.address.as_deref()),
            14 => owned(self.request_id.map(|id| id.to_string())),
            15 => Value::text(self.client_request_id.as_deref()),
            _ => Value::Null,
        }
    }
}
