//! Compressed answers.

use std::io::Read;

use flate2::read::GzDecoder;
use http_body_util::Full;

use crate::harness::{Answer, CONNECTORS, Server};

async fn send(server: &Server, method: &str, path: &str, accepted: &str) -> Answer {
    let request = server.request(method, path).header("accept-encoding", accepted);
    server.send(request.body(Full::default()).unwrap()).await
}

/// The answer with its body as it was before it was compressed.
fn plain(mut answer: Answer) -> Answer {
    let mut body = Vec::new();
    match answer.header("content-encoding") {
        Some("gzip") => GzDecoder::new(&answer.body[..]).read_to_end(&mut body).unwrap(),
        Some("br") => brotli::Decompressor::new(&answer.body[..], 4096).read_to_end(&mut body).unwrap(),
        other => panic!("{other:?}"),
    };
    answer.body = body.into();
    answer
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_like_it() {
    let server = Server::start().await;
    let long = "x".repeat(1024);
    let mut id = String::new();
    for number in 0..100 {
        id = server.create(&format!(r#"{{"serverName":"{number} {}"}}"#, &long[10..])).await;
    }
    // One is compressed in place, the other aside.
    for path in [format!("{CONNECTORS}/{id}"), CONNECTORS.to_owned()] {
        let as_it_is = server.get(&path).await;
        assert_eq!(as_it_is.header("content-encoding"), None);
        for (accepted, coding) in
            [("gzip", "gzip"), ("gzip, deflate, br", "br"), ("br;q=0.2, gzip;q=0.3", "gzip")]
        {
            let answer = send(&server, "GET", &path, accepted).await;
            assert_eq!(answer.header("content-encoding"), Some(coding), "{accepted}");
            assert!(
                answer.body.len() * 2 < as_it_is.body.len(),
                "{} of {}",
                answer.body.len(),
                as_it_is.body.len()
            );
            let head = send(&server, "HEAD", &path, accepted).await;
            assert_eq!(head.body.len(), 0);
            for name in ["content-length", "content-encoding", "content-type", "etag", "vary"] {
                assert_eq!(head.header(name), answer.header(name), "{name}");
            }
            assert!(answer.header("vary").unwrap().contains("Accept-Encoding"));
            assert_eq!(answer.header("etag"), as_it_is.header("etag"));
            assert_eq!(plain(answer).body, as_it_is.body, "{accepted}");
        }
        for accepted in ["identity", "zstd", "identity;q=0", "gzip;q=0", "*;q=0"] {
            let answer = send(&server, "GET", &path, accepted).await;
            assert_eq!(
                (answer.header("content-encoding"), &answer.body),
                (None, &as_it_is.body),
                "{accepted}"
            );
            assert!(answer.header("vary").unwrap().contains("Accept-Encoding"));
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_compressed_document_has_a_weak_tag_that_still_counts() {
    let server = Server::start().await;
    let path = "/v1.0/$metadata";
    let strong = server.get(path).await.header("etag").unwrap().to_owned();
    let answer = send(&server, "GET", path, "br").await;
    assert_eq!(answer.header("etag"), Some(format!("W/{strong}").as_str()));
    let again = server
        .request("GET", path)
        .header("accept-encoding", "br")
        .header("if-none-match", format!("W/{strong}"));
    assert_eq!(server.send(again.body(Full::default()).unwrap()).await.status, 304);
    server.end().await;
}

#[tokio::test]
async fn what_is_short_stays_as_it_is() {
    let server = Server::start().await;
    let count = format!("{CONNECTORS}/$count");
    for (path, status) in [(CONNECTORS, 200), (&count, 200), ("/v1.0/nonsense", 400), ("/healthz", 200)] {
        let answer = send(&server, "GET", path, "gzip, br").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (status, None), "{path}");
    }
    let only = send(&server, "GET", CONNECTORS, "gzip, identity;q=0").await;
    assert_eq!(plain(only).json()["value"], serde_json::json!([]));
    server.end().await;
}
