//! Through a front end that binds sessions by cookie and ends a connection after each answer, as load balancers may.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use exconn_exchange::Exchange;

use crate::setup::{Client, no_shell_is_left, peer};

/// A front end before `backend` (host and port); every request's head is kept.
struct FrontEnd {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl FrontEnd {
    fn start(backend: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { break };
                let (backend, seen) = (backend.clone(), seen.clone());
                // A connection that its client gives up is the client's business.
                thread::spawn(move || relay(stream, &backend, &seen, number));
            }
        });
        Self { address, heads }
    }
}

fn relay(
    mut client: TcpStream,
    backend: &str,
    seen: &Mutex<Vec<String>>,
    number: usize,
) -> std::io::Result<()> {
    let (head, body) = message(&client)?;
    let mut server = TcpStream::connect(backend)?;
    server.write_all(head.as_bytes())?;
    server.write_all(&body)?;
    seen.lock().unwrap().push(head);
    let (head, body) = message(&server)?;
    let bound =
        format!("\r\nSet-Cookie: X-BackEndCookie=be{number}; path=/; HttpOnly\r\nConnection: close\r\n");
    client.write_all(head.replacen("\r\n", &bound, 1).as_bytes())?;
    client.write_all(&body)
}

/// Head, with its empty line, and body.
fn message(stream: &TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head)?;
        let line = head[start..].trim_end().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

#[tokio::test]
async fn cookies_outlive_connections_and_connections_that_end_between_requests_are_replaced() {
    let peer = peer(&["--count", "700"]);
    let backend = peer.url().trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let front_end = FrontEnd::start(backend);
    let client = Client::new(&format!("http://{}/PowerShell/?a=b", front_end.address));
    assert_eq!(client.all().await.unwrap().len(), 700);
    client.exchange.observe().await.unwrap();
    no_shell_is_left(&peer).await;

    let heads = front_end.heads.lock().unwrap();
    assert!(heads.len() > 10, "Create, Receive, Command, Receive …, Delete, twice");
    let mut sessions = 0;
    for (number, head) in heads.iter().enumerate() {
        let head = head.to_lowercase();
        assert!(head.starts_with("post /powershell/?a=b http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/soap+xml;charset=utf-8\r\n"), "{head}");
        assert!(head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nhost: {}\r\n", front_end.address)), "{head}");
        if head.contains("\r\ncookie: ") {
            let latest = format!("\r\ncookie: x-backendcookie=be{}\r\n", number - 1);
            assert!(head.contains(&latest), "{head}");
        } else {
            sessions += 1;
        }
    }
    assert_eq!(sessions, 2, "each session begins without cookies");
}
