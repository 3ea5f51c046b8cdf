//! The one thread that writes, and the queue before it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{Connection, Transaction};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    failure::{failed_for_all, refused},
    group::{self, Unit},
    pool::busy,
};
use crate::StoreError;

/// How long to wait for the turn to write: a sync of a million devices is applied in about ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Work that waits in memory; who comes when it is full waits for room, within the same patience.
const QUEUE: usize = 128;

enum Work {
    /// Shares a transaction with what waits behind it.
    Grouped(Box<dyn Unit>),
    /// Has the writer to itself.
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// The one connection that writes, on a thread of its own. Whoever waits is served in the order of asking.
///
/// Dropping it waits until what has begun is done: then nobody writes any more.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // What panicked on it was reported when it did.
            let _ = thread.join();
        }
    }
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("exconn-writer".into());
        let thread = thread.spawn(move || serve(connection, waiting)).map_err(refused)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Changes a bounded number of rows, all or nothing, in a transaction that it may share with other changes. `Ok` means
    /// that the change is durable.
    ///
    /// `work` runs again if SQLite undoes the shared transaction because of another change. It has no effect but on the
    /// transaction, and answers from that alone. A caller that goes away before its work has begun withdraws it; work
    /// that has begun goes on to its end.
    pub(super) async fn grouped<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask(|begun, answer| {
            Work::Grouped(Box::new(Change { work, begun: Some(begun), result: None, answer }))
        })
        .await
    }

    /// Has the writer to itself, for work of any size: it would keep the answers of a whole group waiting. Withdrawn as in
    /// [`Self::grouped`].
    pub(super) async fn alone<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask(|begun, answer| {
            Work::Alone(Box::new(move |connection| {
                if begun.send(()).is_ok() {
                    // A caller that went away needs no answer.
                    let _ = answer.send(surviving(|| work(connection)));
                }
            }))
        })
        .await
    }

    async fn ask<T>(
        &self,
        work: impl FnOnce(oneshot::Sender<()>, oneshot::Sender<Result<T, StoreError>>) -> Work,
    ) -> Result<T, StoreError> {
        let (begin, mut begun) = oneshot::channel();
        let (send, mut answer) = oneshot::channel();
        let work = work(begin, send);
        let answered = async {
            let queue = self.queue.as_ref().ok_or_else(stopped)?;
            queue.send(work).await.map_err(|_| stopped())?;
            (&mut answer).await.map_err(|_| stopped())?
        };
        if let Ok(answered) = timeout(PATIENCE, answered).await {
            return answered;
        }
        // Closing decides: either the writer has begun, or it finds the work withdrawn.
        begun.close();
        if begun.try_recv().is_err() {
            return Err(busy(PATIENCE, "other writers"));
        }
        answer.await.map_err(|_| stopped())?
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the thread that writes has stopped".into())
}

/// A panic is the failure of the work that panicked, not the end of the thread that all changes need.
fn surviving<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::Unavailable("the change panicked".into())))
}

fn serve(mut connection: Connection, mut queue: mpsc::Receiver<Work>) {
    let mut next = None;
    while let Some(work) = next.take().or_else(|| queue.blocking_recv()) {
        match work {
            Work::Alone(work) => work(&mut connection),
            Work::Grouped(first) => group::commit(&mut connection, first, || match queue.try_recv() {
                Ok(Work::Grouped(unit)) => Some(unit),
                Ok(alone) => {
                    next = Some(alone);
                    None
                }
                Err(_) => None,
            }),
        }
    }
}

/// A grouped change with the way back to its caller.
struct Change<T, F> {
    work: F,
    begun: Option<oneshot::Sender<()>>,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Unit for Change<T, F>
where
    T: Send,
    F: Fn(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn begin(&mut self) -> bool {
        self.begun.take().is_some_and(|begun| begun.send(()).is_ok())
    }

    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        let result = surviving(|| (self.work)(transaction));
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn answer(self: Box<Self>, committed: Result<(), &Arc<rusqlite::Error>>) {
        let answer = match (self.result, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(failed_for_all(error)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(stopped()),
        };
        // A caller that went away needs no answer.
        let _ = self.answer.send(answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as channel;

    use super::{super::failure::failed, *};

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER NOT NULL) STRICT").unwrap();
        Writer::start(connection).unwrap()
    }

    async fn insert(writer: &Writer, number: i64) -> Result<(), StoreError> {
        writer
            .grouped(move |tx| tx.execute("INSERT INTO t VALUES (?1)", [number]).map(drop).map_err(failed))
            .await
    }

    async fn stored(writer: &Writer) -> Vec<i64> {
        let read = |connection: &mut Connection| {
            let mut statement = connection.prepare("SELECT x FROM t ORDER BY x").unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            Ok(rows.collect::<Result<_, _>>().unwrap())
        };
        writer.alone(read).await.unwrap()
    }

    /// Keeps the writer busy until the sender goes.
    fn keep_busy(writer: &Arc<Writer>) -> channel::Sender<()> {
        let (release, released) = channel::channel::<()>();
        let writer = writer.clone();
        tokio::spawn(async move {
            // An error says that the sender has gone.
            let wait = move |_: &mut Connection| Ok(released.recv().is_err());
            assert!(writer.alone(wait).await.unwrap());
        });
        release
    }

    #[tokio::test]
    async fn a_panic_strikes_only_its_own_change() {
        let writer = Arc::new(writer());
        let busy = keep_busy(&writer);
        tokio::task::yield_now().await;
        let panics = writer.grouped(|tx| -> Result<(), StoreError> {
            tx.execute("INSERT INTO t VALUES (2)", []).unwrap();
            panic!("as the test wants it");
        });
        let release = async { drop(busy) };
        let (one, two, three, ()) = tokio::join!(insert(&writer, 1), panics, insert(&writer, 3), release);
        assert!(one.is_ok() && three.is_ok());
        assert!(matches!(two, Err(StoreError::Unavailable(_))));
        let alone: Result<(), _> = writer.alone(|_| panic!("as the test wants it")).await;
        assert!(matches!(alone, Err(StoreError::Unavailable(_))));
        assert_eq!(stored(&writer).await, [1, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_what_was_not_begun_is_never_done() {
        let writer = Arc::new(writer());
        let busy = keep_busy(&writer);
        tokio::task::yield_now().await;
        // Time stands still and jumps ahead when nothing but time is waited for.
        let waited = insert(&writer, 1).await;
        assert!(matches!(waited, Err(StoreError::Unavailable(_))));
        tokio::time::resume();
        drop(busy);
        insert(&writer, 2).await.unwrap();
        assert_eq!(stored(&writer).await, [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_begun_is_waited_for_to_its_end() {
        let writer = Arc::new(writer());
        let (begun, has_begun) = channel::channel();
        let (release, released) = channel::channel::<()>();
        let long = {
            let writer = writer.clone();
            let work = move |_: &mut Connection| {
                begun.send(()).unwrap();
                Ok(released.recv().is_err())
            };
            tokio::spawn(async move { writer.alone(work).await })
        };
        tokio::task::yield_now().await;
        has_begun.recv().unwrap();
        tokio::time::sleep(2 * PATIENCE).await;
        assert!(!long.is_finished());
        drop(release);
        assert!(long.await.unwrap().unwrap());
    }
}
