use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// A peer that says nothing for so long is taken for hung.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of a peer's control channel: JSON over HTTP/1.0, one connection a request.
#[derive(Debug)]
pub(crate) struct Control {
    /// Host and port.
    address: String,
}

impl Control {
    pub(crate) fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").expect("the control channel speaks plain HTTP");
        Self { address: address.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, &body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.exchange(method, path, body).unwrap_or_else(|error| {
            panic!("the peer's control channel does not answer {method} {path}: {error}")
        });
        let (head, content) = answer.split_once("\r\n\r\n").expect("an HTTP answer has a head");
        let value = serde_json::from_str(content).unwrap_or_else(|error| {
            panic!("the peer answered {method} {path} with something else than JSON: {error}: {content}")
        });
        let status = head.split(' ').nth(1);
        assert_eq!(status, Some("200"), "the peer refused {method} {path}: {value}");
        value
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
