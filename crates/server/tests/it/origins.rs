//! What links begin with, and who is believed to have sent a request.

use exconn_server::TrustedProxies;
use http::{Request, Version};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{BOUND, CONNECTORS, Server, send};

/// What the links in an answer to such a request begin with, and whether TLS is promised to be kept.
async fn seen(server: &Server, headers: &[(&str, &str)]) -> (String, bool) {
    let mut request = Request::get(CONNECTORS).header("authorization", format!("Bearer {}", server.token));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = send(server.address, request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
    let context = answer.json()["@odata.context"].as_str().unwrap().to_owned();
    let (base, _) = context.split_once("/v1.0/").unwrap();
    (base.to_owned(), answer.header("strict-transport-security").is_some())
}

#[tokio::test]
async fn links_name_the_service_as_the_client_does_if_that_is_its_name() {
    let server = Server::start().await;
    let own = server.address.to_string();
    let port = server.address.port();
    let other_port = format!("localhost:{}", port ^ 1);
    for (host, base) in [
        (own.clone(), own.clone()),
        (format!("localhost:{port}"), format!("localhost:{port}")),
        (format!("LOCALHOST:{port}"), format!("LOCALHOST:{port}")),
        (format!("[::1]:{port}"), format!("[::1]:{port}")),
        (other_port, own.clone()),
        ("localhost".to_owned(), own.clone()),
        (format!("evil.example:{port}"), own.clone()),
        (format!("localhost.evil.example:{port}"), own.clone()),
        (format!("user@localhost:{port}"), own.clone()),
        ("a\"b".to_owned(), own.clone()),
    ] {
        assert_eq!(seen(&server, &[("host", &host)]).await, (format!("http://{base}"), false), "{host}");
    }
    // Nobody here is trusted to speak for others.
    for header in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        assert_eq!(seen(&server, &[("host", &own), header]).await, (format!("http://{own}"), false));
    }
    server.end().await;
}

#[tokio::test]
async fn a_trusted_proxy_tells_how_it_was_asked() {
    let server = Server::start_with(|config| {
        config.trusted_proxies = TrustedProxies::parse(["127.0.0.1"]).unwrap();
    })
    .await;
    let own = server.address.to_string();
    let host = ("host", own.as_str());
    let localhost = format!("localhost:{}", server.address.port());
    for (headers, base, secure) in [
        (&[host][..], format!("http://{own}"), false),
        (
            &[("host", "evil.example"), ("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.9")],
            format!("http://{own}"),
            true,
        ),
        (&[("host", "evil.example")], format!("http://{own}"), false),
        (&[("host", &localhost), ("x-forwarded-proto", "https")], format!("https://{localhost}"), true),
        (&[host, ("x-forwarded-proto", "https")], format!("https://{own}"), true),
        (
            &[host, ("x-forwarded-proto", "https"), ("x-forwarded-host", "x.contoso.com:8443")],
            "https://x.contoso.com:8443".to_owned(),
            true,
        ),
        (
            &[host, ("forwarded", "for=192.0.2.9;proto=https;host=x.contoso.com")],
            "https://x.contoso.com".to_owned(),
            true,
        ),
        (
            &[host, ("x-forwarded-host", "x/../y"), ("x-forwarded-proto", "ftp")],
            format!("http://{own}"),
            false,
        ),
    ] {
        assert_eq!(seen(&server, headers).await, (base, secure), "{headers:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn the_public_address_wins_over_all_that_is_said() {
    let server = Server::start_with(|config| {
        config.public_url = Some("https://exconn.contoso.com".to_owned());
        config.trusted_proxies = TrustedProxies::parse(["127.0.0.0/8"]).unwrap();
    })
    .await;
    let own = server.address.to_string();
    for (proto, secure) in [("https", true), ("http", false)] {
        let headers =
            [("host", own.as_str()), ("x-forwarded-host", "other.example"), ("x-forwarded-proto", proto)];
        assert_eq!(seen(&server, &headers).await, ("https://exconn.contoso.com".to_owned(), secure));
    }
    server.end().await;
}

#[tokio::test]
async fn a_request_names_one_host() {
    let server = Server::start().await;
    for (version, hosts, status) in [
        (Version::HTTP_11, "", "400"),
        (Version::HTTP_11, "Host: a\r\nHost: b\r\n", "400"),
        (Version::HTTP_11, "Host: a\r\n", "200"),
        (Version::HTTP_10, "", "200"),
        (Version::HTTP_10, "Host: a\r\nHost: a\r\n", "400"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /healthz {version:?}\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(BOUND, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer.get(9..12), Some(status), "{version:?} {hosts}: {answer}");
    }
    server.end().await;
}
