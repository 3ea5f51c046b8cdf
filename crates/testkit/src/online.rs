use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{control::Control, python, repository_root};

/// A running `peers/online_peer.py`: Exchange Online's admin interface and its token endpoint, written apart from exconn.
/// It ends when this value is dropped.
#[derive(Debug)]
pub struct OnlinePeer {
    child: Child,
    url: String,
    control: Control,
    // The peer would end with a broken pipe if nobody held the other end.
    _output: BufReader<ChildStdout>,
}

impl OnlinePeer {
    /// The tenant that it serves unless options say otherwise.
    pub const TENANT: &str = "8e0a9b4e-4f0c-4d0e-9b7e-0c5c4a3b2a19";
    /// The application that it signs in.
    pub const CLIENT: &str = "3d3c9a52-2f8e-4f57-9d6c-6f3f5a1f8f10";

    /// Starts a peer with these options (`python online_peer.py --help`) on ports of the system's choice, and waits until
    /// it listens.
    ///
    /// # Panics
    /// If there is no Python for it ([`python`]) or it does not start.
    pub fn start(options: &[&str]) -> Self {
        let mut child = Command::new(python())
            .args(["online_peer.py", "--port", "0", "--control-port", "0"])
            .args(options)
            .current_dir(repository_root().join("peers"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python of EXCONN_PEERS_PYTHON starts");
        let mut output = BufReader::new(child.stdout.take().expect("standard output was piped"));
        let mut address = |prefix: &str| {
            let mut line = String::new();
            output.read_line(&mut line).expect("the peer's output is text");
            line.trim_end().strip_prefix(prefix).map(str::to_owned)
        };
        let (url, control) = (address("listening on "), address("control on "));
        let (Some(url), Some(control)) = (url, control) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("online_peer did not start with {options:?}; it says why on standard error");
        };
        Self { child, url, control: Control::new(&control), _output: output }
    }

    /// Scheme, host and port of both, the admin interface and the token endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every device with Exchange's property names.
    pub fn devices(&self) -> Vec<Value> {
        match self.control.get("/devices") {
            Value::Array(devices) => devices,
            other => panic!("/devices is a list, not {other}"),
        }
    }

    /// The whole organisation, in the form that `--org` reads.
    pub fn org(&self) -> Value {
        self.control.get("/org")
    }

    /// Counters: `requests`, `tokens`, `pages` (that followed a first one), `unanchored`, `faults_fired`.
    pub fn stats(&self) -> Value {
        self.control.get("/stats")
    }

    /// Every cmdlet that was run: `cmdlet`, `parameters`, `anchor`, `connection`.
    pub fn log(&self) -> Vec<Value> {
        match self.control.get("/log") {
            Value::Array(cmdlets) => cmdlets,
            other => panic!("/log is a list, not {other}"),
        }
    }

    /// Adds, changes and removes devices: `{"add": […], "addSynthetic": N, "change": {guid: {property: value}},
    /// "remove": [guid]}`.
    pub fn change_devices(&self, change: &Value) -> Value {
        self.control.post("/devices", change)
    }

    /// Sets the next fault: `{"kind", "at", "times"}`; it stays for ever with `times` 0.
    pub fn fault(&self, fault: &Value) {
        self.control.post("/fault", fault);
    }

    /// Forgets the fault and the log.
    pub fn reset(&self) {
        self.control.post("/reset", &json!({}));
    }
}

impl Drop for OnlinePeer {
    fn drop(&mut self) {
        // Both fail only if the peer has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_starts_answers_and_changes() {
        let peer = OnlinePeer::start(&["--count", "5"]);
        assert!(peer.url().starts_with("http://127.0.0.1:"));
        assert_eq!(peer.stats()["requests"], 0);
        assert_eq!(peer.org()["counts"]["devices"], 5);
        assert!(peer.log().is_empty());
        let devices = peer.devices();
        peer.change_devices(&json!({"addSynthetic": 2, "remove": [devices[0]["Guid"]]}));
        assert_eq!(peer.devices().len(), 6);
        peer.fault(&json!({"kind": "throttle"}));
        peer.reset();
    }
}
