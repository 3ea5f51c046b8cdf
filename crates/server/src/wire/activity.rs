use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;

/// What is under way on a connection that carries many requests at once.
///
/// HTTP/2 lets a client keep a connection busy without moving data: it can leave it idle, or keep a stream's window shut
/// while the socket itself never blocks. Time is measured in spans: whatever outlives the whole of one has lasted too
/// long, so that nothing ends before one span and everything before two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Whether a request began in this span.
    began: AtomicBool,
    /// Pieces of answers that the client has not taken, by the span that they are from.
    unread: [AtomicUsize; 2],
    /// Which of the two counts new pieces.
    span: AtomicUsize,
}

impl State {
    fn unread(&self, span: usize) -> &AtomicUsize {
        let [even, odd] = &self.unread;
        if span & 1 == 0 { even } else { odd }
    }
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<State>);

/// A piece of an answer under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Unread {
    state: Arc<State>,
    span: usize,
}

impl Activity {
    /// Notes a request.
    pub(crate) fn request(&self) -> UnderWay {
        self.0.requests.fetch_add(1, Relaxed);
        self.0.began.store(true, Relaxed);
        UnderWay(self.0.clone())
    }

    /// Notes a piece of an answer.
    pub(crate) fn piece(&self) -> Unread {
        let span = self.0.span.load(Relaxed);
        self.0.unread(span).fetch_add(1, Relaxed);
        Unread { state: self.0.clone(), span }
    }

    /// Ready once nothing was under way for so long.
    pub(crate) async fn idle(&self, span: Duration) {
        let state = &*self.0;
        loop {
            sleep(span).await;
            let began = state.began.swap(false, Relaxed);
            let pieces: usize = state.unread.iter().map(|count| count.load(Relaxed)).sum();
            if !began && pieces == 0 && state.requests.load(Relaxed) == 0 {
                return;
            }
        }
    }

    /// Ready once the client has left a piece of an answer untaken for so long.
    pub(crate) async fn stalled(&self, span: Duration) {
        let state = &*self.0;
        loop {
            sleep(span).await;
            let before = state.span.load(Relaxed) ^ 1;
            if state.unread(before).load(Relaxed) > 0 {
                return;
            }
            state.span.store(before, Relaxed);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.state.unread(self.span).fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    const SPAN: Duration = Duration::from_secs(30);

    fn poll(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_is_left_alone_and_what_stands_still_is_not() {
        let activity = Activity::default();
        let mut stalled = std::pin::pin!(activity.stalled(SPAN));
        for _ in 0..10 {
            assert_eq!(poll(stalled.as_mut()), Poll::Pending);
            let piece = activity.piece();
            sleep(SPAN).await;
            drop(piece);
        }
        assert_eq!(poll(stalled.as_mut()), Poll::Pending);
        let piece = activity.piece();
        stalled.await;
        drop(piece);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_with_nothing_to_do_is_idle() {
        let activity = Activity::default();
        let mut idle = std::pin::pin!(activity.idle(SPAN));
        let request = activity.request();
        for _ in 0..3 {
            assert_eq!(poll(idle.as_mut()), Poll::Pending);
            sleep(SPAN).await;
        }
        let piece = activity.piece();
        drop(request);
        for _ in 0..3 {
            assert_eq!(poll(idle.as_mut()), Poll::Pending);
            sleep(SPAN).await;
        }
        drop(piece);
        idle.await;
    }
}
