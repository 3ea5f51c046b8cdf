//! The real service on loopback, over a real store in a folder of its own.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use exconn_model::{AccessDecision, ConnectorId, ObservedDevice, Step, Timestamp};
use exconn_server::{
    AgentRefusal, AgentRegistry, App, AppConfig,
    auth::{Authentication, Keyring, Permission, TokenKind, TokenRequest, TrustedIssuer, issue_token},
    serve,
};
use exconn_store::{SqliteOptions, SqliteStore, Store};
use exconn_testkit::{ManualClock, SeededEntropy};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use uuid::Uuid;

/// Where every test begins: 2026-01-31T08:00:00Z.
pub(crate) const START: i64 = 1_769_846_400;
pub(crate) const CONNECTORS: &str = "/v1.0/deviceManagement/exchangeConnectors";
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Words of the code and its libraries, none of which belongs into an answer.
const INNER_WORDS: [&str; 10] =
    ["serde", "sqlite", "rusqlite", "hyper", "tokio", "struct ", "enum ", "::", ".rs:", "panicked"];

/// Notes who was woken; serves nobody until told.
#[derive(Debug)]
pub(crate) struct Agents {
    pub(crate) woken: std::sync::Mutex<Vec<ConnectorId>>,
    pub(crate) serves: std::sync::Mutex<Option<ConnectorId>>,
    /// What the connector that is served answers when it is examined or told of a decision.
    pub(crate) says: std::sync::Mutex<Result<Vec<Step>, AgentRefusal>>,
    /// The devices about whose access was decided.
    pub(crate) decided: std::sync::Mutex<Vec<(Uuid, AccessDecision)>>,
}

impl Default for Agents {
    fn default() -> Self {
        let (woken, serves) = (std::sync::Mutex::default(), std::sync::Mutex::default());
        let says = std::sync::Mutex::new(Ok(Vec::new()));
        Self { woken, serves, says, decided: std::sync::Mutex::default() }
    }
}

#[async_trait::async_trait]
impl AgentRegistry for Agents {
    fn wake(&self, connector: ConnectorId) {
        self.woken.lock().unwrap().push(connector);
    }

    fn is_served(&self, connector: ConnectorId) -> bool {
        *self.serves.lock().unwrap() == Some(connector)
    }

    async fn examine(&self, connector: ConnectorId) -> Result<Vec<Step>, AgentRefusal> {
        if !self.is_served(connector) {
            return Err(AgentRefusal::NotServed);
        }
        self.says.lock().unwrap().clone()
    }

    fn check_access(&self, connector: ConnectorId, _: &ObservedDevice) -> Result<(), AgentRefusal> {
        if !self.is_served(connector) {
            return Err(AgentRefusal::NotServed);
        }
        match &*self.says.lock().unwrap() {
            Err(refusal @ (AgentRefusal::ReadOnly | AgentRefusal::NoMailbox)) => Err(refusal.clone()),
            _ => Ok(()),
        }
    }

    async fn set_access(
        &self,
        connector: ConnectorId,
        device: &ObservedDevice,
        decision: AccessDecision,
    ) -> Result<(), AgentRefusal> {
        self.examine(connector).await?;
        self.decided.lock().unwrap().push((device.partnership, decision));
        Ok(())
    }
}

/// The real store.
pub(crate) fn open_store(folder: &std::path::Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(folder, SqliteOptions::default()).unwrap())
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) token: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    folder: Option<tempfile::TempDir>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(configure: impl FnOnce(&mut AppConfig)) -> Self {
        Self::start_trusting(Vec::new(), configure).await
    }

    pub(crate) async fn start_trusting(
        issuers: Vec<TrustedIssuer>,
        configure: impl FnOnce(&mut AppConfig),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Self::start_all(folder.path(), issuers, configure).await;
        Self { folder: Some(folder), ..server }
    }

    /// In a data directory that outlives the service.
    pub(crate) async fn start_in(folder: &std::path::Path, configure: impl FnOnce(&mut AppConfig)) -> Self {
        Self::start_all(folder, Vec::new(), configure).await
    }

    async fn start_all(
        folder: &std::path::Path,
        issuers: Vec<TrustedIssuer>,
        configure: impl FnOnce(&mut AppConfig),
    ) -> Self {
        let entropy = Arc::new(SeededEntropy::new(7));
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(START)));
        let keyring = Keyring::open_or_create(folder, &*entropy).unwrap();
        let store = open_store(folder);
        let agents = Arc::new(Agents::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = AppConfig::new(keyring.tenant(), address, *keyring.paging_secret());
        // The clock of these tests stands still, and so no allowance would ever come back.
        config.throttle = None;
        configure(&mut config);
        let app = App::new(
            store.clone(),
            clock.clone(),
            entropy,
            Authentication::trusting(&keyring, issuers).unwrap(),
            config,
            agents.clone(),
        )
        .unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let ended = serve(listener, None, app, async {
                let _ = stopped.await;
            });
            ended.await.unwrap();
        });
        let token = token_of(&keyring, &Permission::ALL, TokenKind::Delegated);
        Self { address, keyring, clock, store, agents, token, stop: Some(stop), task, folder: None }
    }

    /// The data directory.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.as_ref().unwrap().path()
    }

    /// Begins the end.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Ends the service and waits until it has ended.
    pub(crate) async fn end(mut self) {
        drop(self.stop.take());
        timeout(BOUND, self.task).await.unwrap().unwrap();
    }

    /// Ends the service and gives its data directory, where it can be opened again.
    pub(crate) async fn end_keeping_its_folder(mut self) -> tempfile::TempDir {
        drop(self.stop.take());
        timeout(BOUND, self.task).await.unwrap().unwrap();
        drop(self.store);
        self.folder.unwrap()
    }

    /// Sends one request as it stands.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        timeout(BOUND, send(self.address, request)).await.expect("an answer in time")
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("authorization", format!("Bearer {}", self.token))
    }

    /// A `GET` with another token.
    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Answer {
        let request =
            Request::get(path).header("host", "x").header("authorization", format!("Bearer {token}"));
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn write(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
        let request = self.request(method, path).header("content-type", "application/json");
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    /// Creates a connector and gives its id.
    pub(crate) async fn create(&self, body: &str) -> String {
        let answer = self.write("POST", CONNECTORS, body.to_owned()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks the status and the whole form of an error, and that it shows nothing of the inside; gives its code and
    /// message.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> (String, String) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        let error = &self.json()["error"];
        let inner = &error["innerError"];
        assert_eq!(inner["request-id"].as_str(), self.header("request-id"));
        assert_eq!(inner["client-request-id"].as_str(), self.header("client-request-id"));
        let date = inner["date"].as_str().unwrap();
        assert!(date.len() == 19 && date.starts_with("2026-"), "{date}");
        let (code, message) = (error["code"].as_str().unwrap(), error["message"].as_str().unwrap());
        let inner = INNER_WORDS.iter().find(|word| message.to_lowercase().contains(*word));
        assert_eq!(inner, None, "the message shows the inside: {message}");
        (code.to_owned(), message.to_owned())
    }

    /// The ids of a list.
    pub(crate) fn ids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        json["value"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    talk(TcpStream::connect(address).await.unwrap(), request).await
}

/// Sends a request from another address of this machine.
pub(crate) async fn send_from(from: IpAddr, to: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    talk(socket.connect(to).await.unwrap(), request).await
}

async fn talk(stream: TcpStream, request: Request<Full<Bytes>>) -> Answer {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    let _ = connection.await;
    Answer { status: head.status, headers: head.headers, body }
}

/// A token that is valid for an hour from [`START`] on.
pub(crate) fn token_of(keyring: &Keyring, permissions: &[Permission], kind: TokenKind) -> String {
    let request = TokenRequest {
        permissions,
        kind,
        subject: "ann@contoso.com",
        lifetime: Duration::from_secs(3600),
        now: Timestamp::from_unix_seconds(START),
        id: Uuid::from_u128(7),
    };
    issue_token(keyring, &request).unwrap()
}
