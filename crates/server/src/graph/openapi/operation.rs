//! Each operation as the OpenAPI document tells it.

use exconn_model::{
    CONNECTOR, DEVICE_MANAGEMENT, MANAGED_DEVICE, MANAGED_DEVICE_OVERVIEW, Timestamp, schema::EntityType,
};
use exconn_odata::{
    filter::Context,
    openapi::{self, query_parameters},
    options::Purpose,
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::responses::{ALWAYS, failure, success};
use crate::routes::{Access, Operation};

const SYNC: &str = "deviceManagement.exchangeConnectors.deviceManagementExchangeConnector.sync";
const QUALIFIED_SYNC: &str =
    "deviceManagement.exchangeConnectors.deviceManagementExchangeConnector.sync.qualified";

/// What an operation does, in the few forms that there are.
#[derive(Clone, Copy, Debug)]
enum Form {
    List,
    Count,
    /// One entity under its id.
    Get,
    /// An entity that is alone at its path.
    Single,
    Create,
    Update,
    Delete,
    Sync,
    ServiceDocument,
    Metadata,
    Description,
    Batch,
}

/// An operation and what its document needs.
pub(super) struct Described {
    form: Form,
    id: &'static str,
    summary: &'static str,
    entity: &'static EntityType,
}

impl Described {
    /// The operations of the Graph; the names are those of Microsoft's own document.
    pub(super) fn of(operation: Operation) -> Option<Self> {
        use Operation as Op;
        let described = |form, id, entity, summary| Some(Self { form, id, summary, entity });
        let (connector, device) = (&CONNECTOR, &MANAGED_DEVICE);
        match operation {
            Op::ListConnectors => described(
                Form::List,
                "deviceManagement.ListExchangeConnectors",
                connector,
                "List connectors.",
            ),
            Op::CreateConnector => described(
                Form::Create,
                "deviceManagement.CreateExchangeConnectors",
                connector,
                "Create a connector; a first full sync is queued with it.",
            ),
            Op::CountConnectors => described(
                Form::Count,
                "deviceManagement.exchangeConnectors.GetCount-7e43",
                connector,
                "Count connectors.",
            ),
            Op::GetConnector => {
                described(Form::Get, "deviceManagement.GetExchangeConnectors", connector, "Read a connector.")
            }
            Op::UpdateConnector => described(
                Form::Update,
                "deviceManagement.UpdateExchangeConnectors",
                connector,
                "Change a connector.",
            ),
            Op::DeleteConnector => described(
                Form::Delete,
                "deviceManagement.DeleteExchangeConnectors",
                connector,
                "Remove a connector with its devices.",
            ),
            Op::SyncConnector => described(Form::Sync, SYNC, connector, "Queue a sync."),
            Op::ListDevices => {
                described(Form::List, "deviceManagement.ListManagedDevices", device, "List devices.")
            }
            Op::CountDevices => {
                described(Form::Count, "deviceManagement.managedDevices.GetCount", device, "Count devices.")
            }
            Op::GetDevice => {
                described(Form::Get, "deviceManagement.GetManagedDevices", device, "Read a device.")
            }
            Op::GetDeviceOverview => described(
                Form::Single,
                "deviceManagement.GetManagedDeviceOverview",
                &MANAGED_DEVICE_OVERVIEW,
                "Count devices by access state.",
            ),
            Op::GetDeviceManagement => described(
                Form::Single,
                "deviceManagement.GetDeviceManagement",
                &DEVICE_MANAGEMENT,
                "Read what is above connectors and devices.",
            ),
            Op::GetServiceDocument => described(
                Form::ServiceDocument,
                "GetServiceDocument",
                &DEVICE_MANAGEMENT,
                "What can be asked for.",
            ),
            Op::GetMetadata => described(
                Form::Metadata,
                "GetMetadata",
                &DEVICE_MANAGEMENT,
                "The description of all types, as CSDL XML 4.0 or CSDL JSON 4.01.",
            ),
            Op::GetGraphDescription => {
                described(Form::Description, "GetDescription", &DEVICE_MANAGEMENT, "This document.")
            }
            Op::Batch => {
                described(Form::Batch, "Batch", &DEVICE_MANAGEMENT, "Carry out several requests in one.")
            }
            _ => None,
        }
    }

    /// What the route table's `{id}` is called here.
    pub(super) fn id_parameter(&self) -> &'static str {
        id_parameter(self.entity)
    }

    /// The operation object; `suffix` tells the operations of one action's two names apart.
    pub(super) fn operation(&self, access: Access, suffix: &str) -> Value {
        let mut operation = json!({
            "operationId": format!("{}{suffix}", self.id),
            "summary": self.summary,
            "description": demand(access),
            "parameters": self.parameters(),
            "responses": self.responses(access),
        });
        if let Value::Object(members) = &mut operation {
            if access == Access::Open {
                members.insert("security".to_owned(), json!([]));
            }
            if let Some(schema) = self.body() {
                let body = json!({"required": true, "content": {"application/json": {"schema": schema}}});
                members.insert("requestBody".to_owned(), body);
            }
        }
        operation
    }

    fn body(&self) -> Option<Value> {
        match self.form {
            Form::Create => Some(openapi::create_body(self.entity)),
            Form::Update => Some(openapi::update_body(self.entity)),
            Form::Sync => self.entity.actions.first().map(openapi::parameters_body),
            Form::Batch => Some(openapi::batch_body()),
            _ => None,
        }
    }

    fn parameters(&self) -> Vec<Value> {
        let shared = |name: &str| json!({"$ref": format!("#/components/parameters/{name}")});
        let id = self.id_parameter().trim_matches(['{', '}']);
        // Which options there are does not depend on what a filter means.
        let any = Context { now: Timestamp::UNSET, unknown_members: false };
        let (purpose, names): (_, &[&str]) = match self.form {
            Form::List => (Purpose::List(any), &["prefer"]),
            Form::Count => (Purpose::Count(any), &[]),
            Form::Get => (Purpose::Entity, &[id, "prefer"]),
            Form::Single => (Purpose::Entity, &["prefer"]),
            Form::ServiceDocument => (Purpose::Document, &[]),
            Form::Create => (Purpose::Nothing, &["prefer"]),
            Form::Update => (Purpose::Nothing, &[id, "prefer", "ifMatch"]),
            Form::Delete => (Purpose::Nothing, &[id, "ifMatch"]),
            Form::Sync => (Purpose::Nothing, &[id]),
            Form::Metadata => (Purpose::Nothing, &["metadataFormat", "ifNoneMatch"]),
            Form::Description => (Purpose::Nothing, &["ifNoneMatch"]),
            Form::Batch => (Purpose::Nothing, &[]),
        };
        let mut parameters: Vec<Value> = names.iter().map(|name| shared(name)).collect();
        parameters.extend(query_parameters(purpose, self.entity));
        parameters.push(shared("clientRequestId"));
        parameters
    }

    fn responses(&self, access: Access) -> Map<String, Value> {
        let mut responses: Map<String, Value> = self.successes().into_iter().collect();
        // Who shows no token is not counted, and so not told to wait.
        let token: &[_] = match access {
            Access::Open => &[],
            Access::Token => &[StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS],
            Access::Needs(_) => {
                &[StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS]
            }
        };
        let mut statuses: Vec<StatusCode> = [token, &ALWAYS, self.failures()].concat();
        statuses.sort_unstable();
        responses.extend(statuses.into_iter().map(failure));
        responses
    }

    fn successes(&self) -> Vec<(String, Value)> {
        let entity = Some(("application/json", openapi::reference(self.entity.name)));
        // Documents that are read before anything else come without a tag for entities that have no revision.
        let tagged: &[&str] = if self.entity.is_changeable { &["ETag"] } else { &[] };
        let ok = StatusCode::OK;
        match self.form {
            Form::List => {
                let page = ("application/json", openapi::collection(self.entity));
                let page = success(ok, "A page.", Some(page), &["Preference-Applied"]);
                vec![with_links(page, links(self.entity, "/value/0/id"))]
            }
            Form::Count => {
                let digits = json!({"type": "integer", "format": "int64", "minimum": 0});
                vec![success(ok, "The number, as digits.", Some(("text/plain", digits)), &[])]
            }
            Form::Get | Form::Single => {
                let headers = [tagged, &["Preference-Applied"]].concat();
                vec![success(ok, "The entity.", entity, &headers)]
            }
            Form::Create => {
                let created = success(
                    StatusCode::CREATED,
                    "The new entity.",
                    entity,
                    &["Location", "ETag", "Preference-Applied"],
                );
                let created = with_links(created, links(self.entity, "/id"));
                let headers = ["Location", "ETag", "OData-EntityId", "Preference-Applied"];
                let minimal = "Created, with Prefer: return=minimal.";
                vec![created, success(StatusCode::NO_CONTENT, minimal, None, &headers)]
            }
            Form::Update => {
                let headers = ["ETag", "Preference-Applied"];
                let minimal = "Changed, with Prefer: return=minimal.";
                vec![
                    success(ok, "The changed entity.", entity, &headers),
                    success(StatusCode::NO_CONTENT, minimal, None, &headers),
                ]
            }
            Form::Delete => vec![success(StatusCode::NO_CONTENT, "Removed.", None, &[])],
            Form::Sync => {
                let queued = "The sync is stored and will happen.";
                vec![success(StatusCode::NO_CONTENT, queued, None, &[])]
            }
            Form::ServiceDocument => {
                let schema = json!({"$ref": "#/components/schemas/serviceDocument"});
                vec![success(ok, "The service document.", Some(("application/json", schema)), &[])]
            }
            Form::Metadata => {
                let mut document = success(ok, "The description.", None, &["ETag"]);
                if let Value::Object(members) = &mut document.1 {
                    let content = json!({
                        "application/xml": {"schema": {"type": "string"}},
                        "application/json": {"schema": {"type": "object"}},
                    });
                    members.insert("content".to_owned(), content);
                }
                vec![document, not_modified()]
            }
            Form::Batch => {
                let answers = ("application/json", openapi::batch_answer());
                vec![success(ok, "The answers, each with a status of its own.", Some(answers), &[])]
            }
            Form::Description => {
                let content = ("application/json", json!({"type": "object"}));
                vec![success(ok, "This document.", Some(content), &["ETag"]), not_modified()]
            }
        }
    }

    /// The failures beside those that every request can meet.
    fn failures(&self) -> &'static [StatusCode] {
        const NOT_ACCEPTABLE: StatusCode = StatusCode::NOT_ACCEPTABLE;
        const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
        const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        const SLOW: StatusCode = StatusCode::REQUEST_TIMEOUT;
        const LARGE: StatusCode = StatusCode::PAYLOAD_TOO_LARGE;
        const ENCODED: StatusCode = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        const FULL: StatusCode = StatusCode::INSUFFICIENT_STORAGE;
        const CHANGED: StatusCode = StatusCode::PRECONDITION_FAILED;
        match self.form {
            Form::List | Form::Count => &[NOT_ACCEPTABLE, UNAVAILABLE],
            Form::Single => &[NOT_ACCEPTABLE, UNAVAILABLE],
            Form::Get => &[NOT_FOUND, NOT_ACCEPTABLE, UNAVAILABLE],
            Form::Create => &[NOT_ACCEPTABLE, SLOW, LARGE, ENCODED, UNAVAILABLE, FULL],
            Form::Update => &[NOT_FOUND, NOT_ACCEPTABLE, SLOW, CHANGED, LARGE, ENCODED, UNAVAILABLE, FULL],
            Form::Delete => &[NOT_FOUND, CHANGED, UNAVAILABLE, FULL],
            Form::Sync => &[NOT_FOUND, SLOW, LARGE, ENCODED, UNAVAILABLE, FULL],
            Form::ServiceDocument | Form::Metadata => &[NOT_ACCEPTABLE],
            Form::Batch => &[SLOW, LARGE, ENCODED],
            Form::Description => &[],
        }
    }
}

/// What the caller's token must hold.
fn demand(access: Access) -> String {
    match access {
        Access::Open => "Needs no token.".to_owned(),
        Access::Token => "Needs a valid token, whatever its permissions.".to_owned(),
        Access::Needs(need) => {
            let names: Vec<_> = need.accepted().iter().map(|permission| permission.name()).collect();
            format!("Needs one of these permissions: {}.", names.join(", "))
        }
    }
}

/// What can be done next with an entity whose id stands at `pointer` of the answer.
fn links(entity: &EntityType, pointer: &str) -> Value {
    let operations: &[&str] = if entity.name == CONNECTOR.name {
        &[
            "deviceManagement.GetExchangeConnectors",
            "deviceManagement.UpdateExchangeConnectors",
            SYNC,
            QUALIFIED_SYNC,
            "deviceManagement.DeleteExchangeConnectors",
        ]
    } else {
        &["deviceManagement.GetManagedDevices"]
    };
    let id = id_parameter(entity);
    let link = |operation: &&str| {
        let id = id.trim_matches(['{', '}']);
        let parameters = json!({id: format!("$response.body#{pointer}")});
        let name = operation.rsplit('.').next().unwrap_or(operation);
        (name.to_owned(), json!({"operationId": operation, "parameters": parameters}))
    };
    operations.iter().map(link).collect()
}

fn with_links(mut response: (String, Value), links: Value) -> (String, Value) {
    if let Value::Object(members) = &mut response.1 {
        members.insert("links".to_owned(), links);
    }
    response
}

/// What the route table's `{id}` is called here.
fn id_parameter(entity: &EntityType) -> &'static str {
    if entity.name == CONNECTOR.name {
        "{deviceManagementExchangeConnector-id}"
    } else {
        "{managedDevice-id}"
    }
}

fn not_modified() -> (String, Value) {
    success(StatusCode::NOT_MODIFIED, "The client has it, as If-None-Match says.", None, &["ETag"])
}

/// Parameters of several operations.
pub(super) fn shared_parameters() -> Value {
    let text = json!({"type": "string"});
    let id = |name: &str| {
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": "A lower-case GUID.",
            "schema": {"type": "string", "format": "uuid"},
        })
    };
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "description": description, "schema": text});
    json!({
        "deviceManagementExchangeConnector-id": id("deviceManagementExchangeConnector-id"),
        "managedDevice-id": id("managedDevice-id"),
        "clientRequestId": header(
            "client-request-id",
            "A GUID that comes back, for finding the request again; another text is passed over.",
        ),
        "ifMatch": header(
            "If-Match",
            "Entity tags, or *: only if the resource still has one of them.",
        ),
        "ifNoneMatch": header("If-None-Match", "Entity tags: 304 if the document still has one of them."),
        "prefer": header(
            "Prefer",
            "odata.maxpagesize=N for pages of lists, return=minimal for changes, include-unknown-enum-members; what \
             does not apply is passed over.",
        ),
        "metadataFormat": {
            "name": "$format",
            "in": "query",
            "description": "The form; wins over Accept.",
            "schema": {"type": "string", "enum": ["xml", "json", "application/xml", "application/json"]},
        },
    })
}
