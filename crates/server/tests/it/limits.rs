//! Requests that ask for too much, or can be read in two ways.

use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{BOUND, CONNECTORS, Server};

/// What the service answers to bytes as they stand, until it ends the connection.
async fn answer_to(server: &Server, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut all = Vec::new();
    let talk = async {
        // The service may end it in the middle of either.
        let _ = tokio::join!(writer.write_all(sent), reader.read_to_end(&mut all));
    };
    timeout(BOUND, talk).await.expect("the service ends the connection");
    String::from_utf8(all).unwrap()
}

/// The head of a creation by someone who may, without the empty line at its end.
fn creation(server: &Server, headers: &str) -> String {
    format!(
        "POST {CONNECTORS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\n{headers}",
        server.token
    )
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

#[tokio::test]
async fn a_client_that_waits_for_leave_is_refused_before_it_sends() {
    let server = Server::start().await;
    for (headers, status) in [
        ("Content-Length: 5000000\r\n", "413"),
        ("Content-Length: 2\r\nContent-Encoding: zstd\r\n", "415"),
        ("Content-Length: 2\r\nContent-Type: text/plain\r\n", "415"),
    ] {
        let head = creation(&server, &format!("{headers}Expect: 100-continue\r\n\r\n"));
        let answer = answer_to(&server, head.as_bytes()).await;
        assert_eq!(statuses(&answer), [status], "{headers}: {answer}");
    }
    let head =
        format!("POST {CONNECTORS} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(statuses(&answer_to(&server, head.as_bytes()).await), ["401"]);
    server.end().await;
}

#[tokio::test]
async fn a_head_of_a_megabyte_is_refused() {
    let server = Server::start().await;
    let long = "a".repeat(1024 * 1024);
    for head in [
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /healthz?{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        format!("{long} /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let answer = answer_to(&server, head.as_bytes()).await;
        // A reset that overtakes the answer leaves nothing.
        let refused = answer.is_empty() || ["414", "431", "400"].contains(&statuses(&answer)[0]);
        assert!(refused, "{}: {answer}", &head[..20]);
    }
    // One that is merely long is understood.
    let query = format!("{CONNECTORS}?$filter=serverName eq '{}'", "a".repeat(1000)).replace(' ', "%20");
    assert_eq!(server.get(&query).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn lengths_that_disagree_smuggle_nothing() {
    let server = Server::start().await;
    let hidden = creation(&server, "Content-Length: 2\r\nConnection: close\r\n\r\n{}");
    for (headers, body, expected) in [
        ("Content-Length: 2\r\nContent-Length: 3\r\n", "{}", &["400"][..]),
        ("Content-Length: 2, 3\r\n", "{}", &["400"]),
        ("Content-Length: +2\r\n", "{}", &["400"]),
        ("Content-Length: 99999999999999999999\r\n", "{}", &["400"]),
        ("Transfer-Encoding: gzip\r\n", "{}", &["400"]),
        ("Transfer-Encoding: chunked, identity\r\n", "{}", &["400"]),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n{}", &["400"]),
        // Chunks win, and the connection ends (RFC 9112, section 6.1).
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", &["201"]),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "2\r\n{}\r\n0\r\n\r\n", &["201"]),
    ] {
        let sent = creation(&server, &format!("{headers}\r\n{body}{hidden}"));
        let answer = answer_to(&server, sent.as_bytes()).await;
        assert_eq!(statuses(&answer), expected, "{headers}: {answer}");
    }
    assert_eq!(server.get(&format!("{CONNECTORS}/$count")).await.body, "2");
    server.end().await;
}

#[tokio::test]
async fn two_tokens_are_none() {
    let server = Server::start().await;
    let twice = server.request("GET", CONNECTORS).header("authorization", format!("Bearer {}", server.token));
    let (code, _) = server.send(twice.body(Full::default()).unwrap()).await.error(401);
    assert_eq!(code, "InvalidAuthenticationToken");
    server.end().await;
}

#[tokio::test]
async fn what_a_client_calls_its_request_cannot_become_part_of_an_answer() {
    let server = Server::start().await;
    let guid = "0d3e8d8b-9c3a-4a55-8b0f-0123456789ab";
    for value in [
        format!("{guid}\nset-cookie: a=b"),
        format!("{guid}\rset-cookie: a=b"),
        format!("{guid}\r\n set-cookie: a=b"),
        format!("{guid}%0d%0aset-cookie: a=b"),
        format!("{guid}\u{e9}"),
        "x".repeat(10_000),
        format!("{guid},{guid}"),
    ] {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nclient-request-id: {value}\r\n\r\n"
        );
        let answer = answer_to(&server, request.as_bytes()).await;
        assert!(!answer.to_ascii_lowercase().contains("\r\nset-cookie"), "{value}: {answer}");
        let named = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name));
        let echoed = named("client-request-id: ");
        assert!(echoed == named("request-id: ") || echoed == Some(guid), "{value}: {answer}");
    }
    server.end().await;
}
