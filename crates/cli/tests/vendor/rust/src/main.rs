//! Drives a running `exconn serve` with graph-rs-sdk, as a program that was written for Microsoft Graph would. Prints the
//! name of each chapter that went well.
//!
//!     cargo run -- http://127.0.0.1:8780 TOKEN list change …

use std::{collections::HashSet, error::Error, future::Future, time::Duration};

use futures_util::StreamExt;
use graph_rs_sdk::{
    GraphClient, GraphClientConfiguration, GraphResult, ODataQuery,
    header::{ETAG, HeaderName, HeaderValue, IF_MATCH, LOCATION, RETRY_AFTER},
    http::{ResponseExt, Url},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const NEVER: &str = "0001-01-01T00:00:00Z";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, token, chapters @ ..] = arguments.as_slice() else {
        return Err("ADDRESS TOKEN CHAPTER…".into());
    };
    let graph = Graph::new(base, token, false)?;
    for chapter in chapters {
        match chapter.as_str() {
            "list" => list(&graph).await?,
            "change" => change(&graph).await?,
            "sync" => sync(&graph).await?,
            "devices" => devices(&graph).await?,
            "paging" => paging(&graph).await?,
            "errors" => errors(&graph, base).await?,
            "batch" => batch(&graph).await?,
            "retry" => retry(&graph, &Graph::new(base, token, true)?).await?,
            other => return Err(format!("there is no chapter '{other}'").into()),
        }
        println!("{chapter}");
    }
    Ok(())
}

/// The library's client, and the requests of the story that it makes again and again.
struct Graph(GraphClient);

impl Graph {
    fn new(base: &str, token: &str, waits_when_throttled: bool) -> Outcome<Self> {
        let mut client = GraphClient::from(
            GraphClientConfiguration::new()
                .access_token(token)
                .https_only(false)
                .timeout(Duration::from_secs(60))
                .wait_for_retry_after_headers(waits_when_throttled),
        );
        client.use_test_endpoint(&Url::parse(&format!("{base}/v1.0"))?);
        Ok(Self(client))
    }

    async fn create(&self, connector: Value) -> Outcome<Value> {
        let response = self.0.device_management().create_exchange_connectors(&connector).send().await?;
        assert_eq!(response.status(), 201);
        let location = response.headers().get(LOCATION).cloned();
        let made: Value = response.json().await?;
        assert!(location.is_some_and(|location| location.as_bytes().ends_with(id(&made).as_bytes())));
        Ok(made)
    }

    /// Connectors of a chapter of its own, told apart by their organisation.
    async fn create_many(&self, organization: &str, count: usize) -> Outcome<Vec<Value>> {
        let mut made = Vec::new();
        for number in 0..count {
            let name = format!("server {number:02}'s");
            made.push(self.create(json!({"serverName": name, "exchangeOrganization": organization})).await?);
        }
        Ok(made)
    }

    async fn get(&self, connector: &Value) -> Outcome<Value> {
        let response = self.0.device_management().get_exchange_connectors(id(connector)).send().await?;
        assert_eq!(response.status(), 200);
        Ok(response.json().await?)
    }

    async fn patch(&self, connector: &Value, change: Value) -> Outcome<Value> {
        let request = self.0.device_management().update_exchange_connectors(id(connector), &change);
        let response = request.send().await?;
        assert_eq!(response.status(), 200);
        Ok(response.json().await?)
    }

    async fn delete(&self, connector: &Value) -> Outcome {
        let response = self.0.device_management().delete_exchange_connectors(id(connector)).send().await?;
        assert_eq!(response.status(), 204);
        Ok(())
    }

    /// The connectors that a filter selects.
    async fn find(&self, filter: &str) -> Outcome<Vec<Value>> {
        let response = self.0.device_management().list_exchange_connectors().filter(&[filter]).send().await?;
        assert_eq!(response.status(), 200);
        let mut page: Value = response.json().await?;
        assert!(page.get("@odata.nextLink").is_none(), "all are on one page");
        Ok(page["value"].as_array_mut().map(std::mem::take).ok_or("a page has a value")?)
    }
}

fn id(entity: &Value) -> &str {
    entity["id"].as_str().expect("an entity has an id")
}

fn of(organization: &str) -> String {
    format!("exchangeOrganization eq '{organization}'")
}

fn names(page: &Value) -> Vec<&str> {
    let connectors = page["value"].as_array().expect("a page has a value");
    connectors.iter().map(|connector| connector["serverName"].as_str().expect("it has a name")).collect()
}

/// Asks again and again until there is an answer, but not for ever.
async fn until<T, F: Future<Output = Outcome<Option<T>>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> Outcome<T> {
    let asking = async {
        loop {
            match ask().await.transpose() {
                Some(answer) => return answer,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(Duration::from_secs(60), asking).await.map_err(|_| format!("waited too long until {what}"))?
}

async fn list(graph: &Graph) -> Outcome {
    graph.create_many("list", 5).await?;
    let request = graph
        .0
        .device_management()
        .list_exchange_connectors()
        .filter(&["exchangeOrganization eq 'list' and startswith(serverName,'server 0') and status eq 'connectionPending'"])
        .select(&["id", "serverName"])
        .order_by(&["serverName desc"])
        .skip("1")
        .top("3")
        .count("true");
    let page: Value = request.send().await?.json().await?;
    assert_eq!(page["@odata.count"], 5);
    assert_eq!(names(&page), ["server 03's", "server 02's", "server 01's"]);
    assert_eq!(page["value"][0].as_object().map(|one| one.len()), Some(2));
    assert!(page["@odata.nextLink"].is_string());

    let count =
        graph.0.device_management().get_exchange_connectors_count().filter(&[&of("list")]).send().await?;
    assert_eq!(count.text().await?, "5");
    assert!(graph.find(&of("nobody")).await?.is_empty());
    assert_eq!(graph.find("serverName eq 'server 00''s' and exchangeOrganization eq 'list'").await?.len(), 1);

    let request = graph.0.device_management().list_exchange_connectors();
    let prefer = (HeaderName::from_static("prefer"), HeaderValue::from_static("odata.maxpagesize=2"));
    let page: Value = request.header(prefer.0, prefer.1).send().await?.json().await?;
    assert_eq!(page["value"].as_array().map(Vec::len), Some(2));
    Ok(())
}

async fn change(graph: &Graph) -> Outcome {
    let made = graph
        .create(json!({
            "@odata.type": "#microsoft.graph.deviceManagementExchangeConnector",
            "serverName": "ex02.contoso.com",
            "exchangeConnectorType": "hosted",
            "lastSyncDateTime": "2017-01-01T00:02:49.3205976-08:00",
        }))
        .await?;
    assert_eq!(made["status"], "connectionPending");
    assert_eq!(made["exchangeConnectorType"], "hosted");
    assert_eq!(made["lastSyncDateTime"], "2017-01-01T08:02:49.3205976Z");
    assert_eq!(graph.get(&made).await?, made);

    let empty = graph.create(json!({})).await?;
    assert_eq!(
        (&empty["lastSyncDateTime"], &empty["exchangeConnectorType"]),
        (&json!(NEVER), &json!("onPremises"))
    );
    graph.delete(&empty).await?;

    let changed = graph.patch(&made, json!({"exchangeAlias": "two", "status": "disconnected"})).await?;
    assert_eq!((&changed["exchangeAlias"], &changed["status"]), (&json!("two"), &json!("disconnected")));
    let cleared = graph.patch(&made, json!({"exchangeAlias": null})).await?;
    assert_eq!((&cleared["exchangeAlias"], &cleared["serverName"]), (&Value::Null, &made["serverName"]));

    let connector = || graph.0.device_management();
    let read = connector().get_exchange_connectors(id(&made)).send().await?;
    let tag = read.headers().get(ETAG).cloned().ok_or("an entity has an ETag")?;
    let update = |version: &str| {
        let request = connector().update_exchange_connectors(id(&made), &json!({"version": version}));
        request.header(IF_MATCH, tag.clone())
    };
    assert_eq!(update("1.1").send().await?.status(), 200);
    assert_eq!(update("1.2").send().await?.status(), 412);
    let delete = |tag: HeaderValue| connector().delete_exchange_connectors(id(&made)).header(IF_MATCH, tag);
    assert_eq!(delete(tag.clone()).send().await?.status(), 412);
    assert_eq!(graph.get(&made).await?["version"], "1.1");
    assert_eq!(delete(HeaderValue::from_static("*")).send().await?.status(), 204);
    assert_eq!(connector().get_exchange_connectors(id(&made)).send().await?.status(), 404);
    Ok(())
}

async fn sync(graph: &Graph) -> Outcome {
    // Dates of the same zone are in the order of their text.
    let synced_after = async |before: &str| -> Outcome<Option<Value>> {
        let found = graph.find("exchangeAlias eq 'contoso' and status eq 'connected'").await?.pop();
        Ok(found.filter(|found| found["lastSyncDateTime"].as_str().is_some_and(|last| last > before)))
    };
    let connector = until("the first sync ends", || synced_after(NEVER)).await?;
    for sync_type in ["fullSync", "deltaSync"] {
        let before = graph.get(&connector).await?["lastSyncDateTime"].as_str().unwrap_or_default().to_owned();
        let request = graph.0.device_management().sync(id(&connector), &json!({"syncType": sync_type}));
        let response = request.send().await?;
        assert_eq!(response.status(), 204);
        assert_eq!(response.text().await?, "");
        until("the sync ends", || synced_after(&before)).await?;
    }
    let wrong = graph.0.device_management().sync(id(&connector), &json!({"syncType": "someSync"}));
    assert_eq!(wrong.send().await?.status(), 400);
    Ok(())
}

async fn devices(graph: &Graph) -> Outcome {
    let devices = || graph.0.device_management().managed_devices();
    let request = devices().list_managed_devices().count("true").order_by(&["deviceName"]).top("7");
    let pages = request.paging().json::<Value>().await?;
    let mut found = Vec::new();
    for page in &pages {
        let page = page.body().as_ref().map_err(|error| error.to_string())?;
        assert!(page["value"].as_array().is_some_and(|devices| devices.len() <= 7));
        found.extend(page["value"].as_array().into_iter().flatten().map(|device| id(device).to_owned()));
    }
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len());
    let count = devices().get_managed_devices_count().send().await?.text().await?;
    assert_eq!(count, found.len().to_string());

    let one = graph.0.device_management().managed_device(&found[0]);
    let device: Value = one.get_managed_devices().send().await?.json().await?;
    assert_eq!(device["managementAgent"], "eas");
    let overview: Value =
        graph.0.device_management().get_managed_device_overview().send().await?.json().await?;
    let blocked =
        devices().get_managed_devices_count().filter(&["exchangeAccessState eq 'blocked'"]).send().await?;
    assert_eq!(
        overview["deviceExchangeAccessStateSummary"]["blockedDeviceCount"].to_string(),
        blocked.text().await?
    );
    Ok(())
}

/// Every connector that stood all the time is listed once, whatever comes and goes between two pages.
async fn paging(graph: &Graph) -> Outcome {
    let made = graph.create_many("paging", 30).await?;
    let request = graph.0.device_management().list_exchange_connectors();
    let request = request.filter(&[&of("paging")]).order_by(&["serverName"]).top("4");
    let mut pages = request.paging().stream::<Value>()?;
    let (mut seen, mut removed) = (HashSet::new(), HashSet::new());
    while let Some(page) = pages.next().await {
        let page = page?.into_body().map_err(|error| error.to_string())?;
        for connector in page["value"].as_array().into_iter().flatten() {
            assert!(seen.insert(id(connector).to_owned()), "none twice");
        }
        // One that was listed and one that was not yet go; one comes before and one behind what was listed.
        let standing = || made.iter().rev().filter(|connector| !removed.contains(id(connector)));
        let before = standing().find(|connector| seen.contains(id(connector)));
        let behind = standing().find(|connector| !seen.contains(id(connector)));
        for gone in [before, behind].into_iter().flatten() {
            graph.delete(gone).await?;
        }
        removed.extend([before, behind].into_iter().flatten().map(|gone| id(gone).to_owned()));
        if page["@odata.nextLink"].is_string() && removed.len() < 20 {
            for name in ["server", "server 99"] {
                graph.create(json!({"serverName": name, "exchangeOrganization": "paging"})).await?;
            }
        }
    }
    assert!(removed.len() >= 8, "only {} were removed meanwhile", removed.len());
    for stood in made.iter().filter(|connector| !removed.contains(id(connector))) {
        assert!(seen.contains(id(stood)), "{stood} was not listed");
    }
    Ok(())
}

async fn errors(graph: &Graph, base: &str) -> Outcome {
    let connectors = || graph.0.device_management();
    let unknown = "11111111-2222-4333-8444-555555555555";
    let response = connectors().get_exchange_connectors(unknown).send().await?;
    assert_eq!(response.status(), 404);
    let error = response.into_graph_error_message().await?;
    assert_eq!(error.code_property().as_deref(), Some("ResourceNotFound"));
    assert!(error.request_id().is_some() && error.date().is_some());

    for (request, words) in [
        (connectors().list_exchange_connectors().filter(&["serverNam eq 'a'"]), "serverNam"),
        (connectors().list_exchange_connectors().search("a"), "$search"),
        (connectors().list_exchange_connectors().expand(&["serverName"]), "$expand"),
        (connectors().create_exchange_connectors(&json!({"serverNam": "a"})), "serverNam"),
        (connectors().create_exchange_connectors(&json!({"status": "away"})), "status"),
    ] {
        let response = request.send().await?;
        assert_eq!(response.status(), 400, "{words}");
        let message = response.into_graph_error_message().await?.message().unwrap_or_default();
        assert!(message.contains(words), "{message}");
    }
    let stranger = Graph::new(base, "no token", false)?;
    let response = stranger.0.device_management().list_exchange_connectors().send().await?;
    assert_eq!(response.status(), 401);
    Ok(())
}

async fn batch(graph: &Graph) -> Outcome {
    let made = graph.create_many("batch", 1).await?;
    let one = format!("/deviceManagement/exchangeConnectors/{}", id(&made[0]));
    let json_headers = json!({"Content-Type": "application/json"});
    let response = graph
        .0
        .batch(&json!({"requests": [
            {"id": "1", "method": "PATCH", "url": one, "headers": json_headers, "body": {"version": "2"}},
            {"id": "2", "method": "GET", "url": format!("{one}?$select=version"), "dependsOn": ["1"]},
            {"id": "3", "method": "POST", "url": format!("{one}/sync"), "headers": json_headers,
             "body": {"syncType": "deltaSync"}, "dependsOn": ["2"]},
            {"id": "4", "method": "GET", "url": "/deviceManagement/exchangeConnectors?$filter=serverNam eq 'a'"},
            {"id": "5", "method": "DELETE", "url": one, "dependsOn": ["4"]},
        ]}))
        .send()
        .await?;
    assert_eq!(response.status(), 200);
    let answer: Value = response.json().await?;
    let answers = answer["responses"].as_array().ok_or("a batch has responses")?;
    let of = |id: &str| answers.iter().find(|answer| answer["id"] == id).unwrap_or(&Value::Null);
    let statuses = ["1", "2", "3", "4", "5"].map(|id| of(id)["status"].clone());
    assert_eq!(statuses, [200, 200, 204, 400, 424].map(Value::from));
    assert_eq!(of("2")["body"]["version"], "2");
    assert_eq!(graph.get(&made[0]).await?["version"], "2", "what depended on a failure was not done");
    Ok(())
}

/// For a service that lets few requests through at once. A client that is told to waits and repeats; others see the 429.
async fn retry(hasty: &Graph, patient: &Graph) -> Outcome {
    let connector = patient.create(json!({})).await?;
    let send = async |graph: &Graph, version: usize| -> GraphResult<_> {
        let change = json!({"version": version.to_string()});
        graph.0.device_management().update_exchange_connectors(id(&connector), &change).send().await
    };
    let mut refused = None;
    for version in 0..1000 {
        let response = send(hasty, version).await?;
        if response.status() != 200 {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.ok_or("nothing was throttled")?;
    assert_eq!(refused.status(), 429);
    let wait =
        refused.headers().get(RETRY_AFTER).ok_or("there is a time to wait")?.to_str()?.parse::<u64>()?;
    assert!(wait >= 1);
    for version in 0..12 {
        assert_eq!(send(patient, version).await?.status(), 200);
    }
    assert_eq!(patient.get(&connector).await?["version"], "11");
    Ok(())
}
