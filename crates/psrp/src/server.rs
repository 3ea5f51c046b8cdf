//! The server's half: one shell with one runspace pool, which runs the commands that its user names.

use std::{collections::VecDeque, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

use crate::{
    Command, ErrorRecord, Fault, Limits, clixml,
    command::commands,
    envelope::{self, Action, Envelope, EnvelopeError},
    fragment::{Defragmenter, FragmentError, Fragmenter},
    message::{Destination, Message, MessageType, TooShort},
    record,
};

/// What an envelope takes beside its streams, in bytes.
const ENVELOPE_OVERHEAD: usize = 2048;

/// A request, read from its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub action: Action,
    /// Its id, to which the answer relates.
    pub message_id: String,
    /// The configuration that it names.
    pub resource_uri: String,
    /// The shell that it names.
    pub shell_id: Option<String>,
    /// The command that it names, or gives to a new one.
    pub command_id: Option<Uuid>,
    /// The largest answer that the client takes, in bytes.
    pub max_envelope: usize,
    /// How long a poll may be held.
    pub operation_timeout: Duration,
    /// Whether a signal asks to stop a running command, and not only to forget an ended one.
    pub stops: bool,
    streams: Vec<Vec<u8>>,
}

impl Request {
    /// Reads an envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let envelope = Envelope::parse(bytes)?;
        let action = Action::from_uri(&envelope.action)
            .ok_or_else(|| EnvelopeError::Malformed("an action that shells do not know".into()))?;
        let signal = envelope.signal.unwrap_or_default();
        Ok(Self {
            action,
            message_id: envelope.message_id,
            resource_uri: envelope.resource_uri,
            shell_id: envelope.shell_id.map(|id| id.to_uppercase()),
            command_id: envelope.command_id.and_then(|id| Uuid::try_parse(&id).ok()),
            // The default of MS-WSMV 3.1.4.1.
            max_envelope: envelope.max_envelope.unwrap_or(153_600) as usize,
            operation_timeout: envelope.operation_timeout.unwrap_or(Duration::from_secs(60)),
            stops: !signal.ends_with("/terminate"),
            streams: envelope.streams,
        })
    }

    /// The answer to a request that opened a shell.
    pub fn created(&self, shell_id: &str, answer_id: Uuid) -> Vec<u8> {
        let shell = clixml::escape(shell_id);
        let uri = clixml::escape(&self.resource_uri);
        let body = format!(
            "<x:ResourceCreated><a:Address>http://localhost/</a:Address><a:ReferenceParameters>\
             <w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector>\
             </w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>\
             <rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId><rsp:ResourceUri>{uri}</rsp:ResourceUri>\
             <rsp:IdleTimeOut>PT900.000S</rsp:IdleTimeOut><rsp:InputStreams>stdin pr</rsp:InputStreams>\
             <rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>"
        );
        envelope::answer(Action::Create, &self.message_id, answer_id, &body)
    }

    /// The answer to every other request but a poll.
    pub fn done(&self, answer_id: Uuid) -> Vec<u8> {
        let body = match self.action {
            Action::Command => {
                let id = self.command_id.unwrap_or_default().to_string().to_uppercase();
                format!("<rsp:CommandResponse><rsp:CommandId>{id}</rsp:CommandId></rsp:CommandResponse>")
            }
            Action::Send => "<rsp:SendResponse/>".to_owned(),
            Action::Signal => "<rsp:SignalResponse/>".to_owned(),
            Action::Create | Action::Receive | Action::Delete => String::new(),
        };
        envelope::answer(self.action, &self.message_id, answer_id, &body)
    }

    /// A refusal.
    pub fn fault(&self, answer_id: Uuid, fault: &Fault) -> Vec<u8> {
        envelope::fault(&self.message_id, answer_id, fault)
    }

    /// The refusal of a poll that brought nothing within its time.
    pub fn timed_out(&self, answer_id: Uuid) -> Vec<u8> {
        let fault = Fault {
            code: Some(2_150_858_793),
            subcode: "TimedOut".into(),
            reason: "The operation brought nothing within its OperationTimeout.".into(),
            ..Fault::default()
        };
        self.fault(answer_id, &fault)
    }
}

/// Why a client's input cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Fragments do not fit together.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// A message is too short.
    #[error(transparent)]
    Message(#[from] TooShort),
    /// A message's content cannot be read.
    #[error(transparent)]
    Clixml(#[from] clixml::Error),
    /// A message belongs to another command, or to none.
    #[error("a message of an unknown command")]
    UnknownCommand,
    /// A second command before the first has ended.
    #[error("a runspace runs one command at a time")]
    Busy,
}

/// What the client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// Run these commands as a pipeline.
    Invoke {
        /// The pipeline's id, which is also the command's.
        pipeline: Uuid,
        /// What to run, in the order of the pipeline.
        commands: Vec<Command>,
    },
}

/// How a pipeline ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineEnd {
    /// Well.
    Completed,
    /// By the client's wish.
    Stopped,
    /// By an error.
    Failed(ErrorRecord),
}

/// A runspace pool as its server sees it.
#[derive(Debug)]
pub struct Runspace {
    pool: Uuid,
    limits: Limits,
    fragment_bytes: usize,
    incoming: Defragmenter,
    fragmenter: Fragmenter,
    pool_output: VecDeque<Vec<u8>>,
    pipeline: Option<Pipeline>,
}

#[derive(Debug)]
struct Pipeline {
    id: Uuid,
    output: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    ended: bool,
}

impl Runspace {
    /// Opens a runspace pool from the request that creates its shell. Fragments of answers carry at most
    /// `fragment_bytes` of a message.
    pub fn create(request: &Request, limits: Limits, fragment_bytes: usize) -> Result<Self, ServerError> {
        let mut runspace = Self {
            pool: Uuid::nil(),
            limits,
            fragment_bytes,
            incoming: Defragmenter::default(),
            fragmenter: Fragmenter::default(),
            pool_output: VecDeque::new(),
            pipeline: None,
        };
        runspace.feed(request)?;
        Ok(runspace)
    }

    /// Takes the streams of a request. A command's request makes room for its pipeline first.
    pub fn feed(&mut self, request: &Request) -> Result<Vec<ServerEvent>, ServerError> {
        if request.action == Action::Command {
            if self.pipeline.as_ref().is_some_and(|pipeline| !pipeline.ended) {
                return Err(ServerError::Busy);
            }
            let id = request.command_id.ok_or(ServerError::UnknownCommand)?;
            self.pipeline = Some(Pipeline { id, output: VecDeque::new(), queued_bytes: 0, ended: false });
        }
        let mut messages = Vec::new();
        for stream in &request.streams {
            self.incoming.receive(stream, &self.limits, |message| messages.push(message.to_vec()))?;
        }
        let mut events = Vec::new();
        for message in messages {
            events.extend(self.message(&Message::parse(&message)?)?);
        }
        Ok(events)
    }

    fn message(&mut self, message: &Message<'_>) -> Result<Option<ServerEvent>, ServerError> {
        match message.kind() {
            Some(MessageType::SessionCapability) => {
                self.pool = message.pool;
                self.pool_message(MessageType::SessionCapability, &record::capability());
                Ok(None)
            }
            Some(MessageType::InitRunspacePool) => {
                self.pool_message(MessageType::ApplicationPrivateData, &record::private_data());
                // MS-PSRP 2.2.3.4: 2 is Opened.
                self.pool_message(MessageType::RunspacePoolState, &record::state("RunspaceState", 2, None));
                Ok(None)
            }
            Some(MessageType::CreatePipeline) => {
                let commands = commands(message.content, &self.limits)?;
                let pipeline = self.pipeline.as_ref().map(|pipeline| pipeline.id);
                let pipeline =
                    pipeline.filter(|id| *id == message.pipeline).ok_or(ServerError::UnknownCommand)?;
                Ok(Some(ServerEvent::Invoke { pipeline, commands }))
            }
            // Key exchange, input and questions about the pool: nothing here needs them.
            _ => Ok(None),
        }
    }

    fn pool_message(&mut self, kind: MessageType, content: &str) {
        let bytes = Message {
            destination: Destination::Client,
            number: kind as u32,
            pool: self.pool,
            pipeline: Uuid::nil(),
            content: content.as_bytes(),
        }
        .to_bytes();
        self.pool_output.extend(self.fragmenter.fragments(&bytes, self.fragment_bytes));
    }

    fn pipeline_message(&mut self, kind: MessageType, content: &[u8]) {
        let Some(pipeline) = &mut self.pipeline else { return };
        let bytes = Message {
            destination: Destination::Client,
            number: kind as u32,
            pool: self.pool,
            pipeline: pipeline.id,
            content,
        }
        .to_bytes();
        for fragment in self.fragmenter.fragments(&bytes, self.fragment_bytes) {
            pipeline.queued_bytes += encoded_size(fragment.len());
            pipeline.output.push_back(fragment);
        }
    }

    /// Queues an object of the running pipeline.
    pub fn output(&mut self, clixml: &[u8]) {
        self.pipeline_message(MessageType::PipelineOutput, clixml);
    }

    /// Queues a warning of the running pipeline.
    pub fn warning(&mut self, text: &str) {
        self.pipeline_message(MessageType::WarningRecord, record::warning(text).as_bytes());
    }

    /// Queues an error that does not end the running pipeline.
    pub fn error_record(&mut self, error: &ErrorRecord) {
        let mut writer = clixml::Writer::default();
        error.write(&mut writer, None);
        self.pipeline_message(MessageType::ErrorRecord, writer.finish().as_bytes());
    }

    /// Ends the running pipeline.
    pub fn end(&mut self, end: &PipelineEnd) {
        // MS-PSRP 2.2.3.5
        let (number, error) = match end {
            PipelineEnd::Stopped => (3, None),
            PipelineEnd::Completed => (4, None),
            PipelineEnd::Failed(error) => (5, Some(error)),
        };
        let content = record::state("PipelineState", number, error);
        self.pipeline_message(MessageType::PipelineState, content.as_bytes());
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.ended = true;
        }
    }

    /// The pipeline that runs or has ended last.
    pub fn pipeline(&self) -> Option<Uuid> {
        self.pipeline.as_ref().map(|pipeline| pipeline.id)
    }

    /// Whether what is queued for a poll fills its answer.
    pub fn is_full(&self, poll: &Request) -> bool {
        self.pipeline.as_ref().is_some_and(|pipeline| pipeline.queued_bytes >= budget(poll))
    }

    /// The answer to a poll, if there is anything to say.
    pub fn receive(&mut self, poll: &Request, answer_id: Uuid) -> Option<Vec<u8>> {
        let budget = budget(poll);
        let mut body = String::with_capacity(budget.min(1024 * 1024));
        body.push_str("<rsp:ReceiveResponse>");
        let empty = body.len();
        match poll.command_id {
            None => {
                while let Some(fragment) = self.pool_output.pop_front() {
                    stream(&mut body, "", &fragment);
                }
            }
            Some(command) => {
                let pipeline = self.pipeline.as_mut().filter(|pipeline| pipeline.id == command)?;
                let id = command.to_string().to_uppercase();
                let attribute = format!(" CommandId=\"{id}\"");
                while let Some(fragment) = pipeline.output.front() {
                    if body.len() > empty && body.len() + encoded_size(fragment.len()) > budget {
                        break;
                    }
                    stream(&mut body, &attribute, fragment);
                    pipeline.queued_bytes =
                        pipeline.queued_bytes.saturating_sub(encoded_size(fragment.len()));
                    pipeline.output.pop_front();
                }
                if pipeline.ended && pipeline.output.is_empty() {
                    body.push_str(&format!(
                        "<rsp:CommandState CommandId=\"{id}\" \
                         State=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done\">\
                         <rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>"
                    ));
                }
            }
        }
        if body.len() == empty {
            return None;
        }
        body.push_str("</rsp:ReceiveResponse>");
        Some(envelope::answer(Action::Receive, &poll.message_id, answer_id, &body))
    }
}

fn budget(poll: &Request) -> usize {
    poll.max_envelope.saturating_sub(ENVELOPE_OVERHEAD)
}

/// Bytes that a fragment takes in an envelope.
fn encoded_size(fragment: usize) -> usize {
    fragment.div_ceil(3) * 4 + 96
}

fn stream(body: &mut String, attribute: &str, fragment: &[u8]) {
    body.push_str("<rsp:Stream Name=\"stdout\"");
    body.push_str(attribute);
    body.push('>');
    STANDARD.encode_string(fragment, body);
    body.push_str("</rsp:Stream>");
}
