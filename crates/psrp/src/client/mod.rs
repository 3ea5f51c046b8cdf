//! The client's half: one shell, one runspace pool, one pipeline at a time.

mod answers;
mod error;
mod sink;

use std::{collections::VecDeque, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

pub use self::{
    error::ClientError,
    sink::{Outcome, Progress, Sink},
};
use crate::{
    Command, Limits, clixml,
    command::create_pipeline,
    envelope::{self, Action, RequestHead},
    fragment::{Defragmenter, Fragmenter},
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Opening,
    Open,
    Running,
    Closing,
    Closed,
}

/// A request without its head.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    action: Action,
    body: String,
}

/// The client of one shell. It does no I/O: post what [`Client::next_request`] gives, and give [`Client::handle`] the
/// answer. Not asking for the next request is how a slow reader slows the server down.
pub struct Client {
    config: ClientConfig,
    uuid: Box<dyn FnMut() -> Uuid + Send>,
    session: Uuid,
    pool: Uuid,
    state: State,
    /// The request that is under way: what its answer means.
    sent: Option<Asked>,
    /// A request that the server refused for now without acting on it.
    refused: Option<Asked>,
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
    /// Whether the server may have started the command.
    may_run: bool,
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
            sent: None,
            refused: None,
            shell: None,
            fragmenter: Fragmenter::default(),
            incoming: Defragmenter::default(),
            pipeline: None,
            idle_polls: 0,
        }
    }

    /// Runs a command next; opens the runspace first if it is not open.
    pub fn invoke(&mut self, command: &Command) -> Result<(), ClientError> {
        if self.state != State::New && !self.is_free() {
            return Err(ClientError::Busy);
        }
        self.pipeline = Some(Pipeline {
            id: (self.uuid)(),
            command_id: None,
            command: Some(command.clone()),
            may_run: false,
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

    /// Whether the runspace is open and runs nothing, so that it can take another command.
    pub fn is_free(&self) -> bool {
        self.state == State::Open && self.sent.is_none()
    }

    /// Whether the server opened the shell, and did not close it.
    pub fn has_shell(&self) -> bool {
        self.shell.is_some()
    }

    /// The answer to the request that opens the shell was lost: the shell may be there under the id that was asked for, and
    /// [`close`](Self::close) closes it.
    pub fn assume_shell(&mut self) {
        if self.shell.is_none() && self.state != State::New {
            self.shell = Some(self.pool.to_string().to_uppercase());
        }
    }

    /// Whether the server may have started the last command: it was sent, and not refused.
    pub fn may_have_run(&self) -> bool {
        self.pipeline.as_ref().is_some_and(|pipeline| pipeline.may_run)
    }

    /// Stops the running command: its end comes with the following answers.
    pub fn stop(&mut self) {
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.stop = true;
        }
    }

    /// Closes the shell next, whatever happened before.
    pub fn close(&mut self) {
        (self.sent, self.refused) = (None, None);
        self.state = if self.shell.is_some() { State::Closing } else { State::Closed };
    }

    /// The next envelope to post; `None` if there is nothing to ask for. What the server refused for now is asked again.
    pub fn next_request(&mut self) -> Option<Vec<u8>> {
        if self.sent.is_some() {
            return None;
        }
        let asked = match self.refused.take() {
            Some(refused) => refused,
            None => {
                let (action, body) = self.next_step()?;
                Asked { action, body }
            }
        };
        if let Some(pipeline) = self.pipeline.as_mut().filter(|_| asked.action == Action::Command) {
            pipeline.may_run = true;
        }
        let envelope = self.envelope(&asked);
        self.sent = Some(asked);
        Some(envelope)
    }

    fn next_step(&mut self) -> Option<(Action, String)> {
        match self.state {
            State::New => {
                self.pipeline.as_ref()?;
                self.state = State::Opening;
                Some((Action::Create, self.create_body()))
            }
            State::Opening => Some((Action::Receive, receive_body(None))),
            State::Running => self.pipeline_request(),
            State::Closing => Some((Action::Delete, String::new())),
            State::Open | State::Closed => None,
        }
    }

    fn envelope(&mut self, asked: &Asked) -> Vec<u8> {
        let action = asked.action;
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
        envelope::request(head, options, &asked.body)
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
        // Even a command that shall stop is sent whole: the server ends none that it knows half of.
        if let Some(fragment) = pipeline.unsent.pop_front() {
            let body = format!(
                "<rsp:Send><rsp:Stream Name=\"stdin\" CommandId=\"{command_id}\">{}</rsp:Stream></rsp:Send>",
                STANDARD.encode(fragment)
            );
            return Some((Action::Send, body));
        }
        if pipeline.stop && !pipeline.done {
            pipeline.stop = false;
            return Some((Action::Signal, signal_body(command_id, STOP)));
        }
        if pipeline.done {
            pipeline.terminated = true;
            return Some((Action::Signal, signal_body(command_id, TERMINATE)));
        }
        Some((Action::Receive, receive_body(Some(command_id))))
    }
}

fn receive_body(command_id: Option<&str>) -> String {
    let attribute = command_id.map(|id| format!(" CommandId=\"{id}\"")).unwrap_or_default();
    format!("<rsp:Receive><rsp:DesiredStream{attribute}>stdout</rsp:DesiredStream></rsp:Receive>")
}

fn signal_body(command_id: &str, code: &str) -> String {
    format!("<rsp:Signal CommandId=\"{command_id}\"><rsp:Code>{code}</rsp:Code></rsp:Signal>")
}
