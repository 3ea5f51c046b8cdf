/// Bounds on what the other side may send. Beyond one of them the exchange ends with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, and of one CLIXML document.
    pub message_bytes: usize,
    /// Messages that are unfinished at the same time.
    pub open_messages: usize,
    /// Nested elements of a document.
    pub depth: usize,
    /// Elements of a document.
    pub elements: usize,
    /// Polls in a row that bring nothing.
    pub idle_polls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 16 * 1024 * 1024,
            open_messages: 16,
            depth: 64,
            elements: 200_000,
            idle_polls: 30,
        }
    }
}
