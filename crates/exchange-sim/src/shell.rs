//! One shell: a runspace and the command that runs in it.

use std::time::Instant;

use exconn_psrp::{
    ErrorRecord, Limits,
    server::{PipelineEnd, Request, Runspace, ServerError, ServerEvent},
};
use uuid::Uuid;

use crate::{
    Organisation,
    cmdlets::{Progress, Step},
};

/// Bytes of a message in one fragment.
const FRAGMENT: usize = 32 * 1024;

/// A mistake that the organisation makes in its next listing of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends well, without a single device.
    Empty,
    /// After so many devices an error ends it.
    ErrorMidway(u64),
    /// After so many devices the connection breaks.
    Drop(u64),
}

/// What a poll brings.
pub(crate) enum Answer {
    Envelope(Vec<u8>),
    Nothing,
    Break,
}

#[derive(Debug)]
pub(crate) struct Shell {
    runspace: Runspace,
    progress: Progress,
    fault: Option<Fault>,
    sent: u64,
    pub(crate) used: Instant,
}

impl Shell {
    pub(crate) fn open(request: &Request, limits: Limits, now: Instant) -> Result<Self, ServerError> {
        let runspace = Runspace::create(request, limits, FRAGMENT)?;
        Ok(Self { runspace, progress: Progress::Ended, fault: None, sent: 0, used: now })
    }

    /// Takes a command or more of its input. A listing of devices takes the next fault with it.
    pub(crate) fn feed(
        &mut self,
        request: &Request,
        organisation: &Organisation,
        next_fault: impl FnOnce() -> Option<Fault>,
    ) -> Result<(), ServerError> {
        if let Some(ServerEvent::Invoke { commands, .. }) = self.runspace.feed(request)?.into_iter().next() {
            self.progress = Progress::start(&commands, organisation);
            self.sent = 0;
            self.fault = match self.progress {
                Progress::Devices { .. } => next_fault(),
                _ => None,
            };
        }
        Ok(())
    }

    /// Stops what runs.
    pub(crate) fn stop(&mut self, pipeline: Option<Uuid>) {
        if self.runspace.pipeline() == pipeline && !matches!(self.progress, Progress::Ended) {
            self.progress = Progress::Ended;
            self.runspace.end(&PipelineEnd::Stopped);
        }
    }

    /// Fills the answer to a poll.
    pub(crate) fn receive(
        &mut self,
        poll: &Request,
        organisation: &Organisation,
        domain: &str,
        answer_id: Uuid,
    ) -> Answer {
        while poll.command_id.is_some()
            && !matches!(self.progress, Progress::Ended)
            && !self.runspace.is_full(poll)
        {
            match self.fault {
                Some(Fault::Empty) => {
                    self.finish(&PipelineEnd::Completed);
                    break;
                }
                Some(Fault::ErrorMidway(after)) if self.sent >= after => {
                    self.finish(&PipelineEnd::Failed(ErrorRecord {
                        message: "The operation couldn't be performed because the domain controller is not available."
                            .into(),
                        id: "[FailureCategory=Cmdlet-ADTransientException]".into(),
                        category: 0,
                        target: String::new(),
                    }));
                    break;
                }
                Some(Fault::Drop(after)) if self.sent >= after => {
                    self.progress = Progress::Ended;
                    return Answer::Break;
                }
                _ => {}
            }
            match self.progress.step(organisation, domain) {
                Step::Object(object) => {
                    self.sent += 1;
                    self.runspace.output(object.as_bytes());
                }
                Step::Warning(text) => {
                    self.runspace.warning(&text);
                    self.finish(&PipelineEnd::Completed);
                }
                Step::Error(error) => self.runspace.error_record(&error),
                Step::End => self.finish(&PipelineEnd::Completed),
            }
        }
        match self.runspace.receive(poll, answer_id) {
            Some(envelope) => Answer::Envelope(envelope),
            None => Answer::Nothing,
        }
    }

    fn finish(&mut self, end: &PipelineEnd) {
        self.progress = Progress::Ended;
        self.runspace.end(end);
    }
}
