//! HTTP/2: the same service, and clients that misuse what HTTP/2 gives them.

use std::{net::SocketAddr, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use crate::harness::{Answer, BOUND, CONNECTORS, Server};

const SHORT: Duration = Duration::from_millis(200);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types and flags (RFC 9113, section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Sender = SendRequest<Full<Bytes>>;

async fn connect_with(address: SocketAddr, window: Option<u32>) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

async fn connect(server: &Server) -> (Sender, JoinHandle<hyper::Result<()>>) {
    connect_with(server.address, None).await
}

fn request(server: &Server, method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", server.address))
        .header("authorization", format!("Bearer {}", server.token))
        .header("content-type", "application/json")
        .body(Full::from(body.to_owned()))
        .unwrap()
}

async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

async fn send(sender: &mut Sender, request: Request<Full<Bytes>>) -> Answer {
    let answer = async { read(sender.send_request(request).await.unwrap()).await };
    timeout(BOUND, answer).await.expect("an answer in time")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `GET http://x/` in HPACK: three indexed fields and a literal `:authority` (RFC 7541, section 6).
const GET_ROOT: &[u8] = &[0x82, 0x84, 0x86, 0x01, 0x01, b'x'];

/// A client without manners: the preface and empty settings have been sent.
async fn raw(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    stream
}

/// Reads and throws away until the service ends the connection.
async fn ended(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    let all = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(BOUND, all).await.expect("the service ends the connection");
}

#[tokio::test]
async fn the_same_service_answers() {
    let server = Server::start().await;
    let (mut sender, _connection) = connect(&server).await;
    let created = send(&mut sender, request(&server, "POST", CONNECTORS, r#"{"serverName":"two"}"#)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let path = format!("{CONNECTORS}/{}", created.json()["id"].as_str().unwrap());
    let one = send(&mut sender, request(&server, "GET", &path, "")).await;
    assert_eq!(one.json()["serverName"], "two");
    assert_eq!(one.header("odata-version"), Some("4.0"));
    assert!(one.header("date").is_some());
    let head = send(&mut sender, request(&server, "HEAD", &path, "")).await;
    assert_eq!((head.status, head.body.len()), (one.status, 0));
    assert_eq!(head.header("content-length"), Some(one.body.len().to_string().as_str()));
    send(&mut sender, request(&server, "GET", "/v1.0/nonsense", "")).await.error(400);
    send(&mut sender, request(&server, "PUT", CONNECTORS, "{}")).await.error(405);
    let connect = Request::connect("x:1").header("authorization", format!("Bearer {}", server.token));
    let tunnel = send(&mut sender, connect.body(Full::default()).unwrap()).await;
    assert!(tunnel.status.is_client_error(), "{tunnel:?}");
    let gone = send(&mut sender, request(&server, "DELETE", &path, "")).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    server.end().await;
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let server = Server::start().await;
    let (sender, _connection) = connect(&server).await;
    let answers: Vec<_> = (0..300)
        .map(|number| {
            let mut sender = sender.clone();
            let body = format!(r#"{{"serverName":"{number}"}}"#);
            let request = request(&server, "POST", CONNECTORS, &body);
            tokio::spawn(async move { (number, send(&mut sender, request).await) })
        })
        .collect();
    for answer in answers {
        let (number, answer) = answer.await.unwrap();
        assert_eq!(answer.json()["serverName"], number.to_string());
    }
    assert_eq!(server.get(&format!("{CONNECTORS}/$count")).await.body, "300");
    server.end().await;
}

#[tokio::test]
async fn large_bodies_are_refused_and_the_connection_goes_on() {
    let server = Server::start().await;
    let (mut sender, _connection) = connect(&server).await;
    for size in [1024 * 1024 + 1, 4 * 1024 * 1024] {
        let body = format!("{{}}{}", " ".repeat(size));
        send(&mut sender, request(&server, "POST", CONNECTORS, &body)).await.error(413);
    }
    let whole = format!("{{}}{}", " ".repeat(1024 * 1024 - 2));
    assert_eq!(send(&mut sender, request(&server, "POST", CONNECTORS, &whole)).await.status, 201);
    server.end().await;
}

#[tokio::test]
async fn a_connection_that_does_not_begin_or_does_nothing_is_ended() {
    let server = Server::start_with(|config| config.header_timeout = SHORT).await;
    let settings = frame(SETTINGS, 0, 0, &[]);
    let open = [PREFACE, &settings, &frame(HEADERS, END_STREAM, 1, GET_ROOT)].concat();
    for sent in
        [&PREFACE[..10], PREFACE, &[PREFACE, &settings[..5]].concat(), &[PREFACE, &settings].concat(), &open]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        ended(&mut stream).await;
    }
    // This one answers pings, and still does nothing.
    let (mut sender, connection) = connect(&server).await;
    assert_eq!(send(&mut sender, request(&server, "GET", CONNECTORS, "")).await.status, 200);
    let _ = timeout(BOUND, connection).await.expect("the service ends the connection");
    server.end().await;
}

#[tokio::test]
async fn an_answer_whose_window_stays_shut_is_given_up() {
    let server = Server::start_with(|config| config.write_timeout = SHORT).await;
    server.create(&format!(r#"{{"serverName":"{}"}}"#, "x".repeat(1024))).await;
    let (mut sender, connection) = connect_with(server.address, Some(10)).await;
    let response = sender.send_request(request(&server, "GET", CONNECTORS, "")).await.unwrap();
    assert_eq!(response.status(), 200);
    let _ = timeout(BOUND, connection).await.expect("the service ends the connection");
    drop(response);
    // One that reads slowly but steadily is served to the end.
    let (mut sender, _connection) = connect_with(server.address, Some(100)).await;
    assert_eq!(send(&mut sender, request(&server, "GET", CONNECTORS, "")).await.ids().len(), 1);
    server.end().await;
}

#[tokio::test]
async fn floods_end_the_connection_and_nothing_else() {
    let server = Server::start().await;
    let mut resets = raw(&server).await;
    let mut flood = Vec::new();
    for stream in (1..20_000).step_by(2) {
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, GET_ROOT));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    // The service may end it in the middle.
    let _ = resets.write_all(&flood).await;
    ended(&mut resets).await;

    let mut head = raw(&server).await;
    head.write_all(&frame(HEADERS, END_STREAM, 1, GET_ROOT)).await.unwrap();
    // A literal field without indexing, `a: aaaa…`, over and over.
    let field = [&[0, 1, b'a', 100][..], &[b'a'; 100]].concat();
    let more = frame(CONTINUATION, 0, 1, &field.repeat(100));
    let endless = async { while head.write_all(&more).await.is_ok() {} };
    timeout(BOUND, endless).await.expect("the service ends the connection");

    assert_eq!(server.get(CONNECTORS).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start().await;
    let (mut sender, _connection) = connect(&server).await;
    let mut large = request(&server, "GET", CONNECTORS, "");
    for number in 0..8 {
        let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
        large.headers_mut().insert(name, "a".repeat(10_000).parse().unwrap());
    }
    let answer = timeout(BOUND, sender.send_request(large)).await.unwrap();
    assert!(answer.is_err() || answer.unwrap().status() == 431);
    assert_eq!(server.get(CONNECTORS).await.status, 200);
    server.end().await;
}

#[tokio::test]
async fn the_end_waits_for_streams_under_way() {
    let mut server = Server::start().await;
    let (mut sender, connection) = connect(&server).await;
    assert_eq!(send(&mut sender, request(&server, "GET", CONNECTORS, "")).await.status, 200);
    let (mut body, under_way) = Channel::<Bytes>::new(1);
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut slow, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(driver);
    let (head, _) = request(&server, "POST", CONNECTORS, "").into_parts();
    let mut answer = pin!(slow.send_request(Request::from_parts(head, under_way)));
    body.send_data(Bytes::from_static(b"{")).await.unwrap();
    // The service waits for the rest: it has begun.
    assert!(timeout(SHORT, answer.as_mut()).await.is_err());
    server.stop();
    let _ = timeout(BOUND, connection).await.expect("an idle connection ends at once");
    body.send_data(Bytes::from_static(b"}")).await.unwrap();
    drop(body);
    let answer = timeout(BOUND, answer).await.unwrap().unwrap();
    assert_eq!(read(answer).await.status, 201);
    let _ = timeout(BOUND, driver).await.expect("the service ends the connection");
    server.end().await;
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_stream_for_ever() {
    let mut server = Server::start_with(|config| config.drain = SHORT).await;
    let mut stream = raw(&server).await;
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, GET_ROOT)).await.unwrap();
    server.stop();
    ended(&mut stream).await;
    server.end().await;
}

#[tokio::test]
async fn connections_count_however_many_streams_they_carry() {
    let server = Server::start_with(|config| {
        config.max_connections = 1;
        config.drain = SHORT;
    })
    .await;
    let (mut first, connection) = connect(&server).await;
    for _ in 0..3 {
        assert_eq!(send(&mut first, request(&server, "GET", CONNECTORS, "")).await.status, 200);
    }
    let mut second = raw(&server).await;
    assert!(timeout(SHORT, second.read_u8()).await.is_err(), "a second connection is served");
    drop(first);
    let _ = connection.await;
    timeout(BOUND, second.read_u8()).await.expect("served now").unwrap();
    server.end().await;
}
