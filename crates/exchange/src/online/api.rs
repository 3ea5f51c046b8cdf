use std::{fmt, sync::Arc, time::Duration};

use exconn_model::{Clock, Entropy};
use http::{HeaderMap, HeaderName, HeaderValue, header, uri::PathAndQuery};
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    answer::{self, Refusal},
    backoff,
    client::{Client, Post},
    config::{Addresses, OnlineConfig},
    invocation::Invocation,
    pace::Gate,
    page::{MAX_PAGE, Page},
    token::{Token, Tokens},
};
use crate::{ExchangeError, rows::Mapper};

/// The permission without which no token opens anything, and the start of its newer form's name.
pub(super) const PERMISSION: &str = "Exchange.ManageAsApp";
/// A mailbox that every organisation has: requests of applications are routed by it.
const SYSTEM_MAILBOX: &str = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}";

/// Exchange Online's admin interface of one tenant.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) tokens: Tokens,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) read_only: bool,
    invoke: PathAndQuery,
    system_anchor: HeaderValue,
    gate: Gate,
    first_wait: Duration,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("origin", &self.client.origin).finish_non_exhaustive()
    }
}

/// Which page is asked for, and in which session.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The next link's path, or that of the interface.
    pub(super) path: PathAndQuery,
    /// The same for all pages of a listing: a place is known to the server that gave it.
    pub(super) connection: Uuid,
    pub(super) page_size: u32,
}

impl Api {
    pub(super) fn new(
        config: &OnlineConfig,
        addresses: Addresses,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Option<Self> {
        let Addresses { base, authority } = addresses;
        let client = |origin| {
            Client::new(origin, config.roots.clone(), config.connect_timeout, config.request_timeout)
        };
        let tokens = Tokens::new(
            client(authority),
            (config.tenant_id, config.client_id),
            format!("{base}/.default"),
            config.credential.clone(),
            clock.clone(),
            entropy.clone(),
        );
        let tenant = config.tenant_id;
        Some(Self {
            client: client(base),
            tokens,
            entropy,
            clock,
            invoke: format!("/{}/{tenant}/InvokeCommand", config.api_path).parse().ok()?,
            system_anchor: HeaderValue::from_str(&format!("APP:{SYSTEM_MAILBOX}@{tenant}")).ok()?,
            read_only: config.read_only,
            gate: Gate::new(config.statistics_concurrency, config.requests_per_second),
            first_wait: config.first_wait,
        })
    }

    /// The first page, in a session of its own.
    pub(super) fn first_place(&self, page_size: u32) -> Place {
        Place { path: self.invoke.clone(), connection: self.entropy.uuid(), page_size }
    }

    /// One page of a cmdlet's output. What is refused for the moment is asked for again a few times; a token that is not
    /// accepted is renewed once.
    pub(super) async fn page<M: Mapper>(
        &self,
        invocation: &Invocation,
        place: &Place,
    ) -> Result<Page<M::Row>, Refusal> {
        let _busy = if invocation.of_mailbox { self.gate.enter().await } else { None };
        let mut anchor = invocation.anchor.as_ref();
        let (mut renewed, mut repetition) = (false, 0);
        loop {
            if invocation.of_mailbox {
                self.gate.turn().await;
            }
            let refusal = match self.tokens.token().await {
                Err(error) => for_now(error),
                Ok(token) => match self.attempt::<M>(invocation, place, anchor, &token).await {
                    Ok(page) => {
                        if invocation.of_mailbox {
                            self.gate.succeeded();
                        }
                        return Ok(page);
                    }
                    Err(Refusal::Token) => {
                        self.tokens.forget(&token).await;
                        if renewed {
                            return Err(Refusal::ForGood(self.not_let_in(invocation.cmdlet, &token)));
                        }
                        renewed = true;
                        continue;
                    }
                    Err(refusal) => refusal,
                },
            };
            match refusal {
                // A mailbox may be named in a way that leads nowhere; the system's own never is.
                Refusal::Request { .. } | Refusal::ForNow { wait: None, too_many: false, .. }
                    if anchor.is_some() =>
                {
                    anchor = None;
                }
                Refusal::ForNow { wait, too_many, error } => {
                    if too_many {
                        self.gate.refused();
                    }
                    repetition += 1;
                    let pause = wait.unwrap_or_else(|| self.back_off(repetition));
                    if repetition > backoff::MAX_REPETITIONS || pause > backoff::MAX_WAIT {
                        return Err(Refusal::ForNow { wait, too_many, error });
                    }
                    tracing::debug!(cmdlet = invocation.cmdlet, ?pause, %error, "asked again after a pause");
                    sleep(pause).await;
                }
                other => return Err(other),
            }
        }
    }

    async fn attempt<M: Mapper>(
        &self,
        invocation: &Invocation,
        place: &Place,
        anchor: Option<&HeaderValue>,
        token: &Token,
    ) -> Result<Page<M::Row>, Refusal> {
        let post = Post {
            path: place.path.clone(),
            headers: self.headers(invocation, place, anchor, token),
            body: invocation.body.clone(),
            on_new_connection: !invocation.repeatable,
            most: MAX_PAGE,
        };
        match self.client.post(post).await {
            Ok(answer) => answer::page::<M>(&self.client, invocation.cmdlet, answer, self.clock.now()),
            Err(error) if invocation.repeatable => Err(for_now(error)),
            Err(error) => Err(Refusal::ForGood(error)),
        }
    }

    fn headers(
        &self,
        invocation: &Invocation,
        place: &Place,
        anchor: Option<&HeaderValue>,
        token: &Token,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: HeaderValue| {
            headers.insert(HeaderName::from_static(name), value);
        };
        set("content-type", HeaderValue::from_static("application/json;charset=utf-8"));
        set("x-cmdletname", HeaderValue::from_static(invocation.cmdlet));
        set("x-responseformat", HeaderValue::from_static("json"));
        set("x-serializationlevel", HeaderValue::from_static("Partial"));
        set("x-anchormailbox", anchor.unwrap_or(&self.system_anchor).clone());
        if anchor.is_some() {
            set("parameter-based-routing", HeaderValue::from_static("true"));
        }
        let texts = [
            ("prefer", format!("odata.maxpagesize={}", place.page_size)),
            ("connection-id", place.connection.to_string()),
            ("client-request-id", self.entropy.uuid().to_string()),
        ];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::from_str(&text) {
                set(name, value);
            }
        }
        headers.insert(header::AUTHORIZATION, token.authorization.clone());
        headers
    }

    /// A token that was granted just now and is not accepted: it lacks the permission, if it can be seen to.
    fn not_let_in(&self, cmdlet: &str, token: &Token) -> ExchangeError {
        match &token.roles {
            Some(roles) if !roles.iter().any(|role| role.starts_with(PERMISSION)) => {
                ExchangeError::NotPermitted {
                    cmdlet: cmdlet.into(),
                    reason: format!("the application has no permission {PERMISSION}"),
                }
            }
            _ => ExchangeError::CredentialsRefused { endpoint: self.client.origin.endpoint() },
        }
    }

    fn back_off(&self, repetition: u32) -> Duration {
        let mut random = [0; 4];
        self.entropy.fill(&mut random);
        backoff::wait(self.first_wait, repetition, u32::from_le_bytes(random))
    }
}

/// What the network does, and a sign-in service that is busy, may be over in a while.
fn for_now(error: ExchangeError) -> Refusal {
    match error {
        ExchangeError::Throttled { after } => Refusal::ForNow { wait: Some(after), too_many: false, error },
        ExchangeError::Unreachable { .. } => Refusal::ForNow { wait: None, too_many: false, error },
        error => Refusal::ForGood(error),
    }
}
