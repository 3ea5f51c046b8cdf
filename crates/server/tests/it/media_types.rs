//! What form requests have, and what form their answers.

use http_body_util::Full;

use crate::harness::{Answer, CONNECTORS, Server};

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request("GET", path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn the_form_that_is_liked_best_is_given_and_named() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    for path in [CONNECTORS.to_owned(), format!("{CONNECTORS}/{id}")] {
        for (accept, query, form) in [
            (
                "*/*;q=0.1, application/json;odata.metadata=full",
                "",
                "full;odata.streaming=true;IEEE754Compatible=false",
            ),
            (
                "application/json;odata.streaming=false",
                "",
                "minimal;odata.streaming=true;IEEE754Compatible=false",
            ),
            (
                "application/json;IEEE754Compatible=true",
                "",
                "minimal;odata.streaming=true;IEEE754Compatible=true",
            ),
            ("application/xml", "?$format=json", "minimal;odata.streaming=true;IEEE754Compatible=false"),
            (
                "application/json;odata.metadata=full",
                "?$format=application/json;odata.metadata=none",
                "none;odata.streaming=true;IEEE754Compatible=false",
            ),
            (
                "*/*",
                "?$format=application/json;IEEE754Compatible=true",
                "minimal;odata.streaming=true;IEEE754Compatible=true",
            ),
        ] {
            let answer = get(&server, &format!("{path}{query}"), &[("accept", accept)]).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let expected = format!("application/json;odata.metadata={form};charset=utf-8");
            assert_eq!(answer.header("content-type"), Some(expected.as_str()), "{path} {accept} {query}");
            assert_eq!(answer.json().get("@odata.context").is_none(), form.starts_with("none"), "{answer:?}");
        }
        for (accept, query) in [
            ("*/*", "?$format=xml"),
            ("*/*", "?$format=application/json;odata.metadata=verbose"),
            ("application/json;odata.metadata=verbose", ""),
            ("text/html", ""),
        ] {
            let (code, _) = get(&server, &format!("{path}{query}"), &[("accept", accept)]).await.error(406);
            assert_eq!(code, "NotAcceptable", "{path} {accept} {query}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn the_count_is_a_text_for_those_who_need_it() {
    let server = Server::start().await;
    server.create("{}").await;
    let path = format!("{CONNECTORS}?$count=true");
    let exact = get(&server, &path, &[("accept", "application/json;IEEE754Compatible=true")]).await;
    assert_eq!(exact.json()["@odata.count"], "1");
    assert_eq!(get(&server, &path, &[]).await.json()["@odata.count"], 1);
    let path = format!("{CONNECTORS}/$count");
    for accept in ["application/json", "text/plain", "*/*", "application/json;odata.metadata=full"] {
        let count = get(&server, &path, &[("accept", accept)]).await;
        assert_eq!((count.header("content-type"), &count.body[..]), (Some("text/plain"), &b"1"[..]));
    }
    server.end().await;
}

#[tokio::test]
async fn only_the_fourth_odata_is_spoken() {
    let server = Server::start().await;
    for (name, value, status) in [
        ("odata-version", "4.0", 200),
        ("odata-version", "4.01", 200),
        ("odata-maxversion", "4.0", 200),
        ("odata-maxversion", "4.01", 200),
    ] {
        let answer = get(&server, CONNECTORS, &[(name, value)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("odata-version")), (status, Some("4.0")));
    }
    for (name, value) in [("odata-maxversion", "3.0"), ("odata-maxversion", "x"), ("odata-version", "3.0")] {
        let (_, said) = get(&server, CONNECTORS, &[(name, value)]).await.error(400);
        assert!(said.to_ascii_lowercase().contains(name), "{said}");
        assert!(said.contains("4.0"), "{said}");
    }
    server.end().await;
}
