//! The client's half: one shell, one runspace pool, one pipeline at a time.

use std::{collections::VecDeque, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

use crate::{
    Command, ErrorRecord, Fault, Limits,
    clixml::{self, Value},
    command::create_pipeline,
    envelope::{self, Action, Envelope, EnvelopeError, RequestHead},
    fragment::{Defragmenter, FragmentError, Fragmenter},
    message::{Destination, Message, MessageType},
    record,
};

/// Where Exchange's runspaces are (remote PowerShell's `ConfigurationName` is its last part).
pub const EXCHANGE: &str = "http://schemas.microsoft.com/powershell/Microsoft.Exchange";
const STOP: &str = "powershell/signal/crtl_c";
const TERMINATE: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate";

/// How to talk to a server.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The address that is posted to; stands in every envelope.
    pub endpoint: String,
    /// The configuration to open, for instance [`EXCHANGE`].
    pub resource_uri: String,
    /// How long the server may hold a poll that brings nothing.
    pub operation_timeout: Duration,
    /// The largest envelope that the server may answer with, in bytes.
    pub max_envelope: u32,
    /// Bounds on what the server sends.
    pub limits: Limits,
}

/// Why the exchange with the server cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The answer is not an envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Fragments do not fit together.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// An object is malformed, or the sink refused it.
    #[error(transparent)]
    Clixml(#[from] clixml::Error),
    /// A message breaks the protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// The server answered with a fault.
    #[error("the server answered: {}", .0.reason)]
    Fault(Fault),
    /// The answer is neither an envelope nor a fault.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// The server closed or broke the runspace.
    #[error("the runspace is {0}")]
    RunspaceEnded(&'static str),
    /// The command ended without saying how.
    #[error("the command ended without a final state")]
    EndedEarly,
    /// Too many polls in a row brought nothing.
    #[error("{0} polls in a row brought nothing")]
    Idle(u32),
    /// The command asked a question that nobody is there to answer.
    #[error("the command asked a question, which nobody can answer")]
    Prompted,
    /// A command was to be run while another one runs, or after the end.
    #[error("the runspace is busy or closed")]
    Busy,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to its end. Errors that did not end it went to the sink.
    Completed,
    /// It was stopped.
    Stopped,
    /// An error ended it.
    Failed(ErrorRecord),
}

/// Receives what a command sends.
pub trait Sink {
    /// An object, as CLIXML.
    ///
    /// # Errors
    /// Whatever is wrong with the object; it ends the exchange.
    fn output(&mut self, clixml: &[u8]) -> Result<(), clixml::Error>;

    /// An error that did not end the command.
    fn error_record(&mut self, record: ErrorRecord);

    /// A warning.
    fn warning(&mut self, text: String);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Opening,
    Open,
    Running,
    Closing,
    Closed,
}

/// What the last request was, and so what its answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Nothing,
    Request(Action),
}

/// The client of one shell. It does no I/O: post what [`Client::next_request`] gives, and give [`Client::handle`] the
/// answer. Not asking for the next request is how a slow reader slows the server down.
pub struct Client {
    config: ClientConfig,
    uuid: Box<dyn FnMut() -> Uuid + Send>,
    session: Uuid,
    pool: Uuid,
    state: State,
    sent: Sent,
    shell: Option<String>,
    fragmenter: Fragmenter,
    incoming: Defragmenter,
    pipeline: Option<Pipeline>,
    idle_polls: u32,
}

struct Pipeline {
    id: Uuid,
    command_id: Option<String>,
    command: Option<Command>,
    /// Fragments not yet sent.
    unsent: VecDeque<Vec<u8>>,
    outcome: Option<Outcome>,
    stop: bool,
    done: bool,
    terminated: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("state", &self.state)
            .field("shell", &self.shell)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client whose shell is not open yet. `uuid` gives ids for the shell, its commands and its messages.
    pub fn new(config: ClientConfig, mut uuid: Box<dyn FnMut() -> Uuid + Send>) -> Self {
        let (session, pool) = (uuid(), uuid());
        Self {
            config,
            uuid,
            session,
            pool,
            state: State::New,
            sent: Sent::Nothing,
            shell: None,
            fragmenter: Fragmenter::default(),
            incoming: Defragmenter::default(),
            pipeline: None,
            idle_polls: 0,
        }
    }

    /// Runs a command next; opens the runspace first if it is not open.
    pub fn invoke(&mut self, command: &Command) -> Result<(), ClientError> {
        if !matches!(self.state, State::New | State::Open) || self.sent != Sent::Nothing {
            return Err(ClientError::Busy);
        }
        self.pipeline = Some(Pipeline {
            id: (self.uuid)(),
            command_id: None,
            command: Some(command.clone()),
            unsent: VecDeque::new(),
            outcome: None,
            stop: false,
            done: false,
            terminated: false,
        });
        if self.state == State::Open {
            self.state = State::Running;
        }
        Ok(())
    }

    /// How the last command ended; `None` while it has not.
    pub fn outcome(&self) -> Option<&Outcome> {
        let pipeline = self.pipeline.as_ref().filter(|pipeline| pipeline.done)?;
        pipeline.outcome.as_ref()
    }

    /// Stops the running command: its end comes with the following answers.
    pub fn stop(&mut self) {
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.stop = true;
        }
    }

    /// Closes the shell next, whatever happened before.
    pub fn close(&mut self) {
        self.sent = Sent::Nothing;
        self.state = if self.shell.is_some() { State::Closing } else { State::Closed };
    }

    /// The next envelope to post; `None` if there is nothing to ask for.
    pub fn next_request(&mut self) -> Option<Vec<u8>> {
        if self.sent != Sent::Nothing {
            return None;
        }
        let (action, body) = match self.state {
            State::New => {
                self.pipeline.as_ref()?;
                self.state = State::Opening;
                (Action::Create, self.create_body())
            }
            State::Opening => (Action::Receive, receive_body(None)),
            State::Running => self.pipeline_request()?,
            State::Closing => (Action::Delete, String::new()),
            State::Open | State::Closed => return None,
        };
        self.sent = Sent::Request(action);
        let options = match action {
            Action::Create => {
                "<w:OptionSet s:mustUnderstand=\"true\"><w:Option Name=\"protocolversion\" MustComply=\"true\">2.3\
                 </w:Option></w:OptionSet>"
            }
            Action::Receive => {
                "<w:OptionSet><w:Option Name=\"WSMAN_CMDSHELL_OPTION_KEEPALIVE\">TRUE</w:Option></w:OptionSet>"
            }
            _ => "",
        };
        let head = RequestHead {
            action,
            to: &self.config.endpoint,
            resource_uri: &self.config.resource_uri,
            message_id: (self.uuid)(),
            session_id: self.session,
            max_envelope: self.config.max_envelope,
            operation_timeout: self.config.operation_timeout,
            shell_id: self.shell.as_deref(),
        };
        Some(envelope::request(head, options, &body))
    }

    fn create_body(&mut self) -> String {
        let capability = self.message(MessageType::SessionCapability, Uuid::nil(), &record::capability());
        let init = self.message(MessageType::InitRunspacePool, Uuid::nil(), &record::init_pool());
        let payload = self.fragment_payload();
        let mut fragments = Vec::new();
        for message in [capability, init] {
            fragments.extend(self.fragmenter.fragments(&message, payload).concat());
        }
        format!(
            "<rsp:Shell ShellId=\"{}\"><rsp:InputStreams>stdin pr</rsp:InputStreams>\
             <rsp:OutputStreams>stdout</rsp:OutputStreams>\
             <creationXml xmlns=\"http://schemas.microsoft.com/powershell\">{}</creationXml></rsp:Shell>",
            self.pool.to_string().to_uppercase(),
            STANDARD.encode(fragments)
        )
    }

    fn message(&self, kind: MessageType, pipeline: Uuid, content: &str) -> Vec<u8> {
        Message {
            destination: Destination::Server,
            number: kind as u32,
            pool: self.pool,
            pipeline,
            content: content.as_bytes(),
        }
        .to_bytes()
    }

    /// Bytes of a message that fit into an envelope beside everything else, Base64 included.
    fn fragment_payload(&self) -> usize {
        (self.config.max_envelope as usize).saturating_sub(4096) / 4 * 3 / 2
    }

    fn pipeline_request(&mut self) -> Option<(Action, String)> {
        let payload = self.fragment_payload();
        let pool = self.pool;
        let pipeline = self.pipeline.as_mut()?;
        let command_id = pipeline.id.to_string().to_uppercase();
        if let Some(command) = pipeline.command.take() {
            let message = Message {
                destination: Destination::Server,
                number: MessageType::CreatePipeline as u32,
                pool,
                pipeline: pipeline.id,
                content: create_pipeline(&command).as_bytes(),
            }
            .to_bytes();
            pipeline.unsent = self.fragmenter.fragments(&message, payload).into();
            let first = pipeline.unsent.pop_front().unwrap_or_default();
            let body = format!(
                "<rsp:CommandLine CommandId=\"{command_id}\"><rsp:Command>{}</rsp:Command>\
                 <rsp:Arguments>{}</rsp:Arguments></rsp:CommandLine>",
                clixml::escape(&command.name),
                STANDARD.encode(first)
            );
            return Some((Action::Command, body));
        }
        let command_id = pipeline.command_id.as_deref().unwrap_or(&command_id);
        if pipeline.stop && !pipeline.done {
            pipeline.stop = false;
            return Some((Action::Signal, signal_body(command_id, STOP)));
        }
        if let Some(fragment) = pipeline.unsent.pop_front() {
            let body = format!(
                "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{command_id}\">{}</rsp:Stream></rsp:Send>",
                STANDARD.encode(fragment)
            );
            return Some((Action::Send, body));
        }
        if pipeline.done {
            pipeline.terminated = true;
            return Some((Action::Signal, signal_body(command_id, TERMINATE)));
        }
        Some((Action::Receive, receive_body(Some(command_id))))
    }

    /// Takes the answer to the last request.
    ///
    /// # Errors
    /// After an error only [`Client::close`] makes sense.
    pub fn handle(&mut self, status: u16, body: &[u8], sink: &mut dyn Sink) -> Result<(), ClientError> {
        let Sent::Request(action) = std::mem::replace(&mut self.sent, Sent::Nothing) else {
            return Err(ClientError::Protocol("an answer came without a request"));
        };
        let answer = match Envelope::parse(body) {
            Ok(answer) => answer,
            Err(_) if status != 200 => return Err(ClientError::Status(status)),
            Err(error) => return Err(error.into()),
        };
        if let Some(fault) = answer.fault {
            return self.fault(action, fault);
        }
        if status != 200 {
            return Err(ClientError::Status(status));
        }
        match action {
            Action::Create => self.created(answer),
            Action::Command => {
                self.idle_polls = 0;
                if let Some(pipeline) = &mut self.pipeline {
                    pipeline.command_id = answer.command_id;
                }
                Ok(())
            }
            Action::Receive => self.received(answer, sink),
            Action::Send => Ok(()),
            Action::Signal => {
                self.forget_ended();
                Ok(())
            }
            Action::Delete => {
                (self.state, self.shell) = (State::Closed, None);
                Ok(())
            }
        }
    }

    fn fault(&mut self, action: Action, fault: Fault) -> Result<(), ClientError> {
        match action {
            Action::Receive if fault.is_timeout() => {
                self.idle_polls += 1;
                if self.idle_polls >= self.config.limits.idle_polls {
                    return Err(ClientError::Idle(self.idle_polls));
                }
                Ok(())
            }
            // A shell that is gone is closed, and a command that is gone has ended.
            Action::Delete => {
                (self.state, self.shell) = (State::Closed, None);
                Ok(())
            }
            Action::Signal if self.pipeline.as_ref().is_some_and(|pipeline| pipeline.terminated) => {
                self.forget_ended();
                Ok(())
            }
            Action::Create => {
                self.state = State::Closed;
                Err(ClientError::Fault(fault))
            }
            _ => Err(ClientError::Fault(fault)),
        }
    }

    /// A command that the server was told to forget leaves the runspace free.
    fn forget_ended(&mut self) {
        if self.state == State::Running && self.pipeline.as_ref().is_some_and(|pipeline| pipeline.terminated)
        {
            self.state = State::Open;
        }
    }

    fn created(&mut self, answer: Envelope) -> Result<(), ClientError> {
        self.shell = Some(answer.shell_id.ok_or(ClientError::Protocol("the new shell has no id"))?);
        Ok(())
    }

    fn received(&mut self, answer: Envelope, sink: &mut dyn Sink) -> Result<(), ClientError> {
        if answer.streams.is_empty() && answer.command_state.as_deref() != Some("Done") {
            self.idle_polls += 1;
            if self.idle_polls >= self.config.limits.idle_polls {
                return Err(ClientError::Idle(self.idle_polls));
            }
        } else {
            self.idle_polls = 0;
        }
        let limits = self.config.limits;
        let mut incoming = std::mem::take(&mut self.incoming);
        for stream in &answer.streams {
            let mut result = Ok(());
            incoming.receive(stream, &limits, |message| {
                if result.is_ok() {
                    result = self.message_received(message, sink);
                }
            })?;
            result?;
        }
        self.incoming = incoming;
        if answer.command_state.as_deref() == Some("Done")
            && let Some(pipeline) = &mut self.pipeline
        {
            if pipeline.outcome.is_none() {
                return Err(ClientError::EndedEarly);
            }
            pipeline.done = true;
        }
        Ok(())
    }

    fn message_received(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ClientError> {
        let message = Message::parse(bytes).map_err(|_| ClientError::Protocol("a message is too short"))?;
        if message.destination != Destination::Client {
            return Err(ClientError::Protocol("a message is addressed to the server"));
        }
        let limits = self.config.limits;
        let content = message.content;
        match message.kind() {
            Some(MessageType::RunspacePoolState) => self.pool_state(content),
            Some(MessageType::PipelineState) => self.pipeline_state(content),
            Some(MessageType::PipelineOutput) => {
                if self.pipeline.as_ref().is_none_or(|pipeline| pipeline.outcome.is_some()) {
                    return Err(ClientError::Protocol("output came after the command's end"));
                }
                Ok(sink.output(content)?)
            }
            Some(MessageType::ErrorRecord) => {
                sink.error_record(ErrorRecord::decode(content, &limits)?);
                Ok(())
            }
            Some(MessageType::WarningRecord) => {
                sink.warning(record::informational(content, &limits)?);
                Ok(())
            }
            Some(MessageType::PipelineHostCall | MessageType::RunspacePoolHostCall) => {
                host_call(content, &limits)
            }
            // Everything else informs and needs no answer.
            _ => Ok(()),
        }
    }

    fn pool_state(&mut self, content: &[u8]) -> Result<(), ClientError> {
        let value = clixml::decode(content, &self.config.limits)?;
        // MS-PSRP 2.2.3.4
        match value.property("RunspaceState").and_then(Value::number) {
            Some(2) => {
                if self.state == State::Opening {
                    self.state = State::Running;
                }
                Ok(())
            }
            Some(3 | 4) => Err(ClientError::RunspaceEnded("closed")),
            Some(5) => Err(ClientError::RunspaceEnded("broken")),
            _ => Ok(()),
        }
    }

    fn pipeline_state(&mut self, content: &[u8]) -> Result<(), ClientError> {
        let value = clixml::decode(content, &self.config.limits)?;
        let pipeline = self.pipeline.as_mut().ok_or(ClientError::Protocol("a state of no command"))?;
        // MS-PSRP 2.2.3.5
        let outcome = match value.property("PipelineState").and_then(Value::number) {
            Some(3) => Outcome::Stopped,
            Some(4) => Outcome::Completed,
            Some(5 | 6) => {
                let record = value.property("ExceptionAsErrorRecord").map(ErrorRecord::from_value);
                Outcome::Failed(record.unwrap_or_default())
            }
            _ => return Ok(()),
        };
        if pipeline.outcome.is_some() {
            return Err(ClientError::Protocol("a command ended twice"));
        }
        pipeline.outcome = Some(outcome);
        Ok(())
    }
}

/// A call to a host that is not there. Methods that only show something need no answer (MS-PSRP 2.2.3.17).
fn host_call(content: &[u8], limits: &Limits) -> Result<(), ClientError> {
    let value = clixml::decode(content, limits)?;
    // Reading lines, keys and credentials, prompting, and choosing: 11 to 14, 23 to 27, 46 and above.
    match value
        .property("mi")
        .and_then(|method| method.text().map(str::to_owned))
        .and_then(|n| n.parse::<i64>().ok())
    {
        Some(11 | 12 | 22..=27 | 46 | 51..=56) => Err(ClientError::Prompted),
        _ => Ok(()),
    }
}

fn receive_body(command_id: Option<&str>) -> String {
    let attribute = command_id.map(|id| format!(" CommandId=\"{id}\"")).unwrap_or_default();
    format!("<rsp:Receive><rsp:DesiredStream{attribute}>stdout</rsp:DesiredStream></rsp:Receive>")
}

fn signal_body(command_id: &str, code: &str) -> String {
    format!("<rsp:Signal CommandId=\"{command_id}\"><rsp:Code>{code}</rsp:Code></rsp:Signal>")
}
