//! Sealed connections on which something goes wrong: by a fault of the server, or by someone in between.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use exconn_exchange::{ExchangeError, remoting::Authentication};
use exconn_model::FailureKind;
use exconn_testkit::{Kdc, Peer};
use serde_json::{Value, json};

use crate::{
    equality::{assert_same, expected},
    kerberos::{LIKE_EXCHANGE, client_with, peer, realm},
    setup::{self, Client, PASSWORD, no_shell_is_left},
};

fn impatient(config: &mut exconn_exchange::remoting::RemotingConfig) {
    config.operation_timeout = Duration::from_secs(1);
    config.request_timeout = Duration::from_secs(10);
    config.idle_polls = 2;
}

fn like_exchange(kdc: &Kdc) -> Peer {
    peer(kdc, &[&LIKE_EXCHANGE[..], &["--count", "300"]].concat())
}

fn sealed(kdc: &Kdc, url: &str) -> Client {
    client_with(kdc, url, Authentication::Kerberos, PASSWORD, impatient)
}

/// A sealed connection and one that is not, in front of the same devices.
struct Pair {
    _kdc: Kdc,
    sides: [(Peer, Client); 2],
}

impl Pair {
    fn new() -> Self {
        let kdc = realm();
        let sealing = like_exchange(&kdc);
        let plain = setup::peer(&["--count", "300"]);
        let clients = [sealed(&kdc, sealing.url()), Client::with(plain.url(), impatient)];
        let [of_sealing, of_plain] = clients;
        Self { _kdc: kdc, sides: [(sealing, of_sealing), (plain, of_plain)] }
    }

    /// What a listing comes to on either side under a fault, and that the next one is whole again.
    async fn come_to(&self, fault: &Value) -> [Result<usize, FailureKind>; 2] {
        let mut come_to = Vec::new();
        for (peer, client) in &self.sides {
            peer.fault(fault);
            let listed = client.all().await.map(|devices| devices.len()).map_err(|error| error.kind());
            let fired = &peer.stats()["faults_fired"][fault["kind"].as_str().unwrap()];
            assert!(fired.as_u64() > Some(0), "{fault}");
            come_to.push(listed);
            if listed == Err(FailureKind::CredentialsRefused) {
                // The password rests.
                client.clock.advance(Duration::from_secs(3600));
            }
            no_shell_is_left(peer).await;
            peer.reset();
            assert_eq!(client.all().await.unwrap().len(), 300, "{fault}");
            no_shell_is_left(peer).await;
        }
        come_to.try_into().unwrap()
    }
}

#[tokio::test]
async fn faults_of_a_listing_are_told_as_without_sealing() {
    let pair = Pair::new();
    for kind in ["truncate-xml", "drop-connection", "shell-gone", "error-midway", "bad-clixml", "deep-object"]
    {
        let [sealed, plain] = pair.come_to(&json!({"kind": kind, "at": 100, "times": 0})).await;
        assert!(sealed.is_err() && sealed == plain, "{kind}: {sealed:?}, {plain:?}");
    }
    for kind in ["slow", "unknown-properties", "duplicate-fragment", "empty", "huge-object", "never-ends"] {
        let [sealed, plain] = pair.come_to(&json!({"kind": kind, "at": 100, "ms": 5})).await;
        assert_eq!(sealed, plain, "{kind}");
    }
}

#[tokio::test]
async fn faults_of_a_request_are_told_as_without_sealing() {
    let pair = Pair::new();
    for kind in ["quota", "http-503"] {
        for at in [0, 3] {
            let [sealed, plain] = pair.come_to(&json!({"kind": kind, "at": at, "ms": 400})).await;
            assert_eq!((sealed, plain), (Ok(300), Ok(300)), "{kind} at {at}");
        }
    }
    // The KDC has accepted the password that the server does not want. Later on it only wants to be told again.
    for (at, signed_in) in [(0, Err(FailureKind::SignInRefused)), (3, Ok(300))] {
        let [sealed, plain] = pair.come_to(&json!({"kind": "wrong-auth", "at": at})).await;
        assert_eq!((sealed, plain), (signed_in, Err(FailureKind::CredentialsRefused)), "at {at}");
    }
}

/// Makes an answer of the n-th one, which is the last of all so far.
type Meddle = fn(usize, Vec<u8>, &[Vec<u8>]) -> Vec<u8>;

/// Someone in between: what `meddle` makes of the n-th answer goes on to the client.
fn between(peer: &Peer, meddle: Meddle) -> String {
    let backend = peer.url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/PowerShell/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(client), backend) = (stream, backend.clone()) else { break };
            // A connection that one side gives up is given up.
            thread::spawn(move || relay(&client, &backend, meddle));
        }
    });
    url
}

fn relay(mut client: &TcpStream, backend: &str, meddle: Meddle) -> Option<()> {
    let server = TcpStream::connect(backend).ok()?;
    let (mut requests, mut answers) = (BufReader::new(client), BufReader::new(&server));
    let mut seen = Vec::new();
    loop {
        let request = message(&mut requests)?;
        (&server).write_all(&request).ok()?;
        let answer = message(&mut answers)?;
        seen.push(answer.clone());
        client.write_all(&meddle(seen.len(), answer, &seen)).ok()?;
    }
}

/// A whole message of HTTP with a length.
fn message(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let (mut whole, mut length) = (Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
        let text = String::from_utf8_lossy(&line).to_lowercase();
        if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        whole.extend_from_slice(&line);
        if line == b"\r\n" {
            break;
        }
    }
    from.take(length).read_to_end(&mut whole).ok()?;
    Some(whole)
}

/// Which answer is meddled with; the first is the sign-in.
const MEDDLED: usize = 4;

async fn refused(meddle: Meddle, because: &str) {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = sealed(&kdc, &between(&peer, meddle));
    let error = client.failure().await;
    assert!(matches!(error, ExchangeError::ProtocolViolated { .. }), "{error}");
    assert!(error.to_string().contains(because), "{error}");
}

#[tokio::test]
async fn nothing_in_between_that_only_looks_on_is_noticed() {
    let kdc = realm();
    let peer = like_exchange(&kdc);
    let client = sealed(&kdc, &between(&peer, |_, answer, _| answer));
    assert_same(&client.all().await.unwrap(), &expected(&peer));
}

#[tokio::test]
async fn a_changed_byte_is_noticed() {
    refused(
        |at, mut answer, _| {
            if at >= MEDDLED {
                let middle = answer.len() - 200;
                answer[middle] ^= 1;
            }
            answer
        },
        "altered",
    )
    .await;
}

#[tokio::test]
async fn an_answer_of_before_is_noticed() {
    refused(
        |at, answer, seen| if at >= MEDDLED { seen[MEDDLED - 2].clone() } else { answer },
        "not the server's next",
    )
    .await;
}

#[tokio::test]
async fn an_answer_in_clear_text_is_refused() {
    refused(
        |at, answer, _| {
            if at < MEDDLED {
                return answer;
            }
            b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: 4\r\n\r\n<s/>".to_vec()
        },
        "clear text",
    )
    .await;
}

#[tokio::test]
async fn a_wrong_length_is_noticed() {
    refused(
        |at, mut answer, _| {
            if at < MEDDLED {
                return answer;
            }
            let place = answer.windows(8).position(|eight| eight == b";Length=").unwrap();
            let digit = place + 8;
            answer[digit] = if answer[digit] == b'9' { b'8' } else { answer[digit] + 1 };
            answer
        },
        "instead of",
    )
    .await;
}
