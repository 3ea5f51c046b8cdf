//! Connections: slow ones, many of them, encrypted ones, and the end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use exconn_server::{
    App, AppConfig, AppError, NoAgents, ServeError,
    auth::{Authentication, Keyring},
    serve,
};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use exconn_model::Timestamp;
use exconn_testkit::{ManualClock, SeededEntropy};

use crate::harness::{BOUND, CONNECTORS, START, Server, open_store};

const SHORT: Duration = Duration::from_millis(200);

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = timeout(BOUND, stream.read_to_end(&mut all)).await.expect("the service ends the connection");
    String::from_utf8_lossy(&all).into_owned()
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        all.push(timeout(BOUND, stream.read_u8()).await.expect("an answer in time").expect("an answer"));
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let server = Server::start_with(|config| config.header_timeout = SHORT).await;
    for start in ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow:"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await;
    }
    assert_eq!(server.get(CONNECTORS).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let server = Server::start_with(|config| config.body_timeout = SHORT).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {CONNECTORS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let server = Server::start_with(|config| config.write_timeout = SHORT).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {CONNECTORS} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(100);
    let ended = timeout(BOUND, async { while stream.write_all(request.as_bytes()).await.is_ok() {} });
    ended.await.expect("the service ends the connection");
    server.end().await;
}

#[tokio::test]
async fn a_head_without_bounds_is_refused() {
    let server = Server::start().await;
    let many = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(100_000)), "431"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), "431"),
        ("rubbish\r\n\r\n".to_owned(), "400"),
        ("GET /v1.0/x HTTP/1.1\r\nX: a\0b\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = read_to_end(&mut stream).await;
        let shown = &head[..head.len().min(30)];

        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown}: {answer}");
    }
    assert_eq!(server.get(CONNECTORS).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let server = Server::start_with(|config| config.max_connections = 2).await;
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let connect = async || {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let (mut first, mut second) = (connect().await, connect().await);
    read_until(&mut first, "alive").await;
    read_until(&mut second, "alive").await;
    let mut third = connect().await;
    assert!(timeout(SHORT, third.read_u8()).await.is_err(), "a third connection is served");
    drop(first);
    read_until(&mut third, "alive").await;
    server.end().await;
}

/// Begins to create a connector, and returns once the service waits for the body.
async fn half_a_request(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {CONNECTORS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    stream
}

#[tokio::test]
async fn the_end_waits_for_requests_under_way() {
    let mut server = Server::start().await;
    let mut stream = half_a_request(&server).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    server.stop();
    assert_eq!(read_to_end(&mut idle).await, "");
    let address = server.address;
    let closed = timeout(BOUND, async { while TcpStream::connect(address).await.is_ok() {} });
    closed.await.expect("no new connections");
    stream.write_all(b"{}").await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 201"));
    server.end().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let server = Server::start_with(|config| config.drain = SHORT).await;
    let mut stream = half_a_request(&server).await;
    server.end().await;
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn many_clients_at_once_get_what_is_theirs() {
    let server = Arc::new(Server::start().await);
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let server = server.clone();
            tokio::spawn(async move {
                for round in 0..8 {
                    let name = format!("client {client} round {round}");
                    let id = server.create(&format!(r#"{{"serverName":"{name}"}}"#)).await;
                    let path = format!("{CONNECTORS}/{id}");
                    assert_eq!(server.get(&path).await.json()["serverName"], name);
                    let changed = server.write("PATCH", &path, r#"{"version":"1"}"#).await;
                    assert_eq!(changed.json()["serverName"], name);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(server.get(&format!("{CONNECTORS}/$count?$filter=version%20eq%20'1'")).await.body, "128");
    Arc::into_inner(server).unwrap().end().await;
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_unix_seconds(START)))
}

pub(crate) fn app(folder: &std::path::Path, listen: SocketAddr) -> Result<App, AppError> {
    let entropy = Arc::new(SeededEntropy::new(7));
    let keyring = Keyring::open_or_create(folder, &*entropy).unwrap();
    let config = AppConfig::new(keyring.tenant(), listen, *keyring.paging_secret());
    let store = open_store(folder);
    App::new(store, clock(), entropy, Authentication::none(keyring.tenant()), config, Arc::new(NoAgents))
}

#[tokio::test]
async fn without_authentication_only_this_machine_is_served() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "[2001:db8::1]:80"] {
        let refused = app(folder.path(), address.parse().unwrap()).unwrap_err();
        assert!(matches!(refused, AppError::OpenToOthers(_)), "{address}: {refused}");
    }
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let local = app(folder.path(), "127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = serve(everywhere, None, local.clone(), std::future::pending()).await.unwrap_err();
    assert!(matches!(refused, ServeError::App(AppError::OpenToOthers(_))), "{refused}");

    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = here.local_addr().unwrap();
    let task = tokio::spawn(serve(here, None, local, std::future::pending()));
    let request = http::Request::get(CONNECTORS).header("host", "localhost").body(Full::default()).unwrap();
    assert_eq!(crate::harness::send(address, request).await.status, 200);
    task.abort();
}

#[tokio::test]
async fn a_public_address_must_be_an_origin() {
    let folder = tempfile::tempdir().unwrap();
    let entropy = Arc::new(SeededEntropy::new(7));
    let keyring = Keyring::open_or_create(folder.path(), &*entropy).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let mut config = AppConfig::new(keyring.tenant(), listen, *keyring.paging_secret());
    config.public_url = Some("https://exconn.contoso.com/graph".to_owned());
    let (store, clock) = (open_store(folder.path()), clock());
    let authentication = Authentication::built_in(&keyring);
    let refused = App::new(store, clock, entropy, authentication, config, Arc::new(NoAgents)).unwrap_err();
    assert!(refused.to_string().contains("https://exconn.contoso.com/graph"), "{refused}");
}

#[tokio::test]
async fn without_authentication_no_page_of_another_site_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app(folder.path(), address).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(exconn_server::serve(listener, None, app, async {
        let _ = stopped.await;
    }));
    let ask = |method: &str, host: String| {
        let request = http::Request::builder().method(method).uri(CONNECTORS).header("host", host);
        let request = request.header("origin", "https://evil.example");
        let request = request.header("access-control-request-method", "POST");
        crate::harness::send(address, request.body(Full::default()).unwrap())
    };
    for (host, status) in [
        (format!("localhost:{}", address.port()), 200),
        (address.to_string(), 200),
        ("[::1]".to_owned(), 200),
        // A name of the other site's that leads here.
        (format!("evil.example:{}", address.port()), 400),
        ("localhost.evil.example".to_owned(), 400),
    ] {
        let answer = ask("GET", host.clone()).await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let preflight = ask("OPTIONS", host).await;
        assert_eq!(preflight.header("access-control-allow-methods"), None, "{preflight:?}");
        assert_eq!(preflight.header("access-control-allow-origin"), None);
    }
    drop(stop);
    served.await.unwrap().unwrap();
}
