use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use exconn_model::{Clock, Entropy};
use exconn_psrp::{Client, ClientConfig, ClientError, Command, EXCHANGE, Limits, Outcome, Sink};
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    answer,
    config::RemotingConfig,
    connection::{Answer, Connection},
    cookies::Cookies,
    failure,
    link::Link,
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

type InFlight = JoinHandle<Result<(Connection, Answer), ExchangeError>>;

/// A shell at the server with one runspace, and the connection to it.
pub(super) struct Shell {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    client: Client,
    cookies: Cookies,
    connection: Option<Connection>,
    /// The request that is under way. It runs by itself, so that nothing is lost when nobody waits for it any more.
    in_flight: Option<InFlight>,
    /// Whether the request that creates the shell was answered.
    created: bool,
    /// Whether the server said that it does not know the shell, or the command in it.
    gone: bool,
    cmdlet: String,
}

impl Shell {
    pub(super) fn new(
        link: Arc<Link>,
        config: &RemotingConfig,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let client_config = ClientConfig {
            endpoint: link.target.to_string(),
            resource_uri: EXCHANGE.to_owned(),
            operation_timeout: config.operation_timeout,
            max_envelope: MAX_ENVELOPE,
            limits: Limits { idle_polls: config.idle_polls, ..LIMITS },
        };
        Self {
            link,
            clock,
            client: Client::new(client_config, Box::new(move || entropy.uuid())),
            cookies: Cookies::default(),
            connection: None,
            in_flight: None,
            created: false,
            gone: false,
            cmdlet: String::new(),
        }
    }

    /// Sets the command to run next.
    pub(super) fn invoke(&mut self, command: &Command) -> Result<(), ExchangeError> {
        self.cmdlet.clone_from(&command.name);
        self.client.invoke(command).map_err(|error| failure::of_client(&self.link, error))
    }

    /// The cmdlet that runs.
    pub(super) fn cmdlet(&self) -> &str {
        &self.cmdlet
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
        tokio::spawn(async move {
            let connection = match connection {
                Some(connection) => connection.still_open().await,
                None => None,
            };
            let connection = match connection {
                Some(connection) => connection,
                None => link.open().await?,
            };
            connection.post(&link, envelope, cookies).await
        })
    }

    /// Takes the answer to the request that is under way; sends one first if none is. Dropping the future loses nothing.
    pub(super) async fn step(&mut self, sink: &mut (dyn Sink + Send)) -> Result<(), ExchangeError> {
        self.send();
        let Some(in_flight) = &mut self.in_flight else {
            return Err(ExchangeError::ProtocolViolated { reason: "there is nothing to ask for".into() });
        };
        let result = in_flight.await;
        self.in_flight = None;
        let (connection, answer) = result.map_err(|error| self.link.unreachable(&error))??;
        self.take(connection, answer, sink)
    }

    fn take(
        &mut self,
        connection: Connection,
        answer: Answer,
        sink: &mut dyn Sink,
    ) -> Result<(), ExchangeError> {
        self.connection = Some(connection);
        self.cookies.take(&answer.headers);
        let status = answer.status.as_u16();
        let envelope = answer::envelope(&self.link, self.clock.as_ref(), answer)?;
        let handled = self.client.handle(status, &envelope, sink);
        self.created = true;
        if let Err(ClientError::Fault(fault)) = &handled {
            self.gone = fault.is_shell_gone();
        }
        handled.map_err(|error| failure::of_client(&self.link, error))
    }

    /// Whether the command ended; an error if it did not end well.
    pub(super) fn has_ended(&self) -> Result<bool, ExchangeError> {
        match self.client.outcome() {
            None => Ok(false),
            Some(Outcome::Completed) => Ok(true),
            Some(Outcome::Stopped) => {
                Err(ExchangeError::EndedEarly { reason: format!("{} was stopped", self.cmdlet) })
            }
            Some(Outcome::Failed(record)) => Err(failure::of_record(&self.cmdlet, record)),
        }
    }

    /// Deletes the shell at the server, which ends whatever runs in it. A user has few of them (18 by default), and the
    /// server keeps those that are left for a quarter of an hour.
    async fn close(mut self) {
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
            } else if let Ok(Ok((connection, answer))) = in_flight.await {
                // Only this answer names the shell.
                self.take(connection, answer, &mut Ignore)?;
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
                Err(error) if attempts == 0 => return if self.gone { Ok(()) } else { Err(error) },
                Err(error) => error,
            };
            let asked = if let ExchangeError::Throttled { after } = error { after } else { Duration::ZERO };
            sleep(pause.max(asked)).await;
            pause *= 2;
        }
    }

    async fn deleted(&mut self, request: Bytes) -> Result<(), ExchangeError> {
        let posted = self.post(request).await.map_err(|error| self.link.unreachable(&error))?;
        let (connection, answer) = posted?;
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

/// Gives the shell back when it is dropped, whatever happened before.
pub(super) struct Session {
    shell: Option<Box<Shell>>,
    runtime: Handle,
}

impl Session {
    pub(super) fn new(shell: Shell) -> Self {
        Self { shell: Some(Box::new(shell)), runtime: Handle::current() }
    }

    /// The shell, until the session ended.
    pub(super) fn shell(&mut self) -> Result<&mut Shell, ExchangeError> {
        let over = || ExchangeError::EndedEarly { reason: "the listing is over".into() };
        self.shell.as_deref_mut().ok_or_else(over)
    }

    /// Gives the shell back and waits for at most `bound` for that; it goes on in the background.
    pub(super) async fn end(&mut self, bound: Duration) {
        if let Some(closing) = self.give_back() {
            // Nobody can act on a shell that could not be given back in time; the log tells.
            let _ = timeout(bound, closing).await;
        }
    }

    fn give_back(&mut self) -> Option<JoinHandle<()>> {
        self.shell.take().map(|shell| self.runtime.spawn(shell.close()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.give_back();
    }
}
