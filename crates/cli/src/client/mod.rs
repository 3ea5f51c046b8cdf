//! A client of the public API: HTTP/1.1, one connection that is opened again when the server closed it.

mod transport;

use std::time::Duration;

use bytes::Bytes;
use http::{
    Method, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use self::transport::Transport;
use crate::args::ServiceArgs;

/// The largest answer that is read; a page of devices has less than a tenth of it.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A request that came too early is repeated so often,
const MAX_REPEATS: u32 = 3;
/// and waits no longer than this each time.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Why the service did not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{0}")]
    Usage(String),
    #[error("cannot reach {url}: {reason}. Is the service running, and is --url right?")]
    Unreachable { url: String, reason: String },
    #[error("{}", refused(*status, code, message, request_id.as_deref()))]
    Refused { status: u16, code: String, message: String, request_id: Option<String> },
    #[error("{refused}")]
    TooEarly { wait: Duration, refused: String },
    #[error("the service answered in a form that this client does not know: {0}")]
    Strange(String),
}

fn refused(status: u16, code: &str, message: &str, request_id: Option<&str>) -> String {
    let next = match status {
        401 => " Issue a token with `exconn token issue` and set EXCONN_TOKEN.",
        403 => " Issue a token with that permission: `exconn token issue --scope PERMISSION`.",
        412 => " Read it again and repeat the change.",
        429 | 503 => " Try again later.",
        _ => "",
    };
    let id = request_id.map(|id| format!(" (request-id {id})")).unwrap_or_default();
    let stop = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{status} {code}: {message}{stop}{next}{id}")
}

/// A client of one service.
#[derive(Debug)]
pub(crate) struct Client {
    root: Uri,
    authority: String,
    token: Option<String>,
    transport: Transport,
}

impl Client {
    pub(crate) fn new(args: &ServiceArgs) -> Result<Self, ClientError> {
        let wrong =
            || ClientError::Usage(format!("'{}' is not an address such as http://127.0.0.1:8780", args.url));
        let root: Uri = args.url.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let authority = root.authority().ok_or_else(wrong)?.to_string();
        let tls = match root.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        if root.path() != "/" || root.query().is_some() {
            return Err(wrong());
        }
        let transport = Transport::new(&root, tls, args.ca_file.as_deref()).map_err(ClientError::Usage)?;
        Ok(Self { root, authority, token: args.token.clone(), transport })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::DELETE, path, None).await
    }

    /// The path of a link that the service gave. Its host may be the public one; the client stays where it is.
    pub(crate) fn path_of(link: &str) -> Result<String, ClientError> {
        let uri: Uri = link.parse().map_err(|_| ClientError::Strange("a link is not a URL".into()))?;
        uri.path_and_query()
            .map(ToString::to_string)
            .ok_or_else(|| ClientError::Strange("a link has no path".into()))
    }

    /// Sends a request, and again when the service says that it came too early.
    async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let mut repeats = 0;
        loop {
            let outcome = self.send_once(&method, path, body).await;
            match outcome {
                Err(ClientError::TooEarly { wait, .. }) if repeats < MAX_REPEATS && wait <= MAX_WAIT => {
                    repeats += 1;
                    tracing::info!(seconds = wait.as_secs(), "the service asks to wait");
                    sleep(wait).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn send_once(
        &mut self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let body = body.filter(|body| !body.is_null());
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = |body: Bytes| {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header(HOST, &self.authority)
                .header(ACCEPT, "application/json");
            if !body.is_empty() {
                request = request.header(CONTENT_TYPE, "application/json");
            }
            if let Some(token) = &self.token {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            request.body(Full::new(body)).map_err(|_| {
                ClientError::Usage("the token or an id holds characters that cannot be sent".into())
            })
        };
        let unreachable = |reason: String| ClientError::Unreachable { url: self.root.to_string(), reason };
        let request = request(bytes)?;
        let answer = async {
            let answer = self.transport.send(request).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| error.to_string())?;
            Ok((head, body.to_bytes()))
        };
        let (head, body) = match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(unreachable)?,
            Err(_) => return Err(unreachable("no answer within 60 s".into())),
        };
        let json = if body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&body).ok() };
        if head.status.is_success() {
            return json.ok_or_else(|| ClientError::Strange("the answer is not JSON".into()));
        }
        let refused = error_of(head.status, &json.unwrap_or_default());
        if head.status == StatusCode::TOO_MANY_REQUESTS
            && let Some(wait) =
                head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok())
        {
            return Err(ClientError::TooEarly {
                wait: Duration::from_secs(wait),
                refused: refused.to_string(),
            });
        }
        Err(refused)
    }
}

fn error_of(status: StatusCode, json: &Value) -> ClientError {
    let error = &json["error"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    ClientError::Refused {
        status: status.as_u16(),
        code: text(&error["code"]).unwrap_or_else(|| status.canonical_reason().unwrap_or("Error").to_owned()),
        message: text(&error["message"]).unwrap_or_default(),
        request_id: text(&error["innerError"]["request-id"]),
    }
}
