//! Entity tags: reading what has changed only, and changing what has not.

use bytes::Bytes;
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    devices::sync_devices,
    harness::{Answer, BOUND, CONNECTORS, Server},
};

const DEVICES: &str = "/v1.0/deviceManagement/managedDevices";
const OVERVIEW: &str = "/v1.0/deviceManagement/managedDeviceOverview";

async fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = server.request(method, path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Full::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn what_the_client_has_already_is_not_sent_again() {
    let server = Server::start().await;
    let connector = format!("{CONNECTORS}/{}", sync_devices(&server, 2).await);
    let device = format!("{DEVICES}/{}", server.get(DEVICES).await.ids()[0]);
    for path in [connector.as_str(), &device, OVERVIEW, &format!("{device}?$select=deviceName")] {
        let first = server.get(path).await;
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("private, no-cache"), "{path}");
        let strong = tag.trim_start_matches("W/").to_owned();
        for known in [tag.clone(), strong, format!("\"x\", {tag}"), "*".to_owned()] {
            for method in ["GET", "HEAD"] {
                let again = send(&server, method, path, &[("if-none-match", &known)], "").await;
                assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path} {known}: {again:?}");
                for name in ["etag", "cache-control", "vary"] {
                    assert_eq!(again.header(name), first.header(name), "{path} {name}");
                }
                assert_eq!(again.header("content-type"), None);
                assert_eq!(again.header("content-length"), None);
            }
        }
        for other in ["\"x\"", "W/\"99\"", "nonsense", ""] {
            let again = send(&server, "GET", path, &[("if-none-match", other)], "").await;
            assert_eq!((again.status.as_u16(), &again.body), (200, &first.body), "{path} {other}");
        }
        assert_eq!(send(&server, "GET", path, &[("if-match", &tag)], "").await.status, 200);
        let (code, _) = send(&server, "GET", path, &[("if-match", "\"x\"")], "").await.error(412);
        assert_eq!(code, "PreconditionFailed");
    }
    send(&server, "GET", &format!("{CONNECTORS}/x"), &[("if-none-match", "*")], "").await.error(404);
    server.end().await;
}

#[tokio::test]
async fn a_tag_changes_with_what_it_stands_for() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("{CONNECTORS}/{id}");
    let tag = server.get(&path).await.header("etag").unwrap().to_owned();
    assert_eq!(server.write("PATCH", &path, r#"{"version":"1"}"#).await.status, 200);
    let after = send(&server, "GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!(after.status, 200, "{after:?}");
    assert_eq!(after.json()["version"], "1");

    let synced = sync_devices(&server, 2).await;
    let ids = server.get(DEVICES).await.ids();
    let tag =
        async |id: &String| server.get(&format!("{DEVICES}/{id}")).await.header("etag").map(str::to_owned);
    assert_ne!(tag(&ids[0]).await, tag(&ids[1]).await);
    let overview = server.get(OVERVIEW).await.header("etag").unwrap().to_owned();
    assert_eq!(server.delete(&format!("{CONNECTORS}/{synced}")).await.status, 204);
    assert_eq!(send(&server, "GET", OVERVIEW, &[("if-none-match", &overview)], "").await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn items_of_lists_show_their_tags_with_full_metadata() {
    let server = Server::start().await;
    sync_devices(&server, 2).await;
    let full = ("accept", "application/json;odata.metadata=full");
    for set in [CONNECTORS, DEVICES] {
        let list = send(&server, "GET", &format!("{set}?$select=id"), &[full], "").await.json();
        for item in list["value"].as_array().unwrap() {
            let one = server.get(&format!("{set}/{}", item["id"].as_str().unwrap())).await;
            assert_eq!(item["@odata.etag"].as_str(), one.header("etag"), "{item}");
        }
        assert!(server.get(set).await.json()["value"][0].get("@odata.etag").is_none());
    }
    server.end().await;
}

#[tokio::test]
async fn changes_keep_to_their_conditions() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("{CONNECTORS}/{id}");
    let sync = format!("{path}/sync");
    let full_sync = r#"{"syncType":"fullSync"}"#;
    let tag = server.get(&path).await.header("etag").unwrap().to_owned();
    for (method, place, body) in
        [("PATCH", &path, r#"{"version":"1"}"#), ("DELETE", &path, ""), ("POST", &sync, full_sync)]
    {
        for condition in [("if-none-match", "*"), ("if-none-match", tag.as_str()), ("if-match", "\"x\"")] {
            let (code, _) = send(&server, method, place, &[condition], body).await.error(412);
            assert_eq!(code, "PreconditionFailed", "{method} {condition:?}");
        }
    }
    for condition in [("if-none-match", "*"), ("if-match", tag.as_str())] {
        send(&server, "POST", CONNECTORS, &[condition], "{}").await.error(412);
    }
    assert_eq!(server.get(&path).await.header("etag"), Some(tag.as_str()), "nothing was changed");
    assert_eq!(server.get(CONNECTORS).await.ids().len(), 1);
    assert_eq!(send(&server, "POST", &sync, &[("if-match", &tag)], full_sync).await.status, 204);
    assert_eq!(send(&server, "POST", CONNECTORS, &[("if-match", "*")], "{}").await.status, 201);
    let changed = send(&server, "PATCH", &path, &[("if-none-match", "\"x\"")], r#"{"version":"1"}"#).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.header("cache-control"), Some("no-store"));
    let missing = format!("{CONNECTORS}/0d3e8d8b-9c3a-4a55-8b0f-0123456789ab");
    send(&server, "PATCH", &missing, &[("if-none-match", "*")], r#"{"version":"1"}"#).await.error(404);
    server.end().await;
}

#[tokio::test]
async fn the_answer_without_a_body_is_one_on_the_wire_too() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET {CONNECTORS}/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIf-None-Match: *\r\n\r\n\
         GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        server.token
    );
    stream.write_all(Bytes::from(request).as_ref()).await.unwrap();
    let mut all = String::new();
    timeout(BOUND, stream.read_to_string(&mut all)).await.unwrap().unwrap();
    let (first, second) = all.split_once("\r\n\r\n").unwrap();
    assert!(first.starts_with("HTTP/1.1 304"), "{all}");
    assert!(!first.to_ascii_lowercase().contains("content-length"), "{all}");
    assert!(second.starts_with("HTTP/1.1 200"), "{all}");
    server.end().await;
}
