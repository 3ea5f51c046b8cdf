use serde_json::{Value, json};

use crate::batch::{MAX_HEADERS, MAX_ID, MAX_REQUESTS};

/// A body that holds several requests.
pub fn batch_body() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["requests"],
        "properties": {
            "requests": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_REQUESTS,
                "items": {
                    "type": "object",
                    "required": ["id", "method", "url"],
                    "properties": {
                        "id": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": MAX_ID,
                            "description": "A name of its own within the batch; case makes no difference.",
                        },
                        "method": {"type": "string", "description": "GET, POST, PATCH or DELETE."},
                        "url": {"type": "string", "description": "The address, relative to the version's root."},
                        "headers": {
                            "type": "object",
                            "nullable": true,
                            "maxProperties": MAX_HEADERS,
                            "additionalProperties": text,
                        },
                        "body": {"description": "What the request sends, as JSON."},
                        "dependsOn": {
                            "type": "array",
                            "nullable": true,
                            "items": text,
                            "description": "Ids of requests before this one that must succeed first.",
                        },
                    },
                    "additionalProperties": false,
                },
            },
        },
        "additionalProperties": false,
    })
}

/// The answers to the requests of a batch.
pub fn batch_answer() -> Value {
    json!({
        "type": "object",
        "required": ["responses"],
        "properties": {
            "responses": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "status"],
                    "properties": {
                        "id": {"type": "string"},
                        "status": {"type": "integer", "minimum": 100, "maximum": 599},
                        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                        "body": {"description": "JSON as it is; another content as text in Base64."},
                    },
                },
            },
        },
    })
}
