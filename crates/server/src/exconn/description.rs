use crate::reply::Reply;

/// The OpenAPI document of these routes.
const DESCRIPTION: &str = include_str!("../openapi.json");

/// `GET /exconn/v1/openapi.json`
pub(crate) fn get_description() -> Reply {
    Reply::json_text(DESCRIPTION)
}
