use crate::{Fault, clixml, envelope::EnvelopeError, fragment::FragmentError};

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
