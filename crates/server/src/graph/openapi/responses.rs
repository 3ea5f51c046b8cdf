//! Answers in the OpenAPI document.

use http::StatusCode;
use serde_json::{Map, Value, json};

/// Every failure that a request can meet, with what it means.
const FAILURES: [(StatusCode, &str); 13] = [
    (StatusCode::BAD_REQUEST, "Body, option or path is wrong; the message says what and where."),
    (StatusCode::UNAUTHORIZED, "No token, or one that is malformed, expired or foreign."),
    (StatusCode::FORBIDDEN, "The token lacks the permission; the message names those that would do."),
    (StatusCode::NOT_FOUND, "There is no resource with this id."),
    (StatusCode::NOT_ACCEPTABLE, "Accept or $format allows nothing that there is."),
    (StatusCode::REQUEST_TIMEOUT, "The body came too slowly."),
    (StatusCode::PRECONDITION_FAILED, "The resource was changed since it had the tag in If-Match."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than the limit."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "A Content-Encoding other than gzip."),
    (StatusCode::TOO_MANY_REQUESTS, "Too many requests; wait as Retry-After says."),
    (StatusCode::INTERNAL_SERVER_ERROR, "The service failed; its log has more under the request-id."),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "The database does not answer or cannot be written; wait as Retry-After says.",
    ),
    (StatusCode::INSUFFICIENT_STORAGE, "The disk is full; nothing was changed."),
];

/// Failures that the connection answers before the request is one: they have no body.
const OF_THE_CONNECTION: [(StatusCode, &str); 2] = [
    (StatusCode::URI_TOO_LONG, "The address is too long."),
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Address and headers together are too long."),
];

/// The statuses that every request can meet.
pub(super) const ALWAYS: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::URI_TOO_LONG,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::INTERNAL_SERVER_ERROR,
];

/// The failures as components.
pub(super) fn failures() -> Map<String, Value> {
    let bare = OF_THE_CONNECTION
        .iter()
        .map(|(status, description)| (status.as_u16().to_string(), json!({"description": description})));
    let described = FAILURES.iter().map(|(status, description)| {
        let mut response = json!({
            "description": description,
            "headers": header_references(&["request-id", "client-request-id"]),
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}},
        });
        let header = match *status {
            StatusCode::UNAUTHORIZED => Some("WWW-Authenticate"),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some("Retry-After"),
            _ => None,
        };
        if let Some(name) = header
            && let Some(Value::Object(headers)) = response.get_mut("headers")
        {
            headers.extend(header_references(&[name]));
        }
        (status.as_u16().to_string(), response)
    });
    described.chain(bare).collect()
}

/// The failure with this status, as an operation names it.
pub(super) fn failure(status: StatusCode) -> (String, Value) {
    let status = status.as_u16().to_string();
    let reference = json!({"$ref": format!("#/components/responses/{status}")});
    (status, reference)
}

/// A success.
pub(super) fn success(
    status: StatusCode,
    description: &str,
    content: Option<(&str, Value)>,
    headers: &[&str],
) -> (String, Value) {
    let mut response = json!({"description": description});
    if let Value::Object(members) = &mut response {
        let mut names = vec!["request-id", "client-request-id"];
        names.extend(headers);
        members.insert("headers".to_owned(), header_references(&names).into());
        if let Some((media_type, schema)) = content {
            members.insert("content".to_owned(), json!({media_type: {"schema": schema}}));
        }
    }
    (status.as_u16().to_string(), response)
}

fn header_references(names: &[&str]) -> Map<String, Value> {
    let reference =
        |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    names.iter().map(reference).collect()
}

/// Headers of answers as components.
pub(super) fn headers() -> Value {
    json!({
        "request-id": {
            "required": true,
            "description": "The service's id of the request.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "client-request-id": {
            "required": true,
            "description": "The client's id of the request if it is a GUID, else the service's.",
            "schema": {"type": "string", "format": "uuid"},
        },
        "ETag": {
            "required": true,
            "description": "The tag of what the answer shows.",
            "schema": {"type": "string"},
        },
        "Location": {
            "required": true,
            "description": "The address of the new entity.",
            "schema": {"type": "string", "format": "uri"},
        },
        "OData-EntityId": {
            "description": "The address of the new entity, where the answer has no body.",
            "schema": {"type": "string", "format": "uri"},
        },
        "Preference-Applied": {
            "description": "The preferences that had an effect.",
            "schema": {"type": "string"},
        },
        "WWW-Authenticate": {
            "required": true,
            "description": "What kind of token is expected.",
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "required": true,
            "description": "Whole seconds to wait.",
            "schema": {"type": "integer", "minimum": 1},
        },
    })
}

/// Schemas of answers that are no entities.
pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({"type": "string"});
    let service = json!({
        "type": "object",
        "required": ["value"],
        "properties": {
            "@odata.context": {"type": "string", "format": "uri"},
            "value": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "kind", "url"],
                    "properties": {"name": text, "kind": {"type": "string", "enum": ["Singleton"]}, "url": text},
                },
            },
        },
    });
    let error = json!({
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message", "innerError"],
                "properties": {
                    "code": {"type": "string", "description": "Decide by this and the status."},
                    "message": {"type": "string", "description": "For people."},
                    "innerError": {
                        "type": "object",
                        "required": ["date", "request-id", "client-request-id"],
                        "properties": {
                            "date": {
                                "type": "string",
                                "description": "When, in UTC.",
                                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$",
                            },
                            "request-id": text,
                            "client-request-id": text,
                        },
                    },
                },
            },
        },
    });
    [("error".to_owned(), error), ("serviceDocument".to_owned(), service)].into_iter().collect()
}
