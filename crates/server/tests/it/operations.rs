//! What the seven operations answer, and what they make of values.

use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{CONNECTORS, Server};

#[tokio::test]
async fn each_operation_answers_as_documented() {
    let server = Server::start().await;
    for root in ["/v1.0", "/beta"] {
        let all = format!("{root}/deviceManagement/exchangeConnectors");
        let created = server.write("POST", &all, r#"{"version":"1"}"#).await;
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let one = format!("{all}/{id}");
        assert_eq!(created.header("location"), Some(format!("http://{}{one}", server.address).as_str()));
        for (method, path, body, status, media_type) in [
            ("GET", all.clone(), "", 200, Some("application/json")),
            ("GET", format!("{all}/$count"), "", 200, Some("text/plain")),
            ("GET", one.clone(), "", 200, Some("application/json")),
            ("POST", all.clone(), "{}", 201, Some("application/json")),
            ("PATCH", one.clone(), r#"{"version":"2"}"#, 200, Some("application/json")),
            ("POST", format!("{one}/sync"), r#"{"syncType":"fullSync"}"#, 204, None),
            ("POST", format!("{one}/microsoft.graph.sync"), r#"{"syncType":"deltaSync"}"#, 204, None),
            ("DELETE", one.clone(), "", 204, None),
        ] {
            let answer = server.write(method, &path, body).await;
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            let content_type = answer.header("content-type");
            assert_eq!(content_type.map(|kind| kind.split(';').next().unwrap()), media_type, "{path}");
            assert_eq!(answer.body.is_empty(), media_type.is_none(), "{method} {path}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn changes_need_no_accept_and_no_charset_and_deletion_no_body() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let delete = server.request("DELETE", &format!("{CONNECTORS}/{id}")).body(Full::default()).unwrap();
    assert!(delete.headers().get("content-type").is_none() && delete.headers().get("accept").is_none());
    assert_eq!(server.send(delete).await.status, 204);
    server.end().await;
}

#[tokio::test]
async fn two_equal_bodies_make_two_connectors() {
    let server = Server::start().await;
    let body = r#"{"exchangeAlias":"contoso","serverName":"ex01"}"#;
    let (first, second) = (server.create(body).await, server.create(body).await);
    assert_ne!(first, second);
    let mut ids = server.get(CONNECTORS).await.ids();
    ids.sort();
    let mut expected = [first, second];
    expected.sort();
    assert_eq!(ids, expected);
    server.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_never_made_by_a_change() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    server.delete(&format!("{CONNECTORS}/{id}")).await;
    let path = format!("{CONNECTORS}/{id}");
    assert_eq!(server.write("PATCH", &path, r#"{"version":"1"}"#).await.error(404).0, "ResourceNotFound");
    assert_eq!(server.get(CONNECTORS).await.ids(), Vec::<String>::new());
    server.end().await;
}

#[tokio::test]
async fn the_id_is_the_services() {
    let server = Server::start().await;
    let given = r#"{"id":"11111111-2222-4333-8444-555555555555"}"#;
    let (_, said) = server.write("POST", CONNECTORS, given).await.error(400);
    assert_eq!(said, "The property 'id' is given by the service; leave it out.");
    let id = server.create("{}").await;
    let path = format!("{CONNECTORS}/{id}");
    let (_, said) = server.write("PATCH", &path, given).await.error(400);
    assert_eq!(said, format!("The property 'id' cannot be changed; leave it out, or repeat '{id}'."));
    let same = server.write("PATCH", &path, format!(r#"{{"id":"{id}","version":"1"}}"#)).await;
    assert_eq!((same.status.as_u16(), &same.json()["version"]), (200, &"1".into()));
    server.end().await;
}

#[tokio::test]
async fn dates_of_every_form_come_back_in_utc() {
    let server = Server::start().await;
    for (given, shown) in [
        ("2017-01-01T00:02:49.3205976-08:00", "2017-01-01T08:02:49.3205976Z"),
        ("2017-01-01T00:02:49Z", "2017-01-01T00:02:49Z"),
        ("2017-01-01T00:02:49.5000000Z", "2017-01-01T00:02:49.5Z"),
        ("2017-01-01T00:02:49.123456789012Z", "2017-01-01T00:02:49.1234567Z"),
        ("2017-01-01T05:30:00+05:30", "2017-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"),
    ] {
        let created = server.write("POST", CONNECTORS, json!({"lastSyncDateTime": given}).to_string()).await;
        assert_eq!(created.json()["lastSyncDateTime"], shown, "{given}");
        let id = created.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(server.get(&format!("{CONNECTORS}/{id}")).await.json()["lastSyncDateTime"], shown);
    }
    for given in [
        "2017-01-01",
        "2017-01-01T00:02:49",
        "2017-01-01T00:02:49.1234567890123Z",
        "2017-02-29T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "/Date(1483228800000)/",
        "",
    ] {
        let body = json!({"lastSyncDateTime": given}).to_string();
        let (_, said) = server.write("POST", CONNECTORS, body).await.error(400);
        let begins = format!("The property 'lastSyncDateTime' cannot be '{given}': ");
        assert!(said.starts_with(&begins), "{said}");
    }
    server.end().await;
}

#[tokio::test]
async fn an_empty_text_and_no_text_are_two_things() {
    let server = Server::start().await;
    let id = server.create(r#"{"serverName":"","version":null}"#).await;
    let read = server.get(&format!("{CONNECTORS}/{id}")).await.json();
    assert_eq!((&read["serverName"], &read["version"]), (&Value::from(""), &Value::Null));
    server.end().await;
}

#[tokio::test]
async fn a_change_shows_as_much_as_the_client_prefers() {
    let server = Server::start().await;
    let change = async |method: &str, path: &str, body: &'static str, prefer: &str| {
        let request = server.request(method, path).header("content-type", "application/json");
        server.send(request.header("prefer", prefer).body(Full::from(body)).unwrap()).await
    };
    let minimal = change("POST", CONNECTORS, "{}", "return=minimal").await;
    assert_eq!((minimal.status.as_u16(), minimal.body.len()), (204, 0));
    assert_eq!(minimal.header("preference-applied"), Some("return=minimal"));
    let location = minimal.header("location").unwrap();
    assert_eq!(minimal.header("odata-entityid"), Some(location), "without a body the id stands in the head");
    let path = location.strip_prefix(&format!("http://{}", server.address)).unwrap();
    assert_eq!(minimal.header("etag"), server.get(path).await.header("etag"));

    let whole = change("PATCH", path, r#"{"version":"1"}"#, "return=representation").await;
    assert_eq!((whole.status.as_u16(), &whole.json()["version"]), (200, &"1".into()));
    assert_eq!(whole.header("preference-applied"), Some("return=representation"));
    let minimal = change("PATCH", path, r#"{"version":"2"}"#, "return=minimal").await;
    assert_eq!((minimal.status.as_u16(), minimal.body.len()), (204, 0));
    assert_eq!(minimal.header("etag"), server.get(path).await.header("etag"));
    for (method, path, body) in
        [("POST", format!("{path}/sync"), r#"{"syncType":"fullSync"}"#), ("DELETE", path.to_owned(), "")]
    {
        let answer = change(method, &path, body, "return=representation").await;
        assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (204, None), "{method}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_file_that_was_saved_on_windows_is_read() {
    let server = Server::start().await;
    let marked = |json: &str| format!("\u{feff}{}\r\n", json.replace('\n', "\r\n"));
    let id = server.create(&marked("{\n  \"serverName\": \"ex01\"\n}")).await;
    let path = format!("{CONNECTORS}/{id}");
    assert_eq!(server.write("PATCH", &path, marked(r#"{"version":"1"}"#)).await.json()["serverName"], "ex01");
    let sync = marked(r#"{"syncType":"deltaSync"}"#);
    assert_eq!(server.write("POST", &format!("{path}/sync"), sync).await.status, 204);
    let batch = json!({"requests": [{"id": "1", "method": "GET", "url": path}]}).to_string();
    assert_eq!(server.write("POST", "/v1.0/$batch", marked(&batch)).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn headers_without_a_meaning_here_are_passed_over() {
    let server = Server::start().await;
    for (name, value) in [
        ("sdkversion", "graph-js/3.0.7, graph-js/3.0.7"),
        ("consistencylevel", "eventual"),
        ("retry-attempt", "2"),
        ("return-client-request-id", "true"),
        ("x-http-method-override", "DELETE"),
        ("prefer", "respond-async, wait=10, odata.track-changes"),
        ("x-ms-throttle-priority", "high"),
    ] {
        let request = server.request("POST", CONNECTORS).header("content-type", "application/json");
        let answer = server.send(request.header(name, value).body(Full::from("{}")).unwrap()).await;
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
        for absent in ["x-ms-ags-diagnostic", "preference-applied", "retry-after"] {
            assert_eq!(answer.header(absent), None, "{name}");
        }
    }
    assert_eq!(server.get(CONNECTORS).await.ids().len(), 7);
    server.end().await;
}

#[tokio::test]
async fn a_page_of_none_is_empty_and_leads_nowhere() {
    let server = Server::start().await;
    server.create("{}").await;
    let page = server.get(&format!("{CONNECTORS}?$top=0&$count=true")).await.json();
    assert_eq!((&page["value"], &page["@odata.count"]), (&json!([]), &json!(1)));
    assert_eq!(page.get("@odata.nextLink"), None);
    server.end().await;
}
