//! OPTIONS, and what browsers ask on behalf of pages.

use exconn_server::Cors;
use http::Request;
use http_body_util::Full;

use crate::harness::{Answer, CONNECTORS, Server, send};

const PAGE: &str = "https://portal.contoso.com";

/// Sends a request without a token.
async fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", server.address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(server.address, request.body(Full::default()).unwrap()).await
}

fn preflight<'a>(origin: &'a str, method: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("origin", origin), ("access-control-request-method", method)]
}

#[tokio::test]
async fn a_browser_learns_what_a_page_may_do_without_a_token() {
    let server = Server::start().await;
    for (path, methods) in [
        (CONNECTORS, "GET, POST, HEAD, OPTIONS"),
        ("/beta/deviceManagement/exchangeConnectors/x/sync", "POST, OPTIONS"),
        ("/v1.0/$batch", "POST, OPTIONS"),
        // The page gets to read the error of the request itself.
        ("/v1.0/nonsense", "GET, POST, PATCH, DELETE, HEAD, OPTIONS"),
    ] {
        let mut headers = preflight(PAGE, "POST");
        headers.push(("access-control-request-headers", "authorization,client-request-id,sdkversion"));
        let answer = ask(&server, "OPTIONS", path, &headers).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods), "{path}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("authorization,client-request-id,sdkversion")
        );
        assert_eq!(answer.header("access-control-max-age"), Some("7200"));
        assert!(answer.header("vary").unwrap().contains("Access-Control-Request-Headers"));
    }
    let long = "x-a,".repeat(1000);
    for names in [None, Some(""), Some("a: b"), Some("<script>"), Some(long.as_str())] {
        let mut headers = preflight(PAGE, "GET");
        headers.extend(names.map(|names| ("access-control-request-headers", names)));
        let answer = ask(&server, "OPTIONS", CONNECTORS, &headers).await;
        let allowed = answer.header("access-control-allow-headers").unwrap();
        for name in ["Authorization", "Content-Type", "Prefer", "If-Match", "client-request-id", "SdkVersion"]
        {
            assert!(allowed.contains(name), "{names:?}: {allowed}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn every_answer_can_be_read_by_pages() {
    let server = Server::start().await;
    for (path, token, status) in [
        (CONNECTORS, true, 200),
        ("/v1.0/nonsense", true, 400),
        (CONNECTORS, false, 401),
        ("/healthz", false, 200),
    ] {
        let token = format!("Bearer {}", if token { &server.token } else { "" });
        let answer = ask(&server, "GET", path, &[("origin", PAGE), ("authorization", &token)]).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            None,
            "a star and cookies do not go together"
        );
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in
            ["ETag", "Location", "Preference-Applied", "Content-Range", "request-id", "client-request-id"]
        {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn options_names_the_methods() {
    let server = Server::start().await;
    let options =
        async |path: &str| server.send(server.request("OPTIONS", path).body(Full::default()).unwrap()).await;
    for (path, methods) in [
        (format!("{CONNECTORS}/x"), "GET, PATCH, DELETE, HEAD, OPTIONS"),
        (format!("{CONNECTORS}/$count"), "GET, HEAD, OPTIONS"),
        ("/exconn/v1/runs/x".to_owned(), "GET, HEAD, OPTIONS"),
    ] {
        let answer = options(&path).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, Some(methods)), "{path}");
        assert_eq!(answer.header("access-control-allow-methods"), None);
    }
    options("/v1.0/nonsense").await.error(400);
    ask(&server, "OPTIONS", CONNECTORS, &[]).await.error(401);
    ask(&server, "OPTIONS", CONNECTORS, &[("origin", PAGE)]).await.error(401);
    assert_eq!(ask(&server, "OPTIONS", "/healthz", &[]).await.status, 204);
    let whole = ask(&server, "OPTIONS", "*", &[]).await;
    assert_eq!(whole.header("allow"), Some("GET, POST, PATCH, DELETE, HEAD, OPTIONS"));
    // Graph does not know the header, so that it must not turn a read into something else.
    let overridden =
        server.request("POST", &format!("{CONNECTORS}/x")).header("x-http-method-override", "DELETE");
    server.send(overridden.body(Full::default()).unwrap()).await.error(405);
    server.end().await;
}

#[tokio::test]
async fn origins_can_be_named_and_all_be_kept_out() {
    let server = Server::start_with(|config| config.cors = Cors::parse([PAGE]).unwrap()).await;
    let preflighted = ask(&server, "OPTIONS", CONNECTORS, &preflight(PAGE, "GET")).await;
    assert_eq!(preflighted.header("access-control-allow-origin"), Some(PAGE));
    for (origin, allowed) in
        [(PAGE, Some(PAGE)), ("https://portal.contoso.com.evil.example", None), ("null", None)]
    {
        let answer = ask(&server, "GET", "/healthz", &[("origin", origin)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{origin}");
        assert!(answer.headers.get_all("vary").iter().any(|value| value == "Origin"), "{answer:?}");
    }
    ask(&server, "OPTIONS", CONNECTORS, &preflight("https://evil.example", "GET")).await.error(401);
    server.end().await;

    let server = Server::start_with(|config| config.cors = Cors::parse([]).unwrap()).await;
    ask(&server, "OPTIONS", CONNECTORS, &preflight(PAGE, "GET")).await.error(401);
    let answer = ask(&server, "GET", "/healthz", &[("origin", PAGE)]).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("access-control-expose-headers"), None);
    server.end().await;
}
