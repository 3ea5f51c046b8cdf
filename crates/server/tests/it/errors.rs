//! Every case of an error, with its status, its code and the beginning of its text.

use http::Request;
use http_body_util::Full;

use crate::harness::{Answer, CONNECTORS, Server};

const ONE: &str = "/v1.0/deviceManagement/exchangeConnectors/11111111-2222-4333-8444-555555555555";

/// A request whose headers are these and no others.
async fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Full::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn every_case_has_its_status_code_and_text() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.token);
    let token = ("authorization", bearer.as_str());
    let json = ("content-type", "application/json");
    let put = "Specified HTTP method is not allowed for the request target.";
    for (method, path, headers, body, status, code, says) in [
        ("GET", CONNECTORS, vec![], "", 401, "InvalidAuthenticationToken", "Access token is empty."),
        (
            "GET",
            CONNECTORS,
            vec![("authorization", "Bearer a.b.c")],
            "",
            401,
            "InvalidAuthenticationToken",
            "CompactToken parsing failed with error code: ",
        ),
        ("GET", ONE, vec![token], "", 404, "ResourceNotFound", "There is no resource with this id."),
        (
            "GET",
            "/v1.0/xyz",
            vec![token],
            "",
            400,
            "BadRequest",
            "Resource not found for the segment 'xyz'. Here stand deviceManagement, ",
        ),
        (
            "GET",
            "/v1.0/deviceManagement/xyz",
            vec![token],
            "",
            400,
            "BadRequest",
            "Resource not found for the segment 'xyz'. Here stand exchangeConnectors, ",
        ),
        (
            "GET",
            "/v2.0/deviceManagement",
            vec![token],
            "",
            404,
            "ResourceNotFound",
            "Invalid version: v2.0. Paths begin with /v1.0 or /beta.",
        ),
        (
            "GET",
            "/v1.0/deviceManagement/exchangeConnectors?$select=x",
            vec![token],
            "",
            400,
            "BadRequest",
            "Parsing OData Select and Expand failed: Could not find a property named 'x' on type \
             'microsoft.graph.deviceManagementExchangeConnector'. It has id, ",
        ),
        (
            "GET",
            "/v1.0/deviceManagement/exchangeConnectors?$orderby=status,x",
            vec![token],
            "",
            400,
            "BadRequest",
            "Could not find a property named 'x' on type 'microsoft.graph.deviceManagementExchangeConnector' in \
             '$orderby', which takes only properties: id, ",
        ),
        (
            "GET",
            "/v1.0/deviceManagement/exchangeConnectors?$filter=(x%20eq%201)",
            vec![token],
            "",
            400,
            "BadRequest",
            "Invalid filter clause at position 1: Could not find a property named 'x' on type \
             'microsoft.graph.deviceManagementExchangeConnector'. It has id, ",
        ),
        (
            "GET",
            "/v1.0/deviceManagement/exchangeConnectors?$search=x",
            vec![token],
            "",
            400,
            "BadRequest",
            "The query option '$search' is not supported here; supported are $filter, $orderby, $select, ",
        ),
        ("PUT", ONE, vec![token, json], "{}", 405, "Request_BadRequest", put),
        ("DELETE", CONNECTORS, vec![token], "", 405, "Request_BadRequest", put),
        (
            "POST",
            CONNECTORS,
            vec![token],
            "{}",
            400,
            "BadRequest",
            "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
        ),
        (
            "POST",
            CONNECTORS,
            vec![token, ("content-type", "text/plain")],
            "{}",
            415,
            "UnsupportedMediaType",
            "Entity only allows writes with a JSON Content-Type header.",
        ),
        (
            "POST",
            CONNECTORS,
            vec![token, json, ("content-encoding", "br")],
            "{}",
            415,
            "UnsupportedMediaType",
            "Content-Encoding must be gzip, identity or absent.",
        ),
        (
            "GET",
            CONNECTORS,
            vec![token, ("accept", "application/xml")],
            "",
            406,
            "NotAcceptable",
            "None of the media types in Accept or $format can be given. Accepted are application/json ",
        ),
        (
            "GET",
            "/v1.0/deviceManagement/exchangeConnectors?$format=atom",
            vec![token],
            "",
            406,
            "NotAcceptable",
            "None of the media types in Accept or $format can be given. Accepted are application/json ",
        ),
        (
            "POST",
            CONNECTORS,
            vec![token, json],
            "{",
            400,
            "BadRequest",
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON \
             format. (EOF while parsing an object at line 1 column 1)",
        ),
        (
            "POST",
            CONNECTORS,
            vec![token, json],
            r#"{"x":1}"#,
            400,
            "BadRequest",
            "The property 'x' does not exist on type 'microsoft.graph.deviceManagementExchangeConnector'. Make sure to \
             only use property names that are defined by the type or mark the type as open type. It has id, ",
        ),
        (
            "POST",
            CONNECTORS,
            vec![token, json],
            r##"{"@odata.type":"#microsoft.graph.x"}"##,
            400,
            "ModelValidationFailure",
            "A type named 'microsoft.graph.x' could not be resolved by the model",
        ),
        (
            "PATCH",
            ONE,
            vec![token, json],
            "{}",
            400,
            "BadRequest",
            "Invalid patch, at least 1 property must be changed",
        ),
        (
            "POST",
            CONNECTORS,
            vec![token, json],
            r#"{"status":"nonsense"}"#,
            400,
            "BadRequest",
            "The property 'status' cannot be 'nonsense'; it takes none, connectionPending, connected, disconnected.",
        ),
        (
            "POST",
            CONNECTORS,
            vec![token, json],
            r#"{"status":null}"#,
            400,
            "BadRequest",
            "The property 'status' cannot be null; it takes none, ",
        ),
        (
            "POST",
            &format!("{ONE}/sync"),
            vec![token, json],
            "{}",
            400,
            "BadRequest",
            "The parameter 'syncType' is required; it takes fullSync, deltaSync.",
        ),
        (
            "POST",
            &format!("{ONE}/sync"),
            vec![token, json],
            r#"{"syncType":"x"}"#,
            400,
            "BadRequest",
            "The parameter 'syncType' cannot be 'x'; it takes fullSync, deltaSync.",
        ),
        (
            "POST",
            &format!("{ONE}/sync"),
            vec![token, json],
            r#"{"syncType":"fullSync"}"#,
            404,
            "ResourceNotFound",
            "There is no resource with this id.",
        ),
    ] {
        let answer = send(&server, method, path, &headers, body).await;
        let (seen, said) = answer.error(status);
        assert_eq!(seen, code, "{method} {path} {body}: {said}");
        assert!(said.starts_with(says), "{method} {path} {body}: {said}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{method} {path}");
        // With claims, libraries would ask for another token and come again.
        assert!(challenge.is_none_or(|text| text.starts_with("Bearer ") && !text.contains("claims")));
        let allowed = answer.header("allow");
        assert_eq!(allowed.is_some(), status == 405, "{method} {path}");
    }
    server.end().await;
}

#[tokio::test]
async fn keys_hold_slashes_quotes_and_percent_signs() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    for (key, status) in [
        // Our ids in each way that a client writes them.
        (format!("/{id}"), 200),
        (format!("/{}", id.replace('-', "%2D")), 200),
        (format!("('{id}')"), 200),
        (format!("(%27{id}%27)"), 200),
        (format!("%28'{id}'%29"), 200),
        // What is understood and is the id of nothing.
        ("/a%2Fb".to_owned(), 404),
        ("/a%2fb%2F".to_owned(), 404),
        ("/it's".to_owned(), 404),
        ("/it%27s".to_owned(), 404),
        ("/100%25".to_owned(), 404),
        ("/%252F".to_owned(), 404),
        ("/a+b".to_owned(), 404),
        ("/..%2F..%2Fetc".to_owned(), 404),
        ("('a%2Fb')".to_owned(), 404),
        ("('it''s')".to_owned(), 404),
        ("(%27it%27%27s%27)".to_owned(), 404),
        ("('100%25')".to_owned(), 404),
        ("('')".to_owned(), 404),
        // What cannot be a key.
        ("('it's')".to_owned(), 400),
        ("('a/b')".to_owned(), 400),
        (format!("({id})"), 400),
        (format!("(id='{id}')"), 400),
        ("()".to_owned(), 400),
        ("('".to_owned(), 400),
        ("/%FF".to_owned(), 400),
        ("/$ref".to_owned(), 400),
        ("//".to_owned(), 400),
    ] {
        let answer = server.get(&format!("{CONNECTORS}{key}")).await;
        assert_eq!(answer.status, status, "{key}: {answer:?}");
        if status != 200 {
            answer.error(status);
        }
    }
    let (_, said) = server.get(&format!("{CONNECTORS}('a/b')")).await.error(400);
    assert!(said.contains("write it as name('id')") && said.contains("%2F"), "{said}");
    server.end().await;
}
