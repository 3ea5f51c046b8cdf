//! Several servers of one organisation: the next one where the first fails, the first one again later.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use exconn_exchange::{Exchange, ExchangeError};
use exconn_testkit::{Peer, wait_until};
use serde_json::json;

use crate::setup::{BOUND, Client, cmdlets, no_shell_is_left, peer, restarted, sessions};

const RETURN_AFTER: Duration = Duration::from_secs(600);

fn over(first: &str, second: &str) -> Client {
    Client::with(first, |config| {
        config.fallback_urls = vec![second.to_owned()];
        config.idle_session = Duration::from_secs(840);
    })
}

#[tokio::test]
async fn the_second_server_stands_in_and_the_first_comes_back() {
    let (first, second) = (peer(&["--count", "30"]), peer(&["--count", "30"]));
    let url = first.url().to_owned();
    let client = over(&url, second.url());
    client.exchange.observe().await.unwrap();
    assert_eq!((sessions(&first), sessions(&second)), (1, 0));
    drop(first);
    assert_eq!(client.all().await.unwrap().len(), 30);
    assert_eq!(sessions(&second), 1);

    // It is back, and left alone for a while.
    let first = restarted(&url, &["--count", "30"]);
    client.clock.advance(RETURN_AFTER - Duration::from_secs(1));
    client.exchange.observe().await.unwrap();
    assert_eq!((sessions(&first), sessions(&second)), (0, 1));
    client.clock.advance(Duration::from_secs(1));
    client.exchange.observe().await.unwrap();
    assert_eq!((sessions(&first), sessions(&second)), (1, 1));
    no_shell_is_left(&second).await;
    drop(client);
    no_shell_is_left(&first).await;
}

#[tokio::test]
async fn a_server_that_is_still_away_is_tried_and_the_other_goes_on() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let second = peer(&["--count", "3"]);
    let client = over(&format!("http://{gone}/PowerShell/"), second.url());
    for _ in 0..3 {
        client.exchange.observe().await.unwrap();
        client.clock.advance(RETURN_AFTER);
    }
    assert_eq!(sessions(&second), 3);
    drop(second);
    let error = client.failure().await;
    assert!(
        matches!(&error, ExchangeError::Unreachable { endpoint, .. } if *endpoint == gone.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn busy_and_full_servers_are_passed_over_and_refused_credentials_are_not() {
    let second = peer(&["--count", "3"]);
    let busy = peer(&["--count", "3", "--fault", "http-503", "--fault-times", "0"]);
    let full = peer(&["--count", "3", "--max-shells", "0"]);
    for first in [&busy, &full] {
        second.reset();
        let client = over(first.url(), second.url());
        client.exchange.observe().await.unwrap();
        assert_eq!(sessions(&second), 1);
        client.exchange.close().await;
    }
    let plain_http = second.url().replace("http://", "https://");
    over(&plain_http, second.url()).exchange.observe().await.unwrap();

    let strict = Peer::start(&["--count", "3", "--password", "another"]);
    let untouched = peer(&["--count", "3"]);
    let error = over(strict.url(), untouched.url()).failure().await;
    assert!(matches!(error, ExchangeError::CredentialsRefused { .. }), "{error}");
    // The peer counts an answer after it was sent.
    wait_until(BOUND, || async { strict.stats()["requests"] == 1 }).await;
    assert_eq!(untouched.stats()["requests"], 0, "a wrong password is not tried at every server");
}

#[tokio::test]
async fn a_listing_is_never_continued_at_another_server() {
    let (first, second) = (peer(&["--count", "300"]), peer(&["--count", "300"]));
    let client = over(first.url(), second.url());
    first.fault(&json!({"kind": "drop-connection", "at": 200}));
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::Unreachable { .. }), "{error}");
    assert!(cmdlets(&second).is_empty());
    // Lost before it brought anything, with the server gone for good: it is begun again at the other.
    let mut listing = client.exchange.devices(exconn_exchange::DeviceScope::All).await.unwrap();
    drop(first);
    let mut seen = 0;
    while let Ok(Some(batch)) = listing.next().await {
        seen += batch.len();
    }
    assert_eq!(seen, if cmdlets(&second).is_empty() { 0 } else { 300 });
}

/// A server that answers every request with a fault that leads elsewhere, and does so with HTTP where asked.
fn redirecting(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let _ = stream.read(&mut [0; 65536]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/PowerShell/")
}

#[tokio::test]
async fn redirects_are_reported_with_their_target_and_not_followed() {
    let elsewhere = peer(&["--count", "1"]);
    let fault = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body><s:Fault><s:Code>\
         <s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>The request was redirected.</s:Text></s:Reason>\
         <s:Detail><f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"2150859161\">\
         <f:Message><f:RedirectLocation>{}</f:RedirectLocation></f:Message></f:WSManFault></s:Detail></s:Fault></s:Body>\
         </s:Envelope>",
        elsewhere.url()
    );
    let by_fault = format!(
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/soap+xml\r\nContent-Length: {}\r\n\r\n{fault}",
        fault.len()
    );
    let by_status = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    for answer in [by_fault, by_status] {
        let error = Client::new(&redirecting(answer)).failure().await;
        assert!(matches!(error, ExchangeError::WrongEndpoint { .. }), "{error}");
        assert!(error.to_string().contains(elsewhere.url()), "{error}");
    }
    assert_eq!(elsewhere.stats()["requests"], 0);
}
