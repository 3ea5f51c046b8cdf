use std::{borrow::Cow, error::Error, fmt::Write};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response,
    header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY},
    request::Parts,
};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;

use crate::{
    app::{App, Service},
    audit::{self, Trace},
    exconn,
    failure::Failure,
    graph,
    reply::Reply,
    routes::{self, Access, Operation, Place},
    wire::{Connection, Identity},
};

const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");

/// A request on its way through.
pub(crate) struct Call<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: Incoming,
    pub(crate) connection: &'a Connection,
}

/// Where a request goes.
pub(crate) struct Target<'a> {
    pub(crate) place: Place,
    /// The id in the path.
    pub(crate) id: Option<Cow<'a, str>>,
    /// The Graph's version; absent outside of it.
    pub(crate) version: Option<graph::Version>,
}

impl App {
    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Response<Full<Bytes>> {
        let service = &*self.0;
        let (head, body) = request.into_parts();
        let identity = Identity::new(&head.headers, &*service.entropy);
        let mut trace = Trace::default();
        let call = Call { head: &head, body, connection };
        let outcome = service.handle(call, &mut trace).await;
        let refused = outcome.as_ref().is_err_and(Failure::is_refusal);
        let reply = outcome.unwrap_or_else(|failure| service.refuse(&failure, &identity));
        if refused || trace.route.is_some_and(|route| route.operation.is_change()) {
            trace.created = reply.created;
            audit::record(&trace, &head.method, head.uri.path(), reply.status, connection, &identity);
        }
        finish(reply, &identity, connection)
    }
}

impl Service {
    async fn handle(&self, call: Call<'_>, trace: &mut Trace) -> Result<Reply, Failure> {
        let head = call.head;
        let path = head.uri.path();
        let open = match path {
            routes::HEALTH => Some(Place::Liveness),
            routes::READINESS => Some(Place::Readiness),
            _ => None,
        };
        let target = match open {
            Some(place) => Target { place, id: None, version: None },
            None => {
                let header = head.headers.get(http::header::AUTHORIZATION).map(HeaderValue::as_bytes);
                trace.caller = Some(self.authentication.caller(header, self.clock.now())?);
                resolve(path)?
            }
        };
        let route =
            routes::find(target.place, &head.method).map_err(|allowed| Failure::Method { allowed })?;
        trace.route = Some(route);
        if let Access::Needs(need) = route.access {
            let caller = trace.caller.as_deref();
            if !caller.is_some_and(|caller| caller.permissions.satisfies(need)) {
                let delegated = caller.is_some_and(|caller| caller.delegated);
                return Err(Failure::Forbidden { need, delegated });
            }
        }
        let id = target.id.as_deref().unwrap_or_default();
        match route.operation {
            Operation::Live => Ok(Reply::text("alive")),
            Operation::Ready => self.ready().await,
            Operation::GetDescription => Ok(exconn::get_description()),
            Operation::ListRuns => exconn::list_runs(self, id, head.uri.query()).await,
            Operation::GetRun => exconn::get_run(self, id, head.uri.query()).await,
            operation => graph::answer(self, operation, &target, call).await,
        }
    }

    async fn ready(&self) -> Result<Reply, Failure> {
        self.store.count_connectors(self.config.tenant, None).await?;
        Ok(Reply::text("ready"))
    }

    fn refuse(&self, failure: &Failure, identity: &Identity) -> Reply {
        if failure.is_ours() {
            tracing::error!(request_id = %identity.request, error = %with_causes(failure), "request failed");
        }
        let body = error_body(failure, &self.clock.now().to_string(), identity);
        let mut reply = Reply::typed(HeaderValue::from_static("application/json"), body);
        failure.write_headers(&mut reply.headers);
        reply.with_status(failure.status())
    }
}

fn resolve(path: &str) -> Result<Target<'_>, Failure> {
    exconn::resolve(path).unwrap_or_else(|| graph::resolve(path))
}

fn finish(reply: Reply, identity: &Identity, connection: &Connection) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    let headers = response.headers_mut();
    identity.write(headers);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
    if connection.secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorDetail<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorDetail<'a> {
    code: &'a str,
    message: &'a str,
    inner_error: InnerError<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct InnerError<'a> {
    date: &'a str,
    request_id: String,
    client_request_id: String,
}

/// The Graph's error body. Its date has no zone, and means UTC.
fn error_body(failure: &Failure, now: &str, identity: &Identity) -> Vec<u8> {
    let body = ErrorBody {
        error: ErrorDetail {
            code: failure.code(),
            message: &failure.message(),
            inner_error: InnerError {
                date: now.get(..19).unwrap_or(now),
                request_id: identity.request.to_string(),
                client_request_id: identity.client(),
            },
        },
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
