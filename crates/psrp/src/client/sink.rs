use crate::{ErrorRecord, clixml};

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

    /// What the command is doing, for people. Nothing is done with it unless this is overridden.
    fn progress(&mut self, _: Progress) {}

    /// Details for people. Nothing is done with them unless this is overridden.
    fn verbose(&mut self, _: String) {}

    /// Details for developers. Nothing is done with them unless this is overridden.
    fn debug(&mut self, _: String) {}
}

/// How far a command says that it is (MS-PSRP 2.2.2.25).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub activity: String,
    /// What it does just now.
    pub status: String,
    /// From 0 to 100; `None` if it does not know.
    pub percent: Option<u8>,
}
