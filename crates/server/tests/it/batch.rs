//! `$batch`: several requests in one.

use exconn_server::{
    ThrottleLimits,
    auth::{Permission, TokenKind},
};
use serde_json::{Value, json};

use crate::harness::{Answer, CONNECTORS, Server, token_of};

const BATCH: &str = "/v1.0/$batch";

async fn send(server: &Server, requests: Value) -> Answer {
    server.write("POST", BATCH, json!({ "requests": requests }).to_string()).await
}

/// The answers by the ids of their requests.
async fn responses(server: &Server, requests: Value) -> std::collections::BTreeMap<String, Value> {
    let answer = send(server, requests).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    let responses = json["responses"].as_array().unwrap().iter();
    responses.map(|response| (response["id"].as_str().unwrap().to_owned(), response.clone())).collect()
}

fn creates(id: &str, body: Value) -> Value {
    json!({
        "id": id, "method": "POST", "url": "/deviceManagement/exchangeConnectors",
        "headers": {"Content-Type": "application/json"}, "body": body,
    })
}

#[tokio::test]
async fn the_whole_surface_works_in_one_batch() {
    let server = Server::start().await;
    let first = server.create(r#"{"serverName":"ex01"}"#).await;
    let second = server.create(r#"{"serverName":"ex02"}"#).await;
    let one = format!("/deviceManagement/exchangeConnectors/{first}");
    let json_type = json!({"content-type": "application/json"});
    let answers = responses(
        &server,
        json!([
            {"id": "list", "method": "GET", "url": "/deviceManagement/exchangeConnectors?$orderby=serverName&$top=1"},
            {"id": "count", "method": "get", "url": "deviceManagement/exchangeConnectors/$count"},
            {"id": "get", "method": "GET", "url": one, "headers": null, "dependsOn": null},
            {"id": "versioned", "method": "GET", "url": format!("/v1.0{one}")},
            {"id": "head", "method": "HEAD", "url": one},
            {"id": "missing", "method": "GET", "url": "/deviceManagement/exchangeConnectors/none"},
            {"id": "change", "method": "PATCH", "url": format!("/deviceManagement/exchangeConnectors('{second}')"),
             "headers": json_type, "body": {"exchangeAlias": "ünïcode \u{1f4f1}"}},
            {"id": "sync", "method": "POST", "url": format!("{one}/microsoft.graph.sync"), "headers": json_type,
             "body": {"syncType": "fullSync"}},
            creates("create", json!({"serverName": "ex03"})),
            {"id": "delete", "method": "DELETE", "url": format!("/deviceManagement/exchangeConnectors/{second}"),
             "dependsOn": ["change"]},
            {"id": "filter", "method": "GET",
             "url": "/deviceManagement/managedDevices?$filter=startswith(deviceName,'A B')&$count=true"},
        ]),
    )
    .await;
    let status = |id: &str| answers[id]["status"].as_u64().unwrap();
    assert_eq!(answers["list"]["body"]["value"][0]["serverName"], "ex01");
    assert!(answers["list"]["body"]["@odata.nextLink"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let kind = answers["list"]["headers"]["Content-Type"].as_str().unwrap();
    assert!(kind.starts_with("application/json;odata.metadata=minimal"), "{kind}");
    assert!(["2", "3"].contains(&answers["count"]["body"].as_str().unwrap()), "{:?}", answers["count"]);
    assert_eq!(answers["count"]["headers"]["Content-Type"], "text/plain");
    assert_eq!(answers["get"]["body"]["id"], first);
    assert_eq!(answers["get"]["headers"]["ETag"], "W/\"1\"");
    assert_eq!(answers["versioned"]["body"]["id"], first);
    assert_eq!((status("head"), answers["head"].get("body")), (200, None));
    assert_eq!(answers["head"]["headers"]["ETag"], "W/\"1\"");
    assert_eq!(status("missing"), 404);
    let inner = &answers["missing"]["body"]["error"]["innerError"];
    assert_eq!(inner["request-id"], answers["missing"]["headers"]["request-id"]);
    assert_eq!(answers["change"]["body"]["exchangeAlias"], "ünïcode \u{1f4f1}");
    assert_eq!((status("sync"), answers["sync"].get("body")), (204, None));
    assert_eq!(status("create"), 201);
    let location = answers["create"]["headers"]["Location"].as_str().unwrap();
    assert!(location.ends_with(answers["create"]["body"]["id"].as_str().unwrap()), "{location}");
    assert_eq!((status("delete"), answers["delete"].get("body")), (204, None));
    assert_eq!(answers["filter"]["body"]["@odata.count"], 0);
    server.end().await;
}

#[tokio::test]
async fn answers_stand_in_the_order_of_the_requests() {
    let server = Server::start().await;
    let requests: Vec<Value> =
        (0..20).map(|number| creates(&number.to_string(), json!({"version": number.to_string()}))).collect();
    let answer = send(&server, requests.into()).await;
    let json = answer.json();
    let responses = json["responses"].as_array().unwrap();
    for (number, response) in responses.iter().enumerate() {
        assert_eq!(response["status"], 201);
        assert_eq!(response["id"], number.to_string());
        assert_eq!(response["body"]["version"], number.to_string());
    }
    assert_eq!(responses.len(), 20);
    assert_eq!(server.get(&format!("{CONNECTORS}/$count")).await.body, "20");
    server.end().await;
}

#[tokio::test]
async fn a_failure_stops_what_depends_on_it_and_nothing_else() {
    let server = Server::start().await;
    let mut chain = vec![creates("1", json!({"nonsense": 1}))];
    for (id, on) in [("2", json!(["1"])), ("3", json!(["2"])), ("4", json!([])), ("5", json!(["4"]))] {
        let mut request = creates(id, json!({"version": id}));
        request["dependsOn"] = on;
        chain.push(request);
    }
    // The vendor's Python library writes the name in this form.
    let mut request = creates("6", json!({"version": "6"}));
    request["depends_on"] = json!(["5", "3"]);
    chain.push(request);
    let answers = responses(&server, chain.into()).await;
    let statuses: Vec<_> = answers.values().map(|answer| answer["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [400, 424, 424, 201, 201, 424]);
    let error = &answers["6"]["body"]["error"];
    assert_eq!(error["code"], "FailedDependency");
    assert!(error["message"].as_str().unwrap().contains("'3'"), "{error}");
    assert_eq!(server.get(&format!("{CONNECTORS}/$count")).await.body, "2");
    server.end().await;
}

#[tokio::test]
async fn what_depends_on_a_change_sees_it() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    let path = format!("/deviceManagement/exchangeConnectors/{id}");
    let mut chain = Vec::new();
    for number in 0..9 {
        chain.push(json!({
            "id": format!("w{number}"), "method": "PATCH", "url": path,
            "headers": {"Content-Type": "application/json"}, "body": {"version": number.to_string()},
            "dependsOn": if number == 0 { json!([]) } else { json!([format!("R{}", number - 1)]) },
        }));
        chain.push(json!({
            "id": format!("r{number}"), "method": "GET", "url": path, "dependsOn": [format!("W{number}")],
        }));
    }
    let answers = responses(&server, chain.into()).await;
    for number in 0..9 {
        assert_eq!(answers[&format!("r{number}")]["body"]["version"], number.to_string());
    }
    server.end().await;
}

#[tokio::test]
async fn addresses_of_this_service_may_be_absolute_and_others_are_refused() {
    let server = Server::start().await;
    let path = "deviceManagement/exchangeConnectors";
    let port = server.address.port();
    for (url, status) in [
        (format!("http://127.0.0.1:{port}/v1.0/{path}"), 200),
        (format!("HTTP://127.0.0.1:{port}/v1.0/{path}?$top=1"), 200),
        (format!("http://evil.example/v1.0/{path}"), 400),
        (format!("http://127.0.0.1:{port}@evil.example/v1.0/{path}"), 400),
        (format!("http://127.0.0.1:{port}/beta/{path}"), 400),
        (format!("/beta/{path}"), 400),
        (format!("//{path}"), 200),
        (format!("/v2.0/{path}"), 400),
        ("/deviceManagement/nothing".to_owned(), 400),
        ("/$batch".to_owned(), 400),
        ("/v1.0/$batch".to_owned(), 400),
        (String::new(), 200),
        ("/$metadata".to_owned(), 200),
        ("/healthz".to_owned(), 400),
        (format!("/{path}?$filter=serverName eq 'a\"<b>'"), 200),
        (format!("/{path}?$filter=serverName eq 'é\u{1f4f1}'"), 200),
        ("/device\u{7}Management".to_owned(), 400),
    ] {
        let method = if url.ends_with("$batch") { "POST" } else { "GET" };
        let request = json!([{"id": "1", "method": method, "url": url,
            "headers": {"content-type": "application/json"}, "body": {"requests": []}}]);
        let answers = responses(&server, request).await;
        assert_eq!(answers["1"]["status"], status, "{url}: {answers:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let server = Server::start().await;
    let request =
        |id: &str| json!({"id": id, "method": "GET", "url": "/deviceManagement/exchangeConnectors"});
    let depending = |id: &str, on: &str| {
        let mut request = request(id);
        request["dependsOn"] = json!([on]);
        request
    };
    let many: Vec<Value> = (0..21).map(|number| request(&number.to_string())).collect();
    let with = |member: &str, value: Value| {
        let mut request = request("1");
        request[member] = value;
        json!({ "requests": [request] })
    };
    let deep = format!("{{\"requests\":[{}{}]}}", "[".repeat(200_000), "]".repeat(200_000));
    for (body, says) in [
        ("".to_owned(), "The body"),
        ("[]".to_owned(), "The body"),
        ("{}".to_owned(), "requests is missing"),
        (r#"{"requests":{}}"#.to_owned(), "an array of requests"),
        (r#"{"requests":[]}"#.to_owned(), "at least one"),
        (r#"{"requests":[],"other":1}"#.to_owned(), "other is not known"),
        (json!({ "requests": many }).to_string(), "at most 20"),
        (json!({ "requests": [request("a"), request("A")] }).to_string(), "requests[1].id: 'A'"),
        (json!({ "requests": [request("")] }).to_string(), "requests[0].id"),
        (json!({ "requests": [request(&"x".repeat(257))] }).to_string(), "requests[0].id"),
        (json!({ "requests": [depending("1", "1")] }).to_string(), "Invalid dependency for request Id: '1'"),
        (json!({ "requests": [depending("1", "2"), request("2")] }).to_string(), "Invalid dependency"),
        (json!({ "requests": [depending("1", "2"), depending("2", "1")] }).to_string(), "Invalid dependency"),
        (json!({ "requests": [{"id": "1", "url": "/"}] }).to_string(), "requests[0].method is missing"),
        (json!({ "requests": [1] }).to_string(), "requests[0] must be an object"),
        (json!({ "requests": [null] }).to_string(), "requests[0] must be an object"),
        (with("id", json!(1)).to_string(), "requests[0].id must be a text, not a number"),
        (with("method", json!(["GET"])).to_string(), "requests[0].method must be a text"),
        (with("headers", json!({"a": 1})).to_string(), "requests[0].headers.a must be a text"),
        (with("headers", json!({"a": "1", "A": "2"})).to_string(), "given twice"),
        (with("headers", json!("a")).to_string(), "an object of headers"),
        (with("dependsOn", json!("1")).to_string(), "requests[0].dependsOn must be an array"),
        (with("bodies", json!("1")).to_string(), "requests[0].bodies is not known"),
        (deep, "requests[0] must be an object"),
    ] {
        let (code, message) = server.write("POST", BATCH, body.clone()).await.error(400);
        assert_eq!(code, "BadRequest");
        assert!(message.contains("Invalid") && message.contains(says), "{body:.200}: {message}");
    }
    server.write("POST", "/v1.0/$batch?$top=1", r#"{"requests":[]}"#).await.error(400);
    server.write("POST", BATCH, vec![b' '; 2 * 1024 * 1024]).await.error(413);
    assert_eq!(server.get(BATCH).await.error(405).0, "Request_BadRequest");
    server.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_one_request_is_its_own_answer() {
    let server = Server::start().await;
    let path = "/deviceManagement/exchangeConnectors";
    let deep = (0..120).fold(json!({}), |inside, _| json!([inside]));
    let answers = responses(
        &server,
        json!([
            {"id": "method", "method": "BREW", "url": path},
            {"id": "no method", "method": "a b", "url": path},
            {"id": "header name", "method": "GET", "url": path, "headers": {"a b": "c"}},
            {"id": "header value", "method": "GET", "url": path, "headers": {"client-request-id": "a\r\nx: y"}},
            {"id": "group", "method": "GET", "url": path, "atomicityGroup": "g"},
            {"id": "no type", "method": "POST", "url": path, "body": {}},
            {"id": "no body", "method": "POST", "url": path, "headers": {"content-type": "application/json"}},
            {"id": "other token", "method": "GET", "url": path, "headers": {"Authorization": "Bearer other"}},
            {"id": "own token", "method": "GET", "url": path,
             "headers": {"authorization": format!("Bearer {}", server.token)}},
            {"id": "gzip", "method": "POST", "url": path,
             "headers": {"content-type": "application/json", "content-encoding": "gzip"},
             "body": "H4sIAAAAAAACA6uuBQBDv6ajAgAAAA=="},
            {"id": "cut gzip", "method": "POST", "url": path,
             "headers": {"content-type": "application/json", "content-encoding": "gzip"}, "body": "H4sIAA"},
            {"id": "length", "method": "POST", "url": path,
             "headers": {"content-type": "application/json", "content-length": "99999999"}, "body": {}},
            {"id": "deep", "method": "POST", "url": path, "headers": {"content-type": "application/json"},
             "body": deep},
            {"id": "xml", "method": "GET", "url": path, "headers": {"accept": "application/xml"}},
            {"id": "if-match", "method": "GET", "url": path, "headers": {"accept": "application/json"}, "body": null},
        ]),
    )
    .await;
    for (id, status) in [
        ("method", 405),
        ("no method", 400),
        ("header name", 400),
        ("header value", 400),
        ("group", 400),
        ("no type", 400),
        ("no body", 400),
        ("other token", 400),
        ("own token", 200),
        ("gzip", 201),
        ("cut gzip", 400),
        ("length", 201),
        ("deep", 400),
        ("xml", 406),
        ("if-match", 200),
    ] {
        assert_eq!(answers[id]["status"], status, "{id}: {}", answers[id]);
    }
    server.end().await;
}

#[tokio::test]
async fn preferences_for_the_whole_are_passed_over() {
    let server = Server::start().await;
    let body = json!({"requests": [creates("1", json!({"version": "1"}))]}).to_string();
    let request = server.request("POST", BATCH).header("content-type", "application/json");
    let request = request.header("prefer", "respond-async, return=minimal").body(body.into()).unwrap();
    let answer = server.send(request).await;
    assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (200, None));
    let json = answer.json();
    assert_eq!(json["responses"][0]["status"], 201);
    assert_eq!(json["responses"][0]["body"]["version"], "1");
    server.end().await;
}

#[tokio::test]
async fn each_request_is_authorised_on_its_own() {
    let server = Server::start().await;
    let token = token_of(&server.keyring, &[Permission::ServiceConfigRead], TokenKind::Application);
    let requests = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/deviceManagement/exchangeConnectors"},
        creates("2", json!({})),
        {"id": "3", "method": "GET", "url": "/deviceManagement/managedDevices"},
    ]});
    let request = http::Request::post(BATCH)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let answer = server.send(request.body(requests.to_string().into()).unwrap()).await;
    let statuses: Vec<_> = answer.json()["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 403, 403]);
    server.end().await;
}

#[tokio::test]
async fn each_request_is_throttled_on_its_own() {
    let limits = ThrottleLimits { app_changes: 2, ..ThrottleLimits::default() };
    let server = Server::start_with(|config| config.throttle = Some(limits)).await;
    let requests: Vec<Value> = (0..3)
        .map(|number| {
            let mut request = creates(&number.to_string(), json!({}));
            let on = (0..number).map(|on: usize| on.to_string()).collect::<Vec<_>>();
            request["dependsOn"] = json!(on);
            request
        })
        .collect();
    let answers = responses(&server, requests.into()).await;
    assert_eq!(answers["1"]["status"], 201);
    assert_eq!(answers["2"]["status"], 429);
    assert_eq!(answers["2"]["headers"]["Retry-After"], "10");
    assert_eq!(answers["2"]["body"]["error"]["code"], "TooManyRequests");
    server.end().await;
}

#[tokio::test]
async fn the_clients_id_names_the_whole_batch_and_may_name_its_parts() {
    let server = Server::start().await;
    let (whole, part) = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222");
    let requests = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/deviceManagement/exchangeConnectors"},
        {"id": "2", "method": "GET", "url": "/deviceManagement/exchangeConnectors",
         "headers": {"client-request-id": part}},
    ]});
    let request = server
        .request("POST", BATCH)
        .header("content-type", "application/json")
        .header("client-request-id", whole);
    let answer = server.send(request.body(requests.to_string().into()).unwrap()).await;
    assert_eq!(answer.header("client-request-id"), Some(whole));
    let json = answer.json();
    assert_eq!(json["responses"][0]["headers"]["client-request-id"], whole);
    assert_eq!(json["responses"][1]["headers"]["client-request-id"], part);
    let ids: std::collections::BTreeSet<_> = [
        answer.header("request-id").unwrap(),
        json["responses"][0]["headers"]["request-id"].as_str().unwrap(),
        json["responses"][1]["headers"]["request-id"].as_str().unwrap(),
    ]
    .into();
    assert_eq!(ids.len(), 3);
    server.end().await;
}
