//! What bodies may hold, and what becomes of those that may not be.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use http_body_util::Full;

use crate::harness::{Answer, CONNECTORS, Server};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

async fn encoded(server: &Server, encoding: &str, body: Vec<u8>) -> Answer {
    let request = server
        .request("POST", CONNECTORS)
        .header("content-type", "application/json")
        .header("content-encoding", encoding);
    server.send(request.body(Full::from(body)).unwrap()).await
}

#[tokio::test]
async fn bad_bodies_are_refused_and_change_nothing() {
    let server = Server::start().await;
    let long = "x".repeat(1025);
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "Unable to read JSON request payload"),
        (b"{".to_vec(), "Unable to read JSON request payload"),
        (b"{\"serverName\":\"x\"} x".to_vec(), "Unable to read JSON request payload"),
        (b"{\"serverName\":\"\xff\"}".to_vec(), ""),
        (b"[]".to_vec(), ""),
        (b"null".to_vec(), ""),
        (br#"{"serverName":"a","serverName":"b"}"#.to_vec(), "serverName"),
        (br#"{"serverName":1}"#.to_vec(), "serverName"),
        (br#"{"serverName":{"a":1}}"#.to_vec(), "serverName"),
        (br#"{"serverName":["a"]}"#.to_vec(), "serverName"),
        (br#"{"lastSyncDateTime":"yesterday"}"#.to_vec(), "lastSyncDateTime"),
        (br#"{"lastSyncDateTime":1}"#.to_vec(), "lastSyncDateTime"),
        (br#"{"lastSyncDateTime":null}"#.to_vec(), "lastSyncDateTime"),
        (br#"{"status":"Connected"}"#.to_vec(), "status"),
        (br#"{"status":"syncing"}"#.to_vec(), "status"),
        (br#"{"status":2}"#.to_vec(), "status"),
        (br#"{"status":null}"#.to_vec(), "status"),
        (br#"{"status":"unknownFutureValue"}"#.to_vec(), "unknownFutureValue"),
        (br#"{"exchangeConnectorType":"onpremises"}"#.to_vec(), "exchangeConnectorType"),
        (br#"{"ServerName":"x"}"#.to_vec(), "The property 'ServerName' does not exist on type"),
        (br#"{"nonsense":1}"#.to_vec(), "The property 'nonsense' does not exist on type"),
        (br##"{"@odata.type":"#microsoft.graph.managedDevice"}"##.to_vec(), "microsoft.graph.managedDevice"),
        (format!(r#"{{"serverName":"{long}"}}"#).into_bytes(), "1024"),
        (format!(r#"{{"nonsense":{deep}}}"#).into_bytes(), ""),
    ];
    for (body, says) in bad {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (_, said) = server.write("POST", CONNECTORS, body).await.error(400);
        assert!(said.contains(says), "{shown}: {said}");
    }
    assert_eq!(server.get(CONNECTORS).await.ids().len(), 0);
    server.end().await;
}

#[tokio::test]
async fn annotations_and_the_right_type_are_accepted() {
    let server = Server::start().await;
    let name = "ü".repeat(1024);
    for body in [
        r##"{"@odata.type":"#microsoft.graph.deviceManagementExchangeConnector"}"##.to_owned(),
        r#"{"@odata.context":"x","serverName@odata.type":"String","@odata.etag":"W/\"1\""}"#.to_owned(),
        format!(r#"{{"serverName":"{name}"}}"#),
        r#"{"serverName":""}"#.to_owned(),
    ] {
        let answer = server.write("POST", CONNECTORS, body.clone()).await;
        assert_eq!(answer.status, 201, "{body}: {answer:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_write_must_be_json() {
    let server = Server::start().await;
    let post = async |kind: Option<&str>| {
        let mut request = server.request("POST", CONNECTORS);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        server.send(request.body(Full::from("{}")).unwrap()).await
    };
    for kind in
        ["application/json", "Application/JSON; charset=UTF-8", "application/json;odata.metadata=minimal"]
    {
        assert_eq!(post(Some(kind)).await.status, 201, "{kind}");
    }
    let (_, said) = post(None).await.error(400);
    assert!(said.contains("must contain the Content-Type header"), "{said}");
    for (kind, says) in [
        ("text/plain", "JSON Content-Type"),
        ("application/xml", "JSON Content-Type"),
        ("application/jsonx", "JSON Content-Type"),
        ("application/x-www-form-urlencoded", "JSON Content-Type"),
        ("", "JSON Content-Type"),
        ("application/json; charset=latin1", "utf-8"),
    ] {
        let answer = post(Some(kind)).await;
        let (code, said) = answer.error(415);
        assert_eq!(
            (code.as_str(), answer.header("accept")),
            ("UnsupportedMediaType", Some("application/json"))
        );
        assert!(said.contains(says), "{kind}: {said}");
    }
    server.end().await;
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let server = Server::start().await;
    let body = gzip(br#"{"serverName":"packed"}"#);
    for encoding in ["gzip", "GZIP", "x-gzip"] {
        let answer = encoded(&server, encoding, body.clone()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["serverName"], "packed");
    }
    assert_eq!(encoded(&server, "identity", b"{}".to_vec()).await.status, 201);
    for encoding in ["br", "deflate", "gzip, gzip", "zstd"] {
        let answer = encoded(&server, encoding, body.clone()).await;
        answer.error(415);
        assert_eq!(answer.header("accept-encoding"), Some("gzip"), "{encoding}");
    }
    encoded(&server, "gzip", b"{}".to_vec()).await.error(400);
    encoded(&server, "gzip", body[..body.len() - 4].to_vec()).await.error(400);
    server.end().await;
}

#[tokio::test]
async fn large_bodies_are_refused_however_they_come() {
    let server = Server::start().await;
    let limit = 1024 * 1024;
    let padded = |size: usize| format!("{{}}{}", " ".repeat(size - 2)).into_bytes();
    assert_eq!(server.write("POST", CONNECTORS, padded(limit)).await.status, 201);
    server.write("POST", CONNECTORS, padded(limit + 1)).await.error(413);
    server.write("POST", CONNECTORS, padded(4 * limit)).await.error(413);
    assert_eq!(encoded(&server, "gzip", gzip(&padded(limit))).await.status, 201);
    encoded(&server, "gzip", gzip(&padded(limit + 1))).await.error(413);
    let bomb = gzip(&vec![b' '; 256 * limit]);
    assert!(bomb.len() < limit);
    encoded(&server, "gzip", bomb).await.error(413);
    let chained: Vec<u8> = gzip(&padded(limit)).into_iter().chain(gzip(&padded(limit))).collect();
    encoded(&server, "gzip", chained).await.error(413);
    assert_eq!(server.get(CONNECTORS).await.ids().len(), 2);
    server.end().await;
}
