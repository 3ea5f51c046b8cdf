//! What the server's answers mean.

use super::{Asked, Client, ClientError, Outcome, Sink, State};
use crate::{
    ErrorRecord, Fault, Limits,
    clixml::{self, Objects, Value},
    envelope::{Action, Envelope},
    message::{Destination, Message, MessageType},
    record,
};

impl Client {
    /// Takes the answer to the last request.
    ///
    /// # Errors
    /// After a fault that asks to wait ([`Fault::quota`]) the same can be asked again; after every other error only
    /// [`Client::close`] makes sense.
    pub fn handle(&mut self, status: u16, body: &[u8], sink: &mut dyn Sink) -> Result<(), ClientError> {
        let Some(asked) = self.sent.take() else {
            return Err(ClientError::Protocol("an answer came without a request"));
        };
        let answer = match Envelope::parse(body) {
            Ok(answer) => answer,
            Err(_) if status != 200 => return Err(ClientError::Status(status)),
            Err(error) => return Err(error.into()),
        };
        if let Some(fault) = answer.fault {
            return self.fault(asked, fault);
        }
        if status != 200 {
            return Err(ClientError::Status(status));
        }
        match asked.action {
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

    fn fault(&mut self, asked: Asked, fault: Fault) -> Result<(), ClientError> {
        let action = asked.action;
        if let Some(pipeline) = self.pipeline.as_mut().filter(|_| action == Action::Command) {
            pipeline.may_run = false;
        }
        if action != Action::Delete && fault.quota().is_some() {
            self.refused = Some(asked);
            return Err(ClientError::Fault(fault));
        }
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
            if self.incoming.has_unfinished() {
                return Err(ClientError::Protocol("a message of the command is unfinished at its end"));
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
            Some(MessageType::RunspacePoolState) => self.pool_state(content)?,
            Some(MessageType::PipelineState) => {
                self.check_running(&message)?;
                self.pipeline_state(content)?;
            }
            Some(MessageType::PipelineOutput) => {
                self.check_running(&message)?;
                sink.output(content)?;
            }
            Some(MessageType::ErrorRecord) => {
                self.check_running(&message)?;
                sink.error_record(ErrorRecord::decode(content, &limits)?);
            }
            Some(MessageType::WarningRecord) => sink.warning(record::informational(content, &limits)?),
            Some(MessageType::VerboseRecord) => sink.verbose(record::informational(content, &limits)?),
            Some(MessageType::DebugRecord) => sink.debug(record::informational(content, &limits)?),
            Some(MessageType::ProgressRecord) => sink.progress(record::progress(content, &limits)?),
            Some(MessageType::PipelineHostCall | MessageType::RunspacePoolHostCall) => {
                host_call(content, &limits)?;
            }
            // Everything else informs and needs no answer.
            _ => {}
        }
        Ok(())
    }

    /// Refuses what belongs to another command, or comes after the end of this one: a listing that took it would not be
    /// what the server meant.
    fn check_running(&self, message: &Message<'_>) -> Result<(), ClientError> {
        match &self.pipeline {
            Some(pipeline) if pipeline.id != message.pipeline => {
                Err(ClientError::Protocol("a message belongs to another command"))
            }
            Some(pipeline) if pipeline.outcome.is_none() => Ok(()),
            _ => Err(ClientError::Protocol("a message came after the command's end")),
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
                let record = value.property("ExceptionAsErrorRecord");
                let record = record.map(|record| ErrorRecord::from_value(record, &Objects::of(&value)));
                Outcome::Failed(record.unwrap_or_default())
            }
            _ => return Ok(()),
        };
        pipeline.outcome = Some(outcome);
        Ok(())
    }
}

/// A call to a host that is not there. One that only shows something needs no answer; one that asks would wait for its
/// answer for ever (the methods and their numbers: MS-PSRP 2.2.3.17).
fn host_call(content: &[u8], limits: &Limits) -> Result<(), ClientError> {
    let value = clixml::decode(content, limits)?;
    match value.property("mi").and_then(Value::number) {
        Some(1..=5 | 11 | 12 | 23..=27 | 29 | 31 | 33 | 35 | 37 | 39 | 41 | 43..=46 | 50 | 54..=56) => {
            Err(ClientError::Prompted)
        }
        _ => Ok(()),
    }
}
