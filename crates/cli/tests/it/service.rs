//! The built binary as a service, and what a client sees of it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A data directory with a configuration for one Exchange.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// `more` follows the `[exchange.remoting]` section; the password is `pw`. Mailboxes are not
    /// asked for statistics, so that what a listing says is all that there is.
    pub(crate) fn new(exchange_url: &str, more: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(home.path("password"), "pw\n").unwrap();
        fs::write(
            home.path("exconn.toml"),
            format!(
                "data = {:?}\n\n[throttle]\nmode = \"off\"\n\n[[exchange]]\nname = \"contoso\"\ntype = \"onPremises\"\nserver = \"ex01.contoso.com\"\n\
                 delta_interval = \"24h\"\nfull_interval = \"24h\"\n\n[exchange.remoting]\nurl = {exchange_url:?}\n\
                 authentication = \"basic\"\nusername = \"svc\"\npassword_file = {:?}\n{more}\n\
                 [exchange.statistics]\nper_hour = 0\n",
                home.path("data"),
                home.path("password"),
            ),
        )
        .unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the configuration.
    pub(crate) fn reconfigure(&self, from: &str, to: &str) {
        let file = self.path("exconn.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&file, text.replace(from, to)).unwrap();
    }

    pub(crate) fn serve(&self) -> Service {
        self.serve_with(&[])
    }

    /// Serves with more arguments.
    pub(crate) fn serve_with(&self, arguments: &[&str]) -> Service {
        Service::start(&self.path("exconn.toml"), &self.path("data"), arguments)
    }
}

/// A running `exconn serve`. Killed hard when it is dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
    pub(crate) token: String,
    log: Arc<Mutex<String>>,
}

impl Service {
    pub(crate) fn start(config: &Path, data: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_exconn"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .args(arguments)
            .env("EXCONN_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut stderr, copy) = (child.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                copy.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http")).map(str::to_owned);
        let url = url.unwrap_or_else(|| panic!("no address in {line:?}; log: {}", log.lock().unwrap()));
        let token = exconn(&["token", "issue", "--data", data.to_str().unwrap()]);
        Self { child, url, token: token.trim().to_owned(), log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Ends it as a power cut would end it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and returns whether it did so well, and its whole log.
    pub(crate) fn terminate(mut self) -> (bool, String) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(asked.success());
        let status = self.child.wait().unwrap();
        (status.success(), self.log())
    }

    /// Runs a client command against it and returns what it printed.
    pub(crate) fn exconn(&self, arguments: &[&str]) -> String {
        let mut all = vec!["--url", &self.url, "--token", &self.token];
        all.extend(arguments);
        exconn(&all)
    }

    /// The JSON behind a path.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = http_get(&self.url, path, &self.token);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Every entity of a collection, by following its links.
    pub(crate) fn all(&self, path: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page = self.get(&path);
            found.extend(page["value"].as_array().unwrap().iter().cloned());
            next =
                page["@odata.nextLink"].as_str().map(|link| link.strip_prefix(&self.url).unwrap().to_owned());
        }
        found
    }

    pub(crate) fn devices(&self) -> Vec<Value> {
        self.all("/v1.0/deviceManagement/managedDevices?$top=1000")
    }

    /// The only connector.
    pub(crate) fn connector(&self) -> Value {
        let mut connectors = self.all("/v1.0/deviceManagement/exchangeConnectors");
        assert_eq!(connectors.len(), 1);
        connectors.remove(0)
    }

    /// The connector's runs, newest first.
    pub(crate) fn runs(&self) -> Vec<Value> {
        let connectors = self.all("/v1.0/deviceManagement/exchangeConnectors");
        let Some(id) = connectors.first().and_then(|connector| connector["id"].as_str().map(str::to_owned))
        else {
            return Vec::new();
        };
        self.get(&format!("/exconn/v1/connectors/{id}/runs"))["value"].as_array().unwrap().clone()
    }

    /// Waits for the end of a run that is not among `known` and returns it.
    pub(crate) fn next_end(&self, known: &[Value]) -> Value {
        let known: Vec<&Value> = known.iter().map(|run| &run["id"]).collect();
        until("a run ends", || {
            let newest = self.runs().into_iter().next()?;
            let open = ["queued", "running"].contains(&newest["state"].as_str().unwrap());
            (!open && !known.contains(&&newest["id"])).then_some(newest)
        })
    }

    /// Asks for a full sync and waits for its end.
    pub(crate) fn sync(&self) -> Value {
        let known = self.runs();
        let id = self.connector()["id"].as_str().unwrap().to_owned();
        self.exconn(&["connectors", "sync", &id, "--type", "full"]);
        self.next_end(&known)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have been ended by the test, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary, which must succeed, and returns what it printed.
pub(crate) fn exconn(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_exconn")).args(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "exconn {arguments:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// Asks again and again until there is an answer, but not for ever.
pub(crate) fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(BOUND, what, ask)
}

/// The same with a bound of one's own.
#[expect(clippy::disallowed_methods, reason = "a bound on waiting is in real time")]
pub(crate) fn until_within<T>(bound: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < bound, "waited too long until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A `GET` with a token, answered by status and body.
pub(crate) fn http_get(url: &str, path: &str, token: &str) -> (u16, String) {
    use std::io::Write;
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    let path = path.replace(' ', "%20");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "answers have a length");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
