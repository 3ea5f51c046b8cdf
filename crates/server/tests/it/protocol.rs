//! Addresses, methods and headers.

use http_body_util::Full;

use crate::harness::{CONNECTORS, Server};

#[tokio::test]
async fn wrong_addresses_say_what_is_wrong() {
    let server = Server::start().await;
    for (path, status, code, says) in [
        ("/v2.0/deviceManagement/exchangeConnectors", 404, "ResourceNotFound", "Invalid version: v2.0"),
        (
            "/deviceManagement/exchangeConnectors",
            404,
            "ResourceNotFound",
            "Invalid version: deviceManagement",
        ),
        ("/", 404, "ResourceNotFound", "Invalid version"),
        ("/v1.0///", 400, "BadRequest", ""),
        ("/v1.0/xyz", 400, "BadRequest", "Resource not found for the segment 'xyz'."),
        ("/v1.0/deviceManagement/xyz", 400, "BadRequest", "Resource not found for the segment 'xyz'."),
        ("/v1.0/deviceManagement/exchangeConnectors/a/xyz", 400, "BadRequest", "segment 'xyz'"),
        ("/v1.0/deviceManagement/exchangeConnectors/a/sync/b", 400, "BadRequest", "segment 'b'"),
        (
            "/v1.0/deviceManagement/exchangeConnectors/a/graph.sync",
            400,
            "BadRequest",
            "segment 'graph.sync'. After a",
        ),
        ("/v1.0/deviceManagement/exchangeConnectors/a/status", 400, "BadRequest", "segment 'status'"),
        ("/v1.0/deviceManagement/exchangeOnPremisesPolicy", 400, "BadRequest", "'exchangeOnPremisesPolicy'"),
        ("/v1.0/deviceManagement/managedDevices/a/sync", 400, "BadRequest", "segment 'sync'"),
        ("/v1.0/deviceManagement/managedDeviceOverview/a", 400, "BadRequest", "segment 'a'"),
        ("/v1.0/deviceManagement/exchangeConnectors('a')('b')", 400, "BadRequest", ""),
        ("/v1.0/deviceManagement/exchangeConnectors('a", 400, "BadRequest", ""),
        ("/v1.0/deviceManagement/%ff", 400, "BadRequest", ""),
        ("/exconn/v1", 404, "ResourceNotFound", "There is nothing at this address. /exconn/v1/openapi.json "),
        (
            "/exconn/v1/runs",
            404,
            "ResourceNotFound",
            "There is nothing at this address. /exconn/v1/openapi.json ",
        ),
        ("/exconn/v2/runs", 404, "ResourceNotFound", "Invalid version: exconn. Paths begin with "),
    ] {
        let answer = server.get(path).await;
        let (seen, said) = answer.error(status);
        assert_eq!(seen, code, "{path}: {said}");
        assert!(said.contains(says), "{path}: {said}");
    }
    server.end().await;
}

#[tokio::test]
async fn wrong_methods_name_the_right_ones() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let one = format!("{CONNECTORS}/{id}");
    for (method, path, allowed) in [
        ("PUT", one.clone(), "GET, PATCH, DELETE, HEAD, OPTIONS"),
        ("POST", one.clone(), "GET, PATCH, DELETE, HEAD, OPTIONS"),
        ("PATCH", CONNECTORS.to_owned(), "GET, POST, HEAD, OPTIONS"),
        ("DELETE", CONNECTORS.to_owned(), "GET, POST, HEAD, OPTIONS"),
        ("TRACE", CONNECTORS.to_owned(), "GET, POST, HEAD, OPTIONS"),
        ("GET", format!("{one}/sync"), "POST, OPTIONS"),
        ("POST", format!("{CONNECTORS}/$count"), "GET, HEAD, OPTIONS"),
        ("PATCH", "/v1.0/deviceManagement/managedDevices/x".to_owned(), "GET, HEAD, OPTIONS"),
        ("DELETE", "/exconn/v1/runs/x".to_owned(), "GET, HEAD, OPTIONS"),
        ("POST", "/healthz".to_owned(), "GET, HEAD, OPTIONS"),
    ] {
        let answer = server.write(method, &path, "").await;
        let (code, said) = answer.error(405);
        assert_eq!(code, "Request_BadRequest");
        assert!(said.starts_with("Specified HTTP method is not allowed"), "{said}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    server.end().await;
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    for path in [CONNECTORS.to_owned(), format!("{CONNECTORS}/{id}"), format!("{CONNECTORS}/$count")] {
        let get = server.get(&path).await;
        let head = server.send(server.request("HEAD", &path).body(Full::default()).unwrap()).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0));
        for name in ["content-type", "content-length", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn every_answer_can_be_found_again() {
    let server = Server::start().await;
    let client = "0D3E8D8B-9C3A-4A55-8B0F-0123456789AB";
    for path in [CONNECTORS, "/v1.0/nonsense", "/healthz"] {
        let plain = server.get(path).await;
        let id = plain.header("request-id").unwrap();
        assert!(uuid::Uuid::parse_str(id).is_ok());
        assert_eq!(plain.header("client-request-id"), Some(id));
        assert_eq!(plain.header("cache-control"), Some("no-store"));
        assert!(plain.header("date").is_some());
        assert_eq!(plain.header("strict-transport-security"), None, "only TLS may promise TLS");
        let request = server.request("GET", path).header("client-request-id", client);
        let named = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(named.header("client-request-id"), Some(client));
        assert_ne!(named.header("request-id"), Some(id));
    }
    server.end().await;
}

#[tokio::test]
async fn a_client_cannot_write_into_answers_by_its_headers() {
    let server = Server::start().await;
    for value in [
        "not a guid",
        "0d3e8d8b-9c3a-4a55-8b0f-0123456789ab; x=y",
        "{0d3e8d8b-9c3a-4a55-8b0f-0123456789ab}",
        "urn:uuid:0d3e8d8b-9c3a-4a55-8b0f-0123456789ab",
        "0d3e8d8b-9c3a-4a55-8b0f-0123456789ag",
        "<script>alert(1)</script>",
    ] {
        let request = server.request("GET", "/v1.0/nonsense").header("client-request-id", value);
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        answer.error(400);
        assert_eq!(answer.header("client-request-id"), answer.header("request-id"), "{value}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(value));
    }
    let answer = server.get("/v1.0/a%0d%0aset-cookie:%20b").await;
    answer.error(400);
    assert_eq!(answer.header("set-cookie"), None);
    server.end().await;
}
