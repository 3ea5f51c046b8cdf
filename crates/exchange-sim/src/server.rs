//! HTTP around the shells.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use exconn_model::Entropy;
use exconn_psrp::{EXCHANGE, Fault as WireFault, Limits, envelope::Action, server::Request as ShellRequest};
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use uuid::Uuid;

use crate::{
    Organisation,
    shell::{Answer, Fault, Shell},
};

const MAX_BODY: usize = 1024 * 1024;
const IDLE_SHELL: Duration = Duration::from_secs(15 * 60);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// A front end's cookie, which leads later requests to the server that holds the shell.
const AFFINITY: &str = "X-BackEndCookie";

/// How to listen.
#[derive(Clone)]
pub struct SimOptions {
    /// A loopback address; port 0 picks one.
    pub listen: SocketAddr,
    /// The account's name.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The path that is served.
    pub path: String,
    /// Shells that the account may have open; 18 as Exchange's default policy has it.
    pub max_shells: usize,
}

impl fmt::Debug for SimOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimOptions")
            .field("listen", &self.listen)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SimOptions {
    /// Listens at a free port of 127.0.0.1 for this account.
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: user.to_owned(),
            password: password.to_owned(),
            path: "/PowerShell/".to_owned(),
            max_shells: 18,
        }
    }
}

/// Why the simulation does not listen.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// Basic authentication in the clear must not leave the machine.
    #[error("the simulated Exchange listens on loopback only, and {0} is not loopback")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A listening organisation. Ends when it is dropped.
#[derive(Debug)]
pub struct SimServer {
    address: SocketAddr,
    path: String,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    organisation: Arc<Organisation>,
    domain: String,
    expected: String,
    path: String,
    max_shells: usize,
    entropy: Arc<dyn Entropy>,
    shells: Mutex<HashMap<String, Arc<Mutex<Shell>>>>,
    faults: Mutex<VecDeque<Fault>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SimServer {
    /// Listens and serves until the value is dropped. `entropy` gives ids.
    pub async fn start(
        organisation: Arc<Organisation>,
        options: SimOptions,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SimError> {
        if !options.listen.ip().is_loopback() {
            return Err(SimError::NotLoopback(options.listen));
        }
        let failed = |source| SimError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let domain =
            organisation.servers()[0].split_once('.').map_or(String::new(), |(_, domain)| domain.to_owned());
        let shared = Arc::new(Shared {
            organisation,
            domain,
            expected: format!("Basic {}", STANDARD.encode(format!("{}:{}", options.user, options.password))),
            path: options.path.trim_end_matches('/').to_ascii_lowercase(),
            max_shells: options.max_shells,
            entropy,
            shells: Mutex::default(),
            faults: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone()));
        Ok(Self { address, path: options.path, shared, tasks })
    }

    /// The address for remote PowerShell.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// Shells that are open.
    pub fn open_shells(&self) -> usize {
        lock(&self.shared.shells).len()
    }

    /// The next listing of devices goes wrong like this; several are taken in order.
    pub fn fault(&self, fault: Fault) {
        lock(&self.shared.faults).push_back(fault);
    }

    /// Stops serving at once.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let shared = shared.clone();
        connections.spawn(async move {
            // Turned to true when the organisation hangs up in the middle of an answer.
            let (hang_up, mut hung_up) = watch::channel(false);
            let service = service_fn(move |request| {
                let (shared, hang_up) = (shared.clone(), hang_up.clone());
                async move { Ok::<_, Infallible>(shared.answer(request, &hang_up).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                result = connection => if let Err(error) = result {
                    tracing::debug!(%error, "a connection to the simulated Exchange ended");
                },
                _ = hung_up.wait_for(|hung_up| *hung_up) => {}
            }
        });
    }
}

type Reply = Response<Full<Bytes>>;

impl Shared {
    async fn answer(&self, request: Request<Incoming>, hang_up: &watch::Sender<bool>) -> Reply {
        let path = request.uri().path().trim_end_matches('/').to_ascii_lowercase();
        if path != self.path {
            return plain(StatusCode::NOT_FOUND);
        }
        if !self.is_allowed(request.headers()) {
            let mut reply = plain(StatusCode::UNAUTHORIZED);
            reply
                .headers_mut()
                .insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Basic realm=\"Exchange\""));
            return reply;
        }
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        let is_led_here = request
            .headers()
            .get_all(COOKIE)
            .iter()
            .any(|cookie| cookie.to_str().is_ok_and(|c| c.contains(AFFINITY)));
        let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let Ok(request) = ShellRequest::parse(&body.to_bytes()) else {
            return plain(StatusCode::BAD_REQUEST);
        };
        let answer_id = self.entropy.uuid();
        let reply = self.shell_request(&request, is_led_here, answer_id, hang_up).await;
        let (status, body) = match reply {
            Ok(envelope) => (StatusCode::OK, envelope),
            Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, request.fault(answer_id, &fault)),
        };
        let mut reply = Response::new(Full::new(Bytes::from(body)));
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/soap+xml;charset=UTF-8"));
        headers.insert(
            SET_COOKIE,
            http::HeaderValue::from_static("X-BackEndCookie=ex01; path=/PowerShell; HttpOnly"),
        );
        reply
    }

    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        given.ct_eq(self.expected.as_bytes()).into()
    }

    async fn shell_request(
        &self,
        request: &ShellRequest,
        is_led_here: bool,
        answer_id: Uuid,
        hang_up: &watch::Sender<bool>,
    ) -> Result<Vec<u8>, WireFault> {
        let shell_id = request.shell_id.clone().unwrap_or_default();
        match request.action {
            Action::Create => return self.create(request, answer_id),
            Action::Delete => {
                lock(&self.shells).remove(&shell_id);
                return Ok(request.done(answer_id));
            }
            _ => {}
        }
        let shell = lock(&self.shells)
            .get(&shell_id)
            .cloned()
            .filter(|_| is_led_here)
            .ok_or_else(|| gone(&shell_id))?;
        lock(&shell).used = now();
        match request.action {
            Action::Command | Action::Send => {
                let next_fault = || lock(&self.faults).pop_front();
                lock(&shell).feed(request, &self.organisation, next_fault).map_err(|error| broken(&error))?;
                Ok(request.done(answer_id))
            }
            Action::Signal => {
                if request.stops {
                    lock(&shell).stop(request.command_id);
                }
                Ok(request.done(answer_id))
            }
            _ => {
                let answer = lock(&shell).receive(request, &self.organisation, &self.domain, answer_id);
                match answer {
                    Answer::Envelope(envelope) => Ok(envelope),
                    Answer::Break => {
                        hang_up.send_replace(true);
                        std::future::pending().await
                    }
                    Answer::Nothing => {
                        // Nothing in this organisation happens later than at once, so only the time-out can come.
                        tokio::time::sleep(request.operation_timeout.min(Duration::from_secs(60))).await;
                        Ok(request.timed_out(answer_id))
                    }
                }
            }
        }
    }

    fn create(&self, request: &ShellRequest, answer_id: Uuid) -> Result<Vec<u8>, WireFault> {
        if request.resource_uri != EXCHANGE {
            return Err(WireFault {
                code: Some(2_150_858_778),
                subcode: "InvalidResourceURI".into(),
                reason: format!("The resource URI {} was not found.", request.resource_uri),
                ..WireFault::default()
            });
        }
        let (id, now) = (request.shell_id.clone().unwrap_or_else(|| self.entropy.uuid().to_string()), now());
        let shell = Shell::open(request, Limits::default(), now).map_err(|error| broken(&error))?;
        let mut shells = lock(&self.shells);
        shells.retain(|_, shell| now.saturating_duration_since(lock(shell).used) < IDLE_SHELL);
        let max_shells = self.max_shells;
        if shells.len() >= max_shells {
            return Err(WireFault {
                code: Some(2_150_859_173),
                subcode: "QuotaLimit".into(),
                reason: format!(
                    "This user is allowed a maximum number of {max_shells} concurrent shells, which has been exceeded."
                ),
                ..WireFault::default()
            });
        }
        shells.insert(id.clone(), Arc::new(Mutex::new(shell)));
        Ok(request.created(&id, answer_id))
    }
}

#[expect(clippy::disallowed_methods, reason = "shells of a simulation idle in real time, as sockets do")]
fn now() -> Instant {
    Instant::now()
}

fn gone(shell_id: &str) -> WireFault {
    WireFault {
        code: Some(2_150_858_843),
        subcode: "InvalidSelectors".into(),
        reason: format!("The shell {shell_id} was not found on the server."),
        ..WireFault::default()
    }
}

fn broken(error: &dyn std::error::Error) -> WireFault {
    WireFault {
        code: Some(2_150_858_752),
        subcode: "InvalidParameter".into(),
        reason: error.to_string(),
        ..WireFault::default()
    }
}

fn plain(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}
