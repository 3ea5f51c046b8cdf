use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{control::Control, python, repository_root};

/// A running `peers/exchange_peer`: an Exchange organisation over remote PowerShell, written apart from exconn. It ends
/// when this value is dropped.
///
/// User `svc`, password `pw`, Basic, path `/PowerShell/`, unless options say otherwise.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    url: String,
    control: Control,
    // The peer would end with a broken pipe if nobody held the other end.
    _output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a peer with these options (`python -m exchange_peer --help`) on ports of the system's choice, and waits
    /// until it listens.
    ///
    /// # Panics
    /// If there is no Python for it ([`python`]) or it does not start.
    pub fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    /// Starts a peer with these variables in its environment, for instance those of [`Kdc::add_service`](crate::Kdc::add_service)
    /// or `NTLM_USER_FILE`.
    ///
    /// # Panics
    /// As [`Peer::start`].
    pub fn start_with(options: &[&str], environment: &[(OsString, OsString)]) -> Self {
        let mut child = Command::new(python())
            .args(["-m", "exchange_peer", "--port", "0", "--control-port", "0"])
            .args(options)
            .current_dir(repository_root().join("peers"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(environment.iter().map(|(name, value)| (name, value)))
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
            panic!("exchange_peer did not start with {options:?}; it says why on standard error");
        };
        Self { child, url, control: Control::new(&control), _output: output }
    }

    /// The address for remote PowerShell.
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

    /// Counters: `open_shells`, `requests`, `bytes_out`, `signals`, `resource_uris`, `faults_fired`, `protocol_errors`.
    pub fn stats(&self) -> Value {
        self.control.get("/stats")
    }

    /// Every cmdlet that was run: `cmdlet`, `script`, `parameters`.
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

    /// Sets the next fault: `{"kind", "at", "times", "cmdlet", "ms"}`.
    pub fn fault(&self, fault: &Value) {
        self.control.post("/fault", fault);
    }

    /// Forgets the fault and the log.
    pub fn reset(&self) {
        self.control.post("/reset", &json!({}));
    }
}

impl Drop for Peer {
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
        let peer = Peer::start(&["--count", "5"]);
        assert!(peer.url().starts_with("http://127.0.0.1:") && peer.url().ends_with("/PowerShell/"));
        assert_eq!(peer.stats()["open_shells"], 0);
        assert_eq!(peer.org()["counts"]["devices"], 5);
        assert!(peer.log().is_empty());
        let devices = peer.devices();
        peer.change_devices(&json!({"addSynthetic": 2, "remove": [devices[0]["Guid"]]}));
        assert_eq!(peer.devices().len(), 6);
        peer.fault(&json!({"kind": "quota", "ms": 10}));
        peer.reset();
    }

    #[test]
    #[should_panic(expected = "refused POST /fault")]
    fn a_mistaken_fault_reaches_the_test() {
        Peer::start(&["--count", "1"]).fault(&json!({"kind": "unheard-of"}));
    }

    #[test]
    #[should_panic(expected = "did not start")]
    fn a_mistaken_option_reaches_the_test() {
        Peer::start(&["--no-such-option"]);
    }
}
