//! What the service says about itself: `$metadata`, the service document, `deviceManagement`.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Answer, CONNECTORS, Server};

const XML: &str = "application/xml; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// A request without a token.
async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn the_metadata_is_open_and_comes_in_two_forms() {
    let server = Server::start().await;
    for root in ["/v1.0", "/beta"] {
        let path = format!("{root}/$metadata");
        for (query, accept, content_type) in [
            ("", None, XML),
            ("", Some("*/*"), XML),
            ("", Some("application/xml"), XML),
            ("", Some("application/json"), JSON),
            ("?$format=json", None, JSON),
            ("?$format=application/json", Some("application/xml"), JSON),
            ("?$format=xml", Some("application/json"), XML),
            ("?format=application%2Fxml", Some("text/html"), XML),
        ] {
            let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
            let answer = get(&server, &format!("{path}{query}"), &headers).await;
            assert_eq!(answer.status, 200, "{query} {accept:?}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some(content_type), "{query} {accept:?}");
            assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding, Prefer"));
            if content_type == JSON {
                assert_eq!(answer.json()["$EntityContainer"], "microsoft.graph.GraphService");
                assert_eq!(answer.header("odata-version"), Some("4.01"));
            } else {
                assert!(answer.body.starts_with(b"<?xml"), "{answer:?}");
                assert_eq!(answer.header("odata-version"), Some("4.0"));
            }
        }
        for (query, accept, status) in [
            ("", "text/html", 406),
            ("?$format=atom", "*/*", 406),
            ("?$select=id", "*/*", 400),
            ("?$format=xml&$format=json", "*/*", 400),
        ] {
            get(&server, &format!("{path}{query}"), &[("accept", accept)]).await.error(status);
        }
        let refused = server.write("POST", &path, "{}").await;
        refused.error(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    server.end().await;
}

#[tokio::test]
async fn who_has_the_metadata_is_not_sent_it_again() {
    let server = Server::start().await;
    for path in ["/v1.0/$metadata", "/v1.0/$metadata?$format=json", "/beta/openapi.json"] {
        let first = get(&server, path, &[]).await;
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = get(&server, path, &[("if-none-match", &known)]).await;
            assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{path} {known}");
            assert_eq!(again.header("etag"), Some(tag.as_str()));
            assert_eq!(again.header("content-type"), None);
        }
        let other = get(&server, path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.body, first.body);
    }
    server.end().await;
}

#[tokio::test]
async fn the_root_lists_what_there_is() {
    let server = Server::start().await;
    for (path, root) in [("/v1.0", "v1.0"), ("/beta/", "beta"), ("/BETA?$format=json", "beta")] {
        let context = format!("http://{}/{root}/$metadata", server.address);
        let expected = json!({
            "@odata.context": context,
            "value": [{"name": "deviceManagement", "kind": "Singleton", "url": "deviceManagement"}],
        });
        assert_eq!(server.get(path).await.json(), expected, "{path}");
    }
    server.get("/v1.0?$select=id").await.error(400);
    get(&server, "/v1.0", &[]).await.error(401);
    server.end().await;
}

#[tokio::test]
async fn device_management_is_the_tenants() {
    let server = Server::start().await;
    let root = format!("http://{}/v1.0", server.address);
    let tenant = server.keyring.tenant().to_string();
    let context = format!("{root}/$metadata#deviceManagement/$entity");
    let path = "/v1.0/deviceManagement";
    assert_eq!(server.get(path).await.json(), json!({"@odata.context": context, "id": tenant}));
    let full = server.request("GET", path).header("accept", "application/json;odata.metadata=full");
    let full = server.send(full.body(Full::default()).unwrap()).await;
    assert_eq!(
        full.json(),
        json!({
            "@odata.context": context,
            "@odata.type": "#microsoft.graph.deviceManagement",
            "@odata.id": format!("{root}/deviceManagement"),
            "@odata.etag": full.header("etag").unwrap(),
            "@odata.readLink": "deviceManagement",
            "id": tenant,
            "exchangeConnectors@odata.navigationLink": "deviceManagement/exchangeConnectors",
            "managedDevices@odata.navigationLink": "deviceManagement/managedDevices",
            "managedDeviceOverview@odata.navigationLink": "deviceManagement/managedDeviceOverview",
        })
    );
    server.get("/v1.0/deviceManagement?$expand=exchangeConnectors").await.error(400);
    server.end().await;
}

/// The metadata as CSDL JSON.
struct Model {
    schema: Value,
}

impl Model {
    fn resolve(&self, name: &str) -> &Value {
        let name = name.strip_prefix("microsoft.graph.").unwrap();
        let kind = &self.schema[name];
        assert!(kind.is_object(), "{name} is not defined");
        kind
    }

    /// The type that a context names.
    fn type_of_context(&self, context: &str) -> String {
        let (_, fragment) = context.split_once("/$metadata#").unwrap();
        let path = fragment.trim_end_matches("/$entity");
        let (path, selected) = path.split_once('(').unwrap_or((path, ""));
        let mut segments = path.split('/');
        let root = segments.next().unwrap();
        let mut kind = self.schema["GraphService"][root]["$Type"].as_str().unwrap().to_owned();
        for segment in segments {
            let navigation = &self.resolve(&kind)[segment];
            assert_eq!(navigation["$Kind"], "NavigationProperty", "{context}");
            kind = navigation["$Type"].as_str().unwrap().to_owned();
        }
        for name in selected.trim_end_matches(')').split(',').filter(|name| !name.is_empty()) {
            self.property(&kind, name).unwrap_or_else(|| panic!("{context}: {name}"));
        }
        kind
    }

    /// A property of a type or of its base type.
    fn property(&self, kind: &str, name: &str) -> Option<&Value> {
        let kind = self.resolve(kind);
        match kind.get(name) {
            Some(property) => Some(property),
            None => self.property(kind.get("$BaseType")?.as_str().unwrap(), name),
        }
    }

    /// Checks that every member of an object is described, and each value of its type.
    fn check(&self, kind: &str, object: &Value) {
        for (name, value) in object.as_object().unwrap() {
            if let Some(action) = name.strip_prefix("#microsoft.graph.") {
                let overload = &self.schema[action][0];
                assert_eq!(overload["$Kind"], "Action", "{name}");
                assert_eq!(overload["$Parameter"][0]["$Type"], kind, "{name}");
                continue;
            }
            if let Some((property, annotation)) = name.split_once('@') {
                assert!(annotation.starts_with("odata."), "{name}");
                assert!(property.is_empty() || self.property(kind, property).is_some(), "{kind}: {name}");
                if annotation == "odata.type" && value.as_str().unwrap().starts_with("#microsoft.graph.") {
                    self.resolve(value.as_str().unwrap().trim_start_matches('#'));
                }
                continue;
            }
            let property = self.property(kind, name).unwrap_or_else(|| panic!("{kind} has no {name}"));
            if value.is_null() {
                assert_eq!(property["$Nullable"], true, "{kind}: {name}");
                continue;
            }
            match property.get("$Type").map_or("Edm.String", |kind| kind.as_str().unwrap()) {
                "Edm.String" => assert!(value.is_string(), "{name}: {value}"),
                "Edm.Boolean" => assert!(value.is_boolean(), "{name}: {value}"),
                "Edm.Int32" => assert!(value.is_i64(), "{name}: {value}"),
                "Edm.DateTimeOffset" => assert!(value.as_str().unwrap().ends_with('Z'), "{name}: {value}"),
                named => {
                    let described = self.resolve(named);
                    match described["$Kind"].as_str().unwrap() {
                        "EnumType" => assert!(described[value.as_str().unwrap()].is_i64(), "{name}: {value}"),
                        "ComplexType" => self.check(named, value),
                        other => panic!("{other}"),
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn every_answer_is_what_the_metadata_says() {
    let server = Server::start().await;
    crate::devices::sync_devices(&server, 5).await;
    let connector = server.get(CONNECTORS).await.ids().remove(0);
    let device = server.get("/v1.0/deviceManagement/managedDevices").await.ids().remove(0);
    let metadata = server.get("/v1.0/$metadata?$format=json").await.json();
    let model = Model { schema: metadata["microsoft.graph"].clone() };
    let management = "/v1.0/deviceManagement";
    for path in [
        management.to_owned(),
        format!("{management}/exchangeConnectors"),
        format!("{management}/exchangeConnectors?$select=serverName,status"),
        format!("{management}/exchangeConnectors/{connector}"),
        format!("{management}/exchangeConnectors/{connector}?$select=version"),
        format!("{management}/managedDevices?$top=2&$count=true"),
        format!("{management}/managedDevices/{device}"),
        format!("{management}/managedDeviceOverview"),
        format!("{management}/managedDeviceOverview?$select=deviceExchangeAccessStateSummary"),
    ] {
        for level in ["minimal", "full"] {
            let accept = format!("application/json;odata.metadata={level}");
            let request = server.request("GET", &path).header("accept", accept);
            let mut answer = server.send(request.body(Full::default()).unwrap()).await.json();
            let context = answer.as_object_mut().unwrap().shift_remove("@odata.context").unwrap();
            let kind = model.type_of_context(context.as_str().unwrap());
            match answer.get("value") {
                Some(items) => {
                    assert!(!items.as_array().unwrap().is_empty(), "{path}");
                    items.as_array().unwrap().iter().for_each(|item| model.check(&kind, item));
                }
                None => model.check(&kind, &answer),
            }
        }
    }
    server.end().await;
}

#[tokio::test]
async fn a_change_that_could_not_be_answered_is_not_made() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    for (method, path, body) in
        [("POST", CONNECTORS.to_owned(), "{}"), ("PATCH", format!("{CONNECTORS}/{id}"), r#"{"version":"9"}"#)]
    {
        let request = server.request(method, &path).header("content-type", "application/json");
        let request = request.header("accept", "application/xml").body(Full::from(body)).unwrap();
        server.send(request).await.error(406);
    }
    let connectors = server.get(CONNECTORS).await;
    assert_eq!(connectors.ids(), [id]);
    assert_eq!(connectors.json()["value"][0]["version"], Value::Null);
    server.end().await;
}

#[tokio::test]
async fn a_count_is_text_and_nothing_else() {
    let server = Server::start().await;
    for (accept, query, status) in [
        ("text/plain", "", 200),
        ("application/json", "", 200),
        ("application/xml", "?$format=json", 200),
        ("application/xml", "", 406),
        ("*/*", "?$format=xml", 406),
    ] {
        let request = server.request("GET", &format!("{CONNECTORS}/$count{query}")).header("accept", accept);
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status, status, "{accept} {query}: {answer:?}");
        if status == 200 {
            assert_eq!((answer.header("content-type"), &*answer.body), (Some("text/plain"), &b"0"[..]));
        }
    }
    server.end().await;
}

#[tokio::test]
async fn the_action_leads_to_itself() {
    let server = Server::start().await;
    server.create("{}").await;
    let accept = "application/json;odata.metadata=full";
    let request = server.request("GET", CONNECTORS).header("accept", accept);
    let list = server.send(request.body(Full::default()).unwrap()).await.json();
    let item = &list["value"][0];
    assert_eq!(item["@odata.etag"], "W/\"1\"");
    let action = &item["#microsoft.graph.sync"];
    assert_eq!(action["title"], "sync");
    let target = action["target"].as_str().unwrap();
    let path = target.strip_prefix(&format!("http://{}", server.address)).unwrap();
    assert_eq!(server.write("POST", path, r#"{"syncType":"fullSync"}"#).await.status, 204);
    server.end().await;
}

#[tokio::test]
async fn the_preference_for_later_members_is_acknowledged() {
    let server = Server::start().await;
    let id = server.create("{}").await;
    for path in [
        CONNECTORS.to_owned(),
        format!("{CONNECTORS}/{id}"),
        "/v1.0/deviceManagement/managedDeviceOverview".to_owned(),
    ] {
        let request = server.request("GET", &path).header("prefer", "include-unknown-enum-members");
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.header("preference-applied"), Some("include-unknown-enum-members"), "{path}");
    }
    server.end().await;
}
