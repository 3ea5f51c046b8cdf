//! A server that answers as a test says: the admin interface and the token endpoint at once.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use exconn_testkit::OnlinePeer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// How many came before it.
    pub(crate) number: usize,
    pub(crate) path: String,
    /// Request line and headers in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn cmdlet(&self) -> String {
        let json: Value = serde_json::from_str(&self.body).unwrap();
        json["CmdletInput"]["CmdletName"].as_str().unwrap().to_owned()
    }

    pub(crate) fn parameters(&self) -> Value {
        let json: Value = serde_json::from_str(&self.body).unwrap();
        json["CmdletInput"]["Parameters"].clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix))
    }

    pub(crate) fn is_for_token(&self) -> bool {
        self.path.ends_with("/oauth2/v2.0/token")
    }
}

/// What is answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, body.to_string())
    }

    /// The body with JSON's content type.
    pub(crate) fn raw(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", "application/json".into())], body: body.into() }
    }

    pub(crate) fn page(rows: &Value) -> Self {
        Self::json(200, &json!({"value": rows}))
    }

    pub(crate) fn token(token: &str) -> Self {
        Self::json(200, &json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token}))
    }

    pub(crate) fn refusal(status: u16, exception: &str, text: &str) -> Self {
        let details =
            json!([{"code": "Context", "target": "", "message": format!("Ex123456|{exception}|{text}")}]);
        Self::json(
            status,
            &json!({"error": {"code": "x", "message": "Error executing cmdlet", "details": details}}),
        )
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

pub(crate) struct Scripted {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Answers cmdlets by the script, and grants every application a token.
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(
            None,
            move |request| {
                if request.is_for_token() { Reply::token("granted") } else { script(request) }
            },
        )
    }

    /// Answers everything by the script, over TLS if there is a configuration for it.
    pub(crate) fn start_with(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (shared, script): (_, Arc<Script>) = (seen.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let (tls, seen, script) = (tls.clone(), shared.clone(), script.clone());
                // A connection that its client gives up is the client's business.
                thread::spawn(move || match tls {
                    None => serve(stream, &seen, &*script),
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, stream), &seen, &*script)
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// The requests for cmdlets so far.
    pub(crate) fn cmdlets(&self) -> Vec<Request> {
        self.seen.lock().unwrap().iter().filter(|request| !request.is_for_token()).cloned().collect()
    }

    /// The requests for tokens so far.
    pub(crate) fn tokens(&self) -> Vec<Request> {
        self.seen.lock().unwrap().iter().filter(|request| request.is_for_token()).cloned().collect()
    }
}

fn serve<S: Read + Write>(stream: S, seen: &Mutex<Vec<Request>>, script: &Script) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let start = head.len();
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
            let line = head[start..].trim_end().to_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let request = {
            let mut seen = seen.lock().unwrap();
            let request = Request {
                number: seen.len(),
                path,
                head: head.to_lowercase(),
                body: String::from_utf8(body).unwrap(),
            };
            seen.push(request.clone());
            request
        };
        let reply = script(&request);
        let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let writer = stream.get_mut();
        writer.write_all(head.as_bytes())?;
        writer.write_all(&reply.body)?;
        writer.flush()?;
    }
}

/// Path of the interface.
pub(crate) fn interface() -> String {
    format!("/adminapi/beta/{}/InvokeCommand", OnlinePeer::TENANT)
}

/// A device as the interface writes it.
pub(crate) fn device(number: usize) -> Value {
    json!({"Guid": format!("10000000-0000-4000-8000-{number:012}"), "DeviceId": format!("ID{number}")})
}

/// Devices with these numbers.
pub(crate) fn devices(numbers: std::ops::Range<usize>) -> Value {
    numbers.map(device).collect()
}
