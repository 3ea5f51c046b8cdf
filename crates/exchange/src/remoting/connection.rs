use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use secrecy::SecretString;
use tokio::{task::JoinHandle, time::timeout};

use super::{
    link::Link,
    sealing::{self, SealingProtocol},
};
use crate::{ExchangeError, security::SecurityContext};

/// Largest answer, in bytes. Exchange is asked for envelopes of at most an eighth of it.
pub(super) const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The type of an envelope that is not sealed.
const SOAP: HeaderValue = HeaderValue::from_static("application/soap+xml;charset=UTF-8");

/// One HTTP/1.1 connection, used for one request at a time.
#[derive(Debug)]
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

/// A connection that knows who asks, used by one session for one request at a time. It is never pooled: a sign-in belongs
/// to a connection, and a back end may too.
#[derive(Debug)]
pub(super) struct Connection {
    wire: Wire,
    identification: Identification,
}

/// How a connection says who asks.
#[derive(Debug)]
pub(super) enum Identification {
    /// With each request.
    Basic {
        /// The `Authorization` header.
        header: HeaderValue,
        /// It is remembered if the server refuses it.
        password: SecretString,
    },
    /// It has done so, and TLS keeps the messages secret.
    SignedIn,
    /// It has done so, and seals each message.
    Sealed {
        /// Counts the messages of this connection.
        context: Box<dyn SecurityContext>,
        /// The name that the sealing goes by.
        protocol: SealingProtocol,
    },
}

/// A complete answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Wire {
    pub(super) fn new(sender: SendRequest<Full<Bytes>>, driver: JoinHandle<()>) -> Self {
        Self { sender, driver }
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn send(
        &mut self,
        link: &Link,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, ExchangeError> {
        let mut request = Request::post(link.target.path.as_str())
            .header(header::HOST, &link.target.authority)
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::USER_AGENT, concat!("exconn/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| link.wrong_endpoint(error.to_string()))?;
        request.headers_mut().extend(headers);
        let response = self.sender.send_request(request).await.map_err(|error| failure(link, &error))?;
        let (head, body) = response.into_parts();
        let body = read(link, body).await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) fn new(wire: Wire, identification: Identification) -> Self {
        Self { wire, identification }
    }

    /// The connection, unless the server has ended it, as it may between two requests.
    pub(super) async fn still_open(mut self) -> Option<Self> {
        self.wire.sender.ready().await.is_ok().then_some(self)
    }

    /// Sends one envelope and reads the whole answer. The connection comes back only if it can be used again.
    pub(super) async fn post(
        mut self,
        link: &Link,
        envelope: Bytes,
        cookies: Option<HeaderValue>,
    ) -> Result<(Self, Answer), ExchangeError> {
        let mut _turn = None;
        if let Identification::Basic { password, .. } = &self.identification {
            if !link.is_accepted(password) {
                _turn = Some(link.sign_ins.turn().await);
            }
            link.check_not_held(Some(password))?;
        }
        match timeout(link.request_timeout, self.exchange(link, envelope, cookies)).await {
            Ok(answer) => answer.map(|answer| (self, answer)),
            Err(_) => Err(link.unreachable(&format_args!("no answer within {:?}", link.request_timeout))),
        }
    }

    /// Whether the server no longer knows who signed in on this connection, as after a restart of the process behind it. It
    /// did nothing then.
    pub(super) fn is_forgotten(&self, answer: &Answer) -> bool {
        answer.status == StatusCode::UNAUTHORIZED
            && !matches!(self.identification, Identification::Basic { .. })
    }

    async fn exchange(
        &mut self,
        link: &Link,
        envelope: Bytes,
        cookies: Option<HeaderValue>,
    ) -> Result<Answer, ExchangeError> {
        let mut headers = HeaderMap::new();
        if let Some(cookies) = cookies {
            headers.insert(header::COOKIE, cookies);
        }
        let mut body = envelope;
        let kind = match &mut self.identification {
            Identification::Basic { header, .. } => {
                headers.insert(header::AUTHORIZATION, header.clone());
                SOAP
            }
            Identification::SignedIn => SOAP,
            Identification::Sealed { context, protocol } => {
                body = sealing::seal(context.as_mut(), *protocol, body)
                    .await
                    .map_err(|error| error.at(link.target.endpoint()))?;
                protocol.content_type()
            }
        };
        headers.insert(header::CONTENT_TYPE, kind);
        let answer = self.wire.send(link, headers, body).await?;
        self.receive(link, answer).await
    }

    async fn receive(&mut self, link: &Link, answer: Answer) -> Result<Answer, ExchangeError> {
        let is_refused = answer.status == StatusCode::UNAUTHORIZED;
        match &mut self.identification {
            Identification::Basic { password, .. } if is_refused => {
                let endpoint = link.target.endpoint();
                link.tried::<()>(Some(password), &Err(ExchangeError::CredentialsRefused { endpoint }));
                Ok(answer)
            }
            Identification::Basic { password, .. } => {
                // Anything else may come from in front of whoever looks at passwords.
                if answer.status == StatusCode::OK {
                    link.tried(Some(password), &Ok(()));
                }
                Ok(answer)
            }
            Identification::SignedIn => Ok(answer),
            Identification::Sealed { context, .. } if carries_message(&answer) => {
                sealing::open(context.as_mut(), answer, link.target.endpoint()).await
            }
            Identification::Sealed { .. } => Ok(answer),
        }
    }
}

/// Whether the body of an answer is taken for more than a status.
fn carries_message(answer: &Answer) -> bool {
    let status = answer.status;
    let by_status =
        matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR);
    by_status && !answer.body.is_empty()
}

async fn read(link: &Link, mut body: Incoming) -> Result<Vec<u8>, ExchangeError> {
    let expected = hyper::body::Body::size_hint(&body).lower();
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(MAX_ANSWER).min(MAX_ANSWER));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure(link, &error))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_ANSWER {
                let reason = format!("an answer is larger than {MAX_ANSWER} bytes");
                return Err(ExchangeError::ProtocolViolated { reason });
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

fn failure(link: &Link, error: &hyper::Error) -> ExchangeError {
    if error.is_parse() {
        link.wrong_endpoint(format!("the answer is not HTTP/1.1 ({error})"))
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        link.unreachable(&"the server closed the connection before its answer was complete")
    } else {
        link.broken(error)
    }
}
