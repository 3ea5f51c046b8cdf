//! Random operations, told to the service and to a plain model in memory: both give the same answers.

mod operation;
mod plain;

use http::Request;
use http_body_util::Full;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;

use self::{
    operation::{Operation, operations},
    plain::{Expected, Plain},
};
use crate::harness::{Answer, CONNECTORS, Server};

const CASES: u32 = 48;

#[test]
fn the_service_answers_as_a_plain_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let told = runner.run(&operations(), |operations| {
        runtime.block_on(async {
            let server = Server::start().await;
            let mut model = Plain::default();
            for operation in &operations {
                let outcome = tell(&server, &mut model, operation).await;
                prop_assert!(outcome.is_ok(), "{operation:?}: {}", outcome.unwrap_err());
            }
            server.end().await;
            Ok(())
        })
    });
    if let Err(error) = told {
        panic!("{error}");
    }
}

async fn tell(server: &Server, model: &mut Plain, operation: &Operation) -> Result<(), String> {
    match operation {
        Operation::Create(body) => {
            let answer = server.write("POST", CONNECTORS, body.json()).await;
            let given = answer.status.is_success().then(|| answer.json()["id"].as_str().unwrap().to_owned());
            agrees(&answer, &model.create(given, body))
        }
        Operation::Get(which) => {
            let id = model.id(*which);
            agrees(&server.get(&format!("{CONNECTORS}/{id}")).await, &model.get(&id))
        }
        Operation::Update(which, body, tag) => {
            let id = model.id(*which);
            let tag = model.tag(&id, *tag);
            let path = format!("{CONNECTORS}('{id}')");
            let answer = send(server, "PATCH", &path, tag.as_deref(), body.json()).await;
            agrees(&answer, &model.update(&id, body, tag.as_deref()))
        }
        Operation::Delete(which, tag) => {
            let id = model.id(*which);
            let tag = model.tag(&id, *tag);
            let path = format!("{CONNECTORS}/{id}");
            let answer = send(server, "DELETE", &path, tag.as_deref(), String::new()).await;
            agrees(&answer, &model.delete(&id, tag.as_deref()))
        }
        Operation::Sync(which, body) => {
            let id = model.id(*which);
            let answer = server.write("POST", &format!("{CONNECTORS}/{id}/sync"), *body).await;
            agrees(&answer, &model.sync(&id, body))
        }
        Operation::Count(filter) => {
            let query = serialised(&[("$filter", filter.text())]);
            let answer = server.get(&format!("{CONNECTORS}/$count?{query}")).await;
            let wanted = model.matching(filter).len().to_string();
            (answer.body == wanted).then_some(()).ok_or(format!("{:?}, not {wanted}", answer.body))
        }
        Operation::List(list) => {
            let mut options = vec![("$top", list.top.to_string()), ("$count", "true".to_owned())];
            options.extend(list.filter.as_ref().map(|filter| ("$filter", filter.text())));
            options.extend(list.order_text().map(|order| ("$orderby", order)));
            options.extend(list.select_text().map(|select| ("$select", select)));
            if list.skip > 0 {
                options.push(("$skip", list.skip.to_string()));
            }
            let (total, wanted) = model.list(list);
            let mut path = format!("{CONNECTORS}?{}", serialised(&options));
            let mut found: Vec<Value> = Vec::new();
            loop {
                let answer = server.get(&path).await;
                if answer.status != 200 {
                    return Err(format!("{answer:?}"));
                }
                let page = answer.json();
                if page["@odata.count"] != total {
                    return Err(format!("{} are counted, not {total}", page["@odata.count"]));
                }
                let items = page["value"].as_array().unwrap();
                if items.len() > list.top {
                    return Err(format!("a page of {}", items.len()));
                }
                found.extend(items.iter().cloned());
                let Some(link) = page["@odata.nextLink"].as_str() else { break };
                path = link.split_once("/v1.0/").map(|(_, rest)| format!("/v1.0/{rest}")).unwrap();
                if items.is_empty() {
                    return Err("an empty page with a next link".to_owned());
                }
            }
            if found == wanted { Ok(()) } else { Err(format!("found {found:#?}, not {wanted:#?}")) }
        }
    }
}

async fn send(server: &Server, method: &str, path: &str, tag: Option<&str>, body: String) -> Answer {
    let mut request: http::request::Builder = server.request(method, path);
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    let request: Request<Full<_>> = request.body(Full::from(body)).unwrap();
    server.send(request).await
}

fn agrees(answer: &Answer, expected: &Expected) -> Result<(), String> {
    let differs = |what: &str| Err(format!("{what}: {answer:?} instead of {expected:?}"));
    match expected {
        Expected::Entity(status, entity, tag) => {
            if answer.status != *status {
                return differs("status");
            }
            let mut json = answer.json();
            json.as_object_mut().unwrap().shift_remove("@odata.context");
            if json != *entity {
                return differs("entity");
            }
            if answer.header("etag") == Some(tag) { Ok(()) } else { differs("ETag") }
        }
        Expected::Nothing if answer.status == 204 && answer.body.is_empty() => Ok(()),
        Expected::Error(status) if answer.status == *status && answer.error(*status).0.len() > 3 => Ok(()),
        _ => differs("outcome"),
    }
}

fn serialised(options: &[(&str, String)]) -> String {
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs: Vec<_> = options.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}
