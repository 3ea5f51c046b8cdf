use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::{Activity, activity::Unread};

/// Bytes of an answer that a client must take in one go, when the connection's activity is watched.
const PIECE: usize = 32 * 1024;

/// The body of an answer on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    rest: Bytes,
    watched: Option<Activity>,
}

impl Outgoing {
    /// A body; with an activity, each piece of it is counted there until the client has taken it.
    pub(crate) fn new(body: Bytes, watched: Option<Activity>) -> Self {
        Self { rest: body, watched }
    }
}

/// A piece that is counted as long as anyone holds it.
struct Piece {
    bytes: Bytes,
    _unread: Unread,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = match &self.watched {
            None => std::mem::take(&mut self.rest),
            Some(activity) => {
                let unread = activity.piece();
                let length = self.rest.len().min(PIECE);
                Bytes::from_owner(Piece { bytes: self.rest.split_to(length), _unread: unread })
            }
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
