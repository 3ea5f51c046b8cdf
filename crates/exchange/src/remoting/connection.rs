use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use tokio::{task::JoinHandle, time::timeout};

use super::link::Link;
use crate::ExchangeError;

/// Largest answer, in bytes. Exchange is asked for envelopes of at most an eighth of it.
pub(super) const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// One HTTP/1.1 connection, used by one session for one request at a time. It is never pooled: sealed authentication
/// belongs to a connection, and a back end may too.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    authorization: HeaderValue,
}

/// A complete answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Connection {
    pub(super) fn new(
        sender: SendRequest<Full<Bytes>>,
        driver: JoinHandle<()>,
        authorization: HeaderValue,
    ) -> Self {
        Self { sender, driver, authorization }
    }

    /// The connection, unless the server has ended it, as it may between two requests.
    pub(super) async fn still_open(mut self) -> Option<Self> {
        self.sender.ready().await.is_ok().then_some(self)
    }

    /// Sends one envelope and reads the whole answer. The connection comes back only if it can be used again.
    pub(super) async fn post(
        mut self,
        link: &Link,
        envelope: Bytes,
        cookies: Option<HeaderValue>,
    ) -> Result<(Self, Answer), ExchangeError> {
        let request = self.request(link, envelope, cookies)?;
        match timeout(link.request_timeout, self.exchange(link, request)).await {
            Ok(answer) => answer.map(|answer| (self, answer)),
            Err(_) => Err(link.unreachable(&format_args!("no answer within {:?}", link.request_timeout))),
        }
    }

    fn request(
        &self,
        link: &Link,
        envelope: Bytes,
        cookies: Option<HeaderValue>,
    ) -> Result<Request<Full<Bytes>>, ExchangeError> {
        let mut request = Request::post(link.target.path.as_str())
            .header(header::HOST, &link.target.authority)
            .header(header::CONTENT_TYPE, "application/soap+xml;charset=UTF-8")
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::USER_AGENT, concat!("exconn/", env!("CARGO_PKG_VERSION")))
            .header(header::AUTHORIZATION, &self.authorization);
        if let Some(cookies) = cookies {
            request = request.header(header::COOKIE, cookies);
        }
        request.body(Full::new(envelope)).map_err(|error| link.wrong_endpoint(error.to_string()))
    }

    async fn exchange(
        &mut self,
        link: &Link,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, ExchangeError> {
        let response = self.sender.send_request(request).await.map_err(|error| failure(link, &error))?;
        let (head, body) = response.into_parts();
        let body = read(link, body).await?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
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
