use std::{borrow::Cow, error::Error, fmt::Write, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, request::Parts};
use hyper::body::Incoming;
use serde::Serialize;

use crate::{
    app::{App, Service},
    audit::{self, Asked, Trace},
    auth::{Caller, TokenError},
    exconn,
    failure::Failure,
    finish::finish,
    graph,
    identity::{self, Dialect},
    reply::Reply,
    routes::{self, Access, Operation, Place},
    wire::{Connection, Identity, RequestBody, names_its_host},
};

const FOREIGN_HOST: &str = "Without authentication the service is asked by localhost, by a loopback address, or by the name in \
    public_url.";
pub(crate) const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");

/// A request on its way through: one that came over a connection, or one of a batch.
pub(crate) struct Call<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: RequestBody,
    pub(crate) connection: &'a Connection,
    pub(crate) identity: &'a Identity,
    /// Who calls, where that is known already: the requests of a batch have the batch's caller.
    pub(crate) caller: Option<Arc<Caller>>,
}

impl<'a> Call<'a> {
    /// What the audit says of it.
    pub(crate) fn asked(&self) -> Asked<'a> {
        Asked { head: self.head, connection: self.connection, identity: self.identity }
    }
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
    ) -> Response<Bytes> {
        let service = &*self.0;
        let (head, body) = request.into_parts();
        let identity = Identity::new(&head.headers, &*service.entropy);
        let connection =
            &*connection.of_request(&head, &service.config.trusted_proxies, service.origin.as_ref());
        let reply = if !names_its_host(&head) {
            service.refuse(&Failure::bad("The request must have one Host header."), &identity)
        } else if !service.authentication.is_required()
            && !connection.is_meant(&head, service.origin.as_deref())
        {
            // A page of another site can have its name lead here, and everyone may do everything.
            service.refuse(&Failure::bad(FOREIGN_HOST), &identity)
        } else if let Some(reply) = service.answer_open_options(&head) {
            reply
        } else {
            let body = RequestBody::Left(body);
            service.answer(Call { head: &head, body, connection, identity: &identity, caller: None }).await
        };
        finish(service, reply, &head, connection, &identity).await
    }
}

impl Service {
    /// Answers one request, whatever becomes of it, and leaves its line in the audit.
    pub(crate) async fn answer(&self, call: Call<'_>) -> Reply {
        let asked = call.asked();
        let mut trace = Trace::default();
        match self.handle(call, &mut trace).await {
            Ok(reply) => {
                if let Some(entry) = &reply.audit {
                    audit::log(entry);
                }
                reply
            }
            Err(failure) => {
                self.record_refusal(&failure, asked, &trace);
                self.refuse(&failure, asked.identity)
            }
        }
    }

    /// Leaves an audit entry of a failed request, if it was refused for who asked or would have changed something.
    fn record_refusal(&self, failure: &Failure, asked: Asked<'_>, trace: &Trace) {
        let operation = trace.route.map(|route| route.operation);
        if failure.is_refusal() || operation.is_some_and(Operation::is_change) {
            let mut entry = asked.entry(self, trace.caller.as_deref(), operation, failure.status());
            entry.detail = Some(failure.code().to_owned());
            self.recorder.refusal(entry);
        }
    }

    async fn handle(&self, call: Call<'_>, trace: &mut Trace) -> Result<Reply, Failure> {
        let head = call.head;
        let target = resolve(head.uri.path());
        let open = target.as_ref().is_ok_and(|target| routes::is_open(target.place));
        // What exists is nothing that a caller without a token should learn: the token comes before the path's errors.
        let caller = if open { None } else { Some(self.authenticate(&call).await?) };
        trace.caller = caller.clone();
        trace.route = target.as_ref().ok().and_then(|target| routes::find(target.place, &head.method));
        if let (Some(throttle), Some(caller)) = (&self.throttle, &caller) {
            let is_change = trace.route.is_some_and(|route| route.operation.is_change());
            throttle.admit(caller, is_change, self.clock.now())?;
        }
        let target = target?;
        let Some(route) = trace.route else {
            let allowed = routes::methods(Some(target.place));
            return match head.method {
                Method::OPTIONS => Ok(Reply::options(&allowed)),
                _ => Err(Failure::Method { allowed }),
            };
        };
        let Some(caller) = caller else { return self.answer_anyone(route.operation, &target, call).await };
        let id = target.id.as_deref().unwrap_or_default();
        if let Access::Needs(need) = route.access
            && !caller.permissions.satisfies(need)
        {
            return Err(Failure::Forbidden { need, delegated: caller.delegated });
        }
        match route.operation {
            Operation::GetDescription => Ok(exconn::get_description()),
            Operation::ListRuns => exconn::list_runs(self, &caller, id, head.uri.query()).await,
            Operation::TestConnector => exconn::test_connector(self, &caller, id, call).await,
            Operation::SetDeviceAccess => exconn::set_access(self, &caller, id, call).await,
            Operation::GetRun => exconn::get_run(self, &caller, id, head.uri.query()).await,
            Operation::GetObservedDevice => exconn::get_device(self, &caller, id, head.uri.query()).await,
            operation @ (Operation::ListApps
            | Operation::CreateApp
            | Operation::GetApp
            | Operation::UpdateApp
            | Operation::DeleteApp
            | Operation::RotateApp) => exconn::answer_apps(self, operation, &caller, id, call).await,
            operation => graph::answer(self, operation, &caller, &target, call).await,
        }
    }

    /// Answers `OPTIONS` where it needs no token: a browser that asks on behalf of a page sends none, and a page whose
    /// address is wrong should get to read the error; `*` is the service as a whole (RFC 9110, section 9.3.7).
    fn answer_open_options(&self, head: &Parts) -> Option<Reply> {
        if head.method != Method::OPTIONS {
            return None;
        }
        if head.uri.path() == "*" {
            return Some(Reply::options(&routes::methods(None)));
        }
        let place = resolve(head.uri.path()).ok().map(|target| target.place);
        self.config.cors.preflight(head, &routes::methods(place))
    }

    /// Answers what needs no token.
    async fn answer_anyone(
        &self,
        operation: Operation,
        target: &Target<'_>,
        call: Call<'_>,
    ) -> Result<Reply, Failure> {
        let head = call.head;
        let tenant = target.id.as_deref().unwrap_or_default();
        match operation {
            Operation::IssueToken => identity::issue(self, tenant, Dialect::VersionTwo, call).await,
            Operation::IssueTokenOfVersionOne => {
                identity::issue(self, tenant, Dialect::VersionOne, call).await
            }
            Operation::GetOpenIdConfiguration => {
                identity::configuration(self, tenant, call.connection.origin.base())
            }
            Operation::GetSigningKeys => identity::keys(self, tenant),
            Operation::Live => Ok(Reply::text("alive")),
            Operation::Ready => self.ready().await,
            Operation::GetMetadata => graph::get_metadata(head),
            Operation::GetGraphDescription => graph::get_description(target.version, head),
            _ => Err(Failure::NotFound),
        }
    }

    async fn authenticate(&self, call: &Call<'_>) -> Result<Arc<Caller>, Failure> {
        if let Some(caller) = &call.caller {
            return Ok(caller.clone());
        }
        let mut headers = call.head.headers.get_all(http::header::AUTHORIZATION).iter();
        let header = headers.next().map(HeaderValue::as_bytes);
        if headers.next().is_some() {
            // Something before this service may have looked at the other one.
            return Err(TokenError::Malformed.into());
        }
        self.authentication.caller(header, self.clock.now(), &*self.store).await
    }

    async fn ready(&self) -> Result<Reply, Failure> {
        self.store.ping().await?;
        Ok(Reply::text("ready"))
    }

    /// The answer to a request that failed.
    pub(crate) fn refuse(&self, failure: &Failure, identity: &Identity) -> Reply {
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
    let open = match path {
        routes::HEALTH => Place::Liveness,
        routes::READINESS => Place::Readiness,
        _ => {
            return match (exconn::resolve(path), identity::resolve(path)) {
                (Some(found), _) => found,
                (None, Some(found)) => Ok(found),
                (None, None) => graph::resolve(path),
            };
        }
    };
    Ok(Target { place: open, id: None, version: None })
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
