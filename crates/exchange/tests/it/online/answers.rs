//! Answers that the peer never gives.

use std::io::Write;

use exconn_exchange::{Exchange, ExchangeError};
use exconn_model::FailureKind;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::{
    scripted::{Reply, Scripted, devices, interface},
    setup::Client,
};

/// The error of a listing at a server that always answers so.
async fn failure(reply: impl Fn() -> Reply + Send + Sync + 'static) -> ExchangeError {
    let server = Scripted::start(move |_| reply());
    Client::new(&server.url).failure().await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn page(rows: std::ops::Range<usize>, next: Option<&str>) -> Reply {
    let mut body = json!({"value": devices(rows)});
    if let Some(next) = next {
        body["@odata.nextLink"] = next.into();
    }
    Reply::json(200, &body)
}

#[tokio::test]
async fn a_request_is_what_the_interface_takes_and_a_page_is_asked_for_with_the_same() {
    let server = Scripted::start(|request| {
        let next = format!("{}?$skiptoken=a%2Fb", interface());
        if request.path == next { page(5..7, None) } else { page(0..5, Some(&next)) }
    });
    assert_eq!(Client::new(&server.url).all().await.unwrap().len(), 7);
    let [first, second] = server.cmdlets().try_into().unwrap();
    assert_eq!((first.path.as_str(), &first.body), (interface().as_str(), &second.body));
    for (name, value) in [
        ("authorization", "bearer granted"),
        ("content-type", "application/json;charset=utf-8"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
        ("prefer", "odata.maxpagesize=1000"),
        ("x-cmdletname", "get-mobiledevice"),
        ("x-responseformat", "json"),
    ] {
        assert_eq!((first.header(name), second.header(name)), (Some(value), Some(value)), "{name}");
    }
    for name in ["x-anchormailbox", "connection-id"] {
        assert_eq!(first.header(name), second.header(name), "{name}");
    }
    assert_ne!(first.header("client-request-id"), second.header("client-request-id"));
}

#[tokio::test]
async fn what_says_that_something_is_missing_is_no_listing() {
    let warning = "There are more results available than are currently displayed. Increase ResultSize.";
    let with = |extra: &'static str, value: Value| {
        move || {
            let mut body = json!({"value": devices(0..3)});
            body[extra] = value.clone();
            Reply::json(200, &body)
        }
    };
    for error in [
        failure(with("@adminapi.warnings", json!([warning]))).await,
        failure(move || page(0..3, None).header("X-Warnings", warning)).await,
        failure(with("@adminapi.errors", json!(["a domain controller failed"]))).await,
        failure(with("error", json!({"code": "Failed"}))).await,
    ] {
        assert_eq!(error.kind(), FailureKind::EndedEarly, "{error}");
    }
    let german = "Es gibt weitere Einträge. Verwenden Sie -ResultSize Unlimited für alle.";
    let error = failure(move || page(0..3, None).header("X-Warnings", german)).await;
    assert_eq!(error.kind(), FailureKind::EndedEarly, "{error}");
    let harmless =
        Scripted::start(with("@adminapi.warnings", json!(["An object is corrupted."])).into_script());
    assert_eq!(Client::new(&harmless.url).all().await.unwrap().len(), 3);
}

/// A reply that does not depend on the request.
trait IntoScript {
    fn into_script(self) -> Box<dyn Fn(&super::scripted::Request) -> Reply + Send + Sync>;
}

impl<F: Fn() -> Reply + Send + Sync + 'static> IntoScript for F {
    fn into_script(self) -> Box<dyn Fn(&super::scripted::Request) -> Reply + Send + Sync> {
        Box::new(move |_| self())
    }
}

#[tokio::test]
async fn what_is_no_page_violates_the_protocol() {
    for body in ["", "{}", "[]", "{\"value\":[{\"Guid\":\"x\"}]}", "{\"value\":[]}}", "{\"value\":null}"] {
        let error = failure(move || Reply::raw(200, body)).await;
        assert_eq!(error.kind(), FailureKind::ProtocolViolated, "{body}: {error}");
    }
    let error = failure(|| Reply::raw(200, "<html>").header("Content-Type", "text/html")).await;
    assert_eq!(error.kind(), FailureKind::WrongEndpoint, "{error}");
    let large = || Reply::raw(200, vec![b' '; 64 * 1024 * 1024 + 1]);
    assert_eq!(failure(large).await.kind(), FailureKind::ProtocolViolated);
}

#[tokio::test]
async fn gzip_is_read_and_bounded() {
    let body = gzip(json!({"value": devices(0..500)}).to_string().as_bytes());
    let server = Scripted::start(move |_| Reply::raw(200, body.clone()).header("Content-Encoding", "gzip"));
    assert_eq!(Client::new(&server.url).all().await.unwrap().len(), 500);
    let bomb = gzip(&vec![b' '; 65 * 1024 * 1024]);
    assert!(bomb.len() < 1_000_000);
    let error = failure(move || Reply::raw(200, bomb.clone()).header("Content-Encoding", "gzip")).await;
    assert!(
        matches!(&error, ExchangeError::ProtocolViolated { reason } if reason.contains("inflates")),
        "{error}"
    );
    let error = failure(|| Reply::raw(200, vec![0; 64]).header("Content-Encoding", "gzip")).await;
    assert_eq!(error.kind(), FailureKind::ProtocolViolated, "{error}");
}

#[tokio::test]
async fn a_body_of_nothing_means_not_permitted() {
    let error = failure(|| Reply::raw(403, vec![0; 64]).header("Content-Encoding", "gzip")).await;
    assert!(
        matches!(&error, ExchangeError::NotPermitted { cmdlet, .. } if cmdlet == "Get-MobileDevice"),
        "{error}"
    );
    let parameter = "A parameter cannot be found that matches parameter name 'Filter'.";
    let error = failure(move || {
        Reply::refusal(400, "System.Management.Automation.ParameterBindingException", parameter)
    })
    .await;
    assert!(matches!(&error, ExchangeError::NotPermitted { reason, .. } if reason == parameter), "{error}");
}

#[tokio::test]
async fn other_refusals_say_what_the_service_said() {
    for (status, kind) in
        [(400, FailureKind::EndedEarly), (409, FailureKind::EndedEarly), (500, FailureKind::EndedEarly)]
    {
        let error = failure(move || Reply::refusal(status, "Some.Exception", "the real reason")).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains("the real reason"), "{error}");
    }
    for (status, kind) in [
        (302, FailureKind::WrongEndpoint),
        (404, FailureKind::WrongEndpoint),
        (405, FailureKind::WrongEndpoint),
        (502, FailureKind::Unreachable),
    ] {
        let error = failure(move || Reply::raw(status, "").header("Location", "http://127.0.0.1:1/")).await;
        assert_eq!(error.kind(), kind, "{status}: {error}");
    }
    let error = failure(|| Reply::raw(503, "").header("Retry-After", "120")).await;
    assert!(matches!(error, ExchangeError::Throttled { after } if after.as_secs() == 120), "{error}");
    let error = failure(|| Reply::raw(429, "").header("Retry-After", "0")).await;
    assert!(matches!(error, ExchangeError::Throttled { after } if after.as_secs() == 1), "{error}");
}

#[tokio::test]
async fn a_next_page_is_only_fetched_where_the_first_one_was() {
    let elsewhere = Scripted::start(|_| page(0..1, None));
    for next in [
        format!("{}{}?$skiptoken=a", elsewhere.url, interface()),
        format!("//{}/x", elsewhere.url.trim_start_matches("http://")),
        "https://127.0.0.1/x".to_owned(),
        "x".to_owned(),
        String::new(),
    ] {
        let error = failure(move || page(0..2, Some(&next))).await;
        assert_eq!(error.kind(), FailureKind::ProtocolViolated, "{error}");
    }
    assert!(elsewhere.cmdlets().is_empty() && elsewhere.tokens().is_empty(), "the token went nowhere else");
}

#[tokio::test]
async fn a_listing_that_goes_in_circles_ends() {
    let server = Scripted::start(|request| {
        let link = |number| format!("{}?$skiptoken={number}", interface());
        page(0..2, Some(&link(request.number % 5)))
    });
    let error = Client::new(&server.url).failure().await;
    assert!(matches!(&error, ExchangeError::EndedEarly { reason } if reason.contains("circles")), "{error}");
    assert!(server.cmdlets().len() < 10);
}

#[tokio::test]
async fn empty_pages_in_between_and_devices_that_come_twice_are_no_harm() {
    let server = Scripted::start(|request| {
        let link = |number: usize| format!("{}?$skiptoken={number}", interface());
        match request.cmdlet().as_str() {
            "Get-MobileDevice" if request.path == interface() => page(0..0, Some(&link(1))),
            _ if request.path == link(1) => page(0..3, Some(&link(2))),
            _ if request.path == link(2) => page(0..0, Some(&link(3))),
            _ => page(2..5, None),
        }
    });
    assert_eq!(Client::new(&server.url).all().await.unwrap().len(), 6);
}

#[tokio::test]
async fn an_interface_that_sends_all_at_once_is_complete_unless_it_is_the_usual_cut() {
    let server = Scripted::start(|_| page(0..1500, None));
    assert_eq!(Client::new(&server.url).all().await.unwrap().len(), 1500);
    let error = failure(|| page(0..1000, None)).await;
    assert_eq!(error.kind(), FailureKind::EndedEarly, "{error}");
}

#[tokio::test]
async fn an_organisation_without_a_name_is_none() {
    let server = Scripted::start(|_| Reply::page(&json!([])));
    let error = Client::new(&server.url).exchange.observe().await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::ProtocolViolated, "{error}");
}
