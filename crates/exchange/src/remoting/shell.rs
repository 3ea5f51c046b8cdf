use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use exconn_model::{Clock, Entropy, FailureKind};
use exconn_psrp::{Client, ClientConfig, ClientError, EXCHANGE, ErrorRecord, Limits, Outcome, Sink};
use tokio::{
    sync::RwLock,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    answer,
    cmdlets::Cmdlet,
    config::RemotingConfig,
    connection::{Answer, Connection},
    cookies::Cookies,
    failure::{self, Remedy, Setback},
    link::Link,
    patience::Waits,
};
use crate::ExchangeError;

/// Largest envelope that Exchange is asked for, in bytes. Its own default.
const MAX_ENVELOPE: u32 = 512_000;
/// Longest attempt to give a shell back.
const CLOSING: Duration = Duration::from_secs(60);
/// Attempts to give a shell back: a user over quota is refused that too.
const CLOSING_ATTEMPTS: u32 = 8;
/// Pause before the second attempt; it doubles each time.
const CLOSING_PAUSE: Duration = Duration::from_millis(250);

/// Bounds on what Exchange sends. A device object has about 40 elements and 3 kB.
pub(super) const LIMITS: Limits = Limits {
    message_bytes: 8 * 1024 * 1024,
    open_messages: 16,
    depth: 64,
    elements: 100_000,
    idle_polls: 10,
};

type InFlight = JoinHandle<Result<(Connection, Answer), Unanswered>>;

/// A request that brought no answer.
struct Unanswered {
    error: ExchangeError,
    /// Whether the server may have got it.
    sent: bool,
}

/// Closed while Exchange wants to be left alone: who was told so holds it, and every request passes it.
pub(super) type Gate = Arc<RwLock<()>>;

/// A shell at the server with one runspace, and the connection to it.
pub(super) struct Shell {
    /// The server's place among those of the organisation.
    pub(super) server: usize,
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    gate: Gate,
    read_only: bool,
    client: Client,
    cookies: Cookies,
    connection: Option<Connection>,
    /// The request that is under way. It runs by itself, so that nothing is lost when nobody waits for it any more.
    in_flight: Option<InFlight>,
    waits: Waits,
    /// Whether the server said that it created the shell.
    created: bool,
    /// Whether the server said that it does not know the shell, or the command in it, or whether it is not known if there
    /// ever was one.
    gone: bool,
    cmdlet: String,
}

impl Shell {
    pub(super) fn new(
        (server, link): (usize, Arc<Link>),
        config: &RemotingConfig,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
        gate: Gate,
    ) -> Self {
        let client_config = ClientConfig {
            endpoint: link.target.to_string(),
            resource_uri: EXCHANGE.to_owned(),
            operation_timeout: config.operation_timeout,
            max_envelope: MAX_ENVELOPE,
            limits: Limits { idle_polls: config.idle_polls, ..LIMITS },
        };
        Self {
            server,
            link,
            clock,
            gate,
            read_only: config.read_only,
            client: Client::new(client_config, Box::new(move || entropy.uuid())),
            cookies: Cookies::default(),
            connection: None,
            in_flight: None,
            waits: Waits::default(),
            created: false,
            gone: false,
            cmdlet: String::new(),
        }
    }

    /// Sets the cmdlet to run next. The only way for anything to get to the server.
    pub(super) fn invoke(&mut self, cmdlet: &Cmdlet) -> Result<(), Setback> {
        let command = cmdlet.admitted(self.read_only)?;
        self.cmdlet.clone_from(&command.name);
        self.client.invoke(command).map_err(|error| failure::of_client(&self.link, error))
    }

    /// Whether the server said that it opened the shell.
    pub(super) fn is_created(&self) -> bool {
        self.created
    }

    /// Whether it can take another cmdlet.
    pub(super) fn is_free(&self) -> bool {
        self.in_flight.is_none() && self.client.is_free()
    }

    /// Whether the server may have started the last cmdlet.
    pub(super) fn may_have_run(&self) -> bool {
        self.client.may_have_run()
    }

    /// Sends the next request, if there is one and none is under way.
    pub(super) fn send(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        if let Some(envelope) = self.client.next_request() {
            self.in_flight = Some(self.post(envelope.into()));
        }
    }

    fn post(&mut self, envelope: Bytes) -> InFlight {
        let (link, connection, cookies) = (self.link.clone(), self.connection.take(), self.cookies.header());
        let gate = self.gate.clone();
        tokio::spawn(async move {
            drop(gate.read().await);
            let sent = |error| {
                let kept_back = matches!(error, ExchangeError::CredentialsHeld { .. });
                Unanswered { error, sent: !kept_back }
            };
            let connection = match connection {
                Some(connection) => connection.still_open().await,
                None => None,
            };
            if let Some(connection) = connection {
                let (connection, answer) =
                    connection.post(&link, envelope.clone(), cookies.clone()).await.map_err(sent)?;
                if !connection.is_forgotten(&answer) {
                    return Ok((connection, answer));
                }
                tracing::debug!(endpoint = %link.target.endpoint(), "the server asks to sign in again");
            }
            let connection = link.open().await.map_err(|error| Unanswered { error, sent: false })?;
            let (connection, answer) = connection.post(&link, envelope, cookies).await.map_err(sent)?;
            if connection.is_forgotten(&answer) {
                let endpoint = link.target.endpoint();
                let reason = "it forgets at once who signed in on a connection".into();
                let error = ExchangeError::TicketRefused { endpoint, reason };
                return Err(Unanswered { error, sent: false });
            }
            Ok((connection, answer))
        })
    }

    /// Takes the answer to the request that is under way; sends one first if none is. Waits as long as Exchange asks, if
    /// that is short, and asks again. Dropping the future loses nothing.
    pub(super) async fn step(&mut self, sink: &mut (dyn Sink + Send)) -> Result<(), Setback> {
        loop {
            let taken = self.attempt(sink).await;
            let Err(Setback { error, remedy: Remedy::AskAgain(wait) }) = taken else {
                if taken.is_ok() {
                    self.waits = Waits::default();
                }
                return taken;
            };
            if !self.waits.admit(wait) {
                return Err(Setback { error, remedy: Remedy::None });
            }
            tracing::debug!(?wait, "Exchange asks to wait");
            let _closed = self.gate.clone().write_owned().await;
            sleep(wait).await;
        }
    }

    async fn attempt(&mut self, sink: &mut (dyn Sink + Send)) -> Result<(), Setback> {
        self.send();
        let Some(in_flight) = &mut self.in_flight else {
            let reason = "there is nothing to ask for".into();
            return Err(ExchangeError::ProtocolViolated { reason }.into());
        };
        let result = in_flight.await;
        self.in_flight = None;
        match result.map_err(|error| self.link.unreachable(&error))? {
            Ok((connection, answer)) => self.take(connection, answer, sink),
            Err(Unanswered { error, sent }) => {
                if sent && !self.created {
                    // The server may have opened the shell all the same.
                    self.client.assume_shell();
                    self.gone = true;
                }
                Err(if sent { error.into() } else { Setback::of_opening(error) })
            }
        }
    }

    fn take(&mut self, connection: Connection, answer: Answer, sink: &mut dyn Sink) -> Result<(), Setback> {
        self.connection = Some(connection);
        self.cookies.take(&answer.headers);
        let status = answer.status;
        let envelope = answer::envelope(&self.link, self.clock.as_ref(), answer)
            .map_err(|error| Setback::of_status(status, error))?;
        let handled = self.client.handle(status.as_u16(), &envelope, sink);
        self.created |= self.client.has_shell();
        if let Err(ClientError::Fault(fault)) = &handled {
            self.gone = fault.is_shell_gone();
        }
        handled.map_err(|error| failure::of_client(&self.link, error))
    }

    /// Whether the cmdlet has ended, well or not.
    pub(super) fn has_ended(&self) -> bool {
        self.client.outcome().is_some()
    }

    /// The error that ended the cmdlet.
    pub(super) fn failure(&self) -> Option<&ErrorRecord> {
        match self.client.outcome() {
            Some(Outcome::Failed(record)) => Some(record),
            _ => None,
        }
    }

    /// How the cmdlet ended, once it has.
    pub(super) fn outcome(&self) -> Option<Result<(), ExchangeError>> {
        Some(match self.client.outcome()? {
            Outcome::Completed => Ok(()),
            Outcome::Stopped => {
                Err(ExchangeError::EndedEarly { reason: format!("{} was stopped", self.cmdlet) })
            }
            Outcome::Failed(record) => Err(failure::of_record(&self.cmdlet, record)),
        })
    }

    /// Deletes the shell at the server, which ends whatever runs in it. A user has few of them (18 by default), and the
    /// server keeps those that are left for a quarter of an hour.
    pub(super) async fn close(mut self) {
        match timeout(CLOSING, self.delete()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a shell could not be given back to Exchange"),
            Err(_) => tracing::warn!("a shell could not be given back to Exchange in time"),
        }
    }

    async fn delete(&mut self) -> Result<(), ExchangeError> {
        if let Some(in_flight) = self.in_flight.take() {
            if self.created {
                // The server may hold back this answer for long; another connection tells it to end.
                in_flight.abort();
            } else {
                match in_flight.await {
                    // This answer names the shell.
                    Ok(Ok((connection, answer))) => {
                        self.take(connection, answer, &mut Ignore).map_err(|setback| setback.error)?;
                    }
                    Ok(Err(Unanswered { sent: true, .. })) => {
                        self.client.assume_shell();
                        self.gone = true;
                    }
                    _ => {}
                }
            }
        }
        self.client.close();
        let Some(request) = self.client.next_request() else { return Ok(()) };
        let request = Bytes::from(request);
        let (mut attempts, mut pause) = (if self.gone { 1 } else { CLOSING_ATTEMPTS }, CLOSING_PAUSE);
        loop {
            attempts -= 1;
            let error = match self.deleted(request.clone()).await {
                Ok(()) => return Ok(()),
                // Each further try would count towards locking the account out.
                Err(error) if attempts == 0 || is_about_the_account(&error) => {
                    return if self.gone { Ok(()) } else { Err(error) };
                }
                Err(error) => error,
            };
            let asked = if let ExchangeError::Throttled { after } = error { after } else { Duration::ZERO };
            sleep(pause.max(asked)).await;
            pause *= 2;
        }
    }

    async fn deleted(&mut self, request: Bytes) -> Result<(), ExchangeError> {
        let posted = self.post(request).await.map_err(|error| self.link.unreachable(&error))?;
        let (connection, answer) = posted.map_err(|unanswered| unanswered.error)?;
        self.connection = Some(connection);
        let status = answer.status;
        answer::envelope(&self.link, self.clock.as_ref(), answer)?;
        if status.is_success() {
            return Ok(());
        }
        Err(ExchangeError::EndedEarly { reason: format!("Exchange answers {status}") })
    }
}

/// A sink for answers that nobody wants any more.
struct Ignore;

impl Sink for Ignore {
    fn output(&mut self, _: &[u8]) -> Result<(), exconn_psrp::clixml::Error> {
        Ok(())
    }

    fn error_record(&mut self, _: exconn_psrp::ErrorRecord) {}

    fn warning(&mut self, _: String) {}
}

/// Whether the account was refused, for whatever reason.
fn is_about_the_account(error: &ExchangeError) -> bool {
    use FailureKind::{AccountLocked, CredentialsRefused, PasswordExpired};
    matches!(error.kind(), AccountLocked | CredentialsRefused | PasswordExpired)
}
