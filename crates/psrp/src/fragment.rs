//! Fragments of messages (MS-PSRP 2.2.4).

use std::collections::BTreeMap;

use crate::Limits;

const HEADER: usize = 21;
const START: u8 = 1;
const END: u8 = 2;

/// Why fragments cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// Fewer bytes than the header announces.
    #[error("a fragment is cut off")]
    Cut,
    /// A fragment that does not continue its message.
    #[error("fragment {found} of message {object} came where {expected} was due")]
    OutOfOrder {
        /// The message's object id.
        object: u64,
        /// The fragment's number.
        found: u64,
        /// The number that was due.
        expected: u64,
    },
    /// A message, or all unfinished ones together, larger than the limit.
    #[error("a message is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// More unfinished messages than the limit.
    #[error("more than {limit} messages are unfinished at once")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// Cuts messages into fragments with ascending object ids.
#[derive(Debug, Default)]
pub struct Fragmenter {
    last_object: u64,
}

impl Fragmenter {
    /// The fragments of one message, each with at most `payload` bytes of it.
    pub fn fragments(&mut self, message: &[u8], payload: usize) -> Vec<Vec<u8>> {
        self.last_object += 1;
        let object = self.last_object;
        let count = message.len().div_ceil(payload.max(1)).max(1);
        let parts = message.chunks(payload.max(1)).chain(message.is_empty().then_some(&[][..]));
        parts
            .enumerate()
            .map(|(number, part)| {
                let start = if number == 0 { START } else { 0 };
                let end = if number + 1 == count { END } else { 0 };
                let mut fragment = Vec::with_capacity(HEADER + part.len());
                fragment.extend_from_slice(&object.to_be_bytes());
                fragment.extend_from_slice(&(number as u64).to_be_bytes());
                fragment.push(start | end);
                fragment.extend_from_slice(&(part.len() as u32).to_be_bytes());
                fragment.extend_from_slice(part);
                fragment
            })
            .collect()
    }
}

/// Puts messages together.
#[derive(Debug, Default)]
pub struct Defragmenter {
    open: BTreeMap<u64, Unfinished>,
    /// Bytes of all unfinished messages together.
    held: usize,
    last_finished: Option<u64>,
}

#[derive(Debug)]
struct Unfinished {
    next: u64,
    message: Vec<u8>,
}

impl Defragmenter {
    /// Whether the rest of a message is still due.
    pub fn has_unfinished(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes fragment data, as one stream element carries it, and passes each message on that is complete.
    ///
    /// A message that begins again with an object id that was finished before is a repetition, which some front ends
    /// produce when they retry; it is refused like any other fragment out of order, because half of its objects may have
    /// been delivered already.
    pub fn receive(
        &mut self,
        mut data: &[u8],
        limits: &Limits,
        mut message: impl FnMut(&[u8]),
    ) -> Result<(), FragmentError> {
        while !data.is_empty() {
            let (header, rest) = data.split_at_checked(HEADER).ok_or(FragmentError::Cut)?;
            let object = number(header, 0);
            let sequence = number(header, 8);
            let flags = header.get(16).copied().unwrap_or(0);
            let length = (number(header, 13) & 0xffff_ffff) as usize;
            let (part, rest) = rest.split_at_checked(length).ok_or(FragmentError::Cut)?;
            data = rest;
            self.part(object, sequence, flags, part, limits, &mut message)?;
        }
        Ok(())
    }

    fn part(
        &mut self,
        object: u64,
        sequence: u64,
        flags: u8,
        part: &[u8],
        limits: &Limits,
        message: &mut impl FnMut(&[u8]),
    ) -> Result<(), FragmentError> {
        let out_of_order = |expected| FragmentError::OutOfOrder { object, found: sequence, expected };
        if flags & START != 0 {
            if sequence != 0
                || self.open.contains_key(&object)
                || self.last_finished.is_some_and(|last| object <= last)
            {
                return Err(out_of_order(0));
            }
            if self.held + part.len() > limits.message_bytes {
                return Err(FragmentError::TooLarge { limit: limits.message_bytes });
            }
            if flags & END != 0 {
                self.last_finished = Some(object);
                message(part);
                return Ok(());
            }
            if self.open.len() >= limits.open_messages {
                return Err(FragmentError::TooMany { limit: limits.open_messages });
            }
            self.held += part.len();
            self.open.insert(object, Unfinished { next: 1, message: part.to_vec() });
            return Ok(());
        }
        let unfinished = self.open.get_mut(&object).ok_or_else(|| out_of_order(0))?;
        if sequence != unfinished.next {
            return Err(out_of_order(unfinished.next));
        }
        if self.held + part.len() > limits.message_bytes {
            return Err(FragmentError::TooLarge { limit: limits.message_bytes });
        }
        self.held += part.len();
        unfinished.next += 1;
        unfinished.message.extend_from_slice(part);
        if flags & END != 0
            && let Some(done) = self.open.remove(&object)
        {
            self.held -= done.message.len();
            self.last_finished = self.last_finished.max(Some(object));
            message(&done.message);
        }
        Ok(())
    }
}

fn number(header: &[u8], at: usize) -> u64 {
    let bytes = header.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 8]);
    u64::from_be_bytes(bytes)
}
