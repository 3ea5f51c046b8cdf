//! The connections that read, and whose turn it is on which.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, InterruptHandle};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::StoreError;

/// How long to wait for a reading connection before giving up.
const READER_PATIENCE: Duration = Duration::from_secs(5);

/// Runs `work` where it may block.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => Err(StoreError::Unavailable(Box::new(stopped))),
    }
}

pub(super) fn busy(waited: Duration, what: &'static str) -> StoreError {
    StoreError::Unavailable(format!("waited {} s for {what}", waited.as_secs()).into())
}

/// The connections that read. There are at least two, and one of them is for short work alone: callers whose queries take
/// seconds would otherwise keep everybody from looking up anything, tokens included.
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    /// A query may take so long.
    patience: Duration,
    free: Arc<Semaphore>,
    /// Queries that may begin: one fewer than there are connections.
    queries: Arc<Semaphore>,
    connections: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readers")
    }
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>, patience: Duration) -> Self {
        let queries = Arc::new(Semaphore::new(connections.len().saturating_sub(1)));
        let free = Arc::new(Semaphore::new(connections.len()));
        Self(Arc::new(Pool { patience, free, queries, connections: Mutex::new(connections) }))
    }

    /// Reads here and now: for look-ups by key, which take microseconds, less than a change of threads.
    pub(super) async fn inline<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _permit = permit(&self.0.free).await?;
        self.0.with(work)
    }

    /// Reads what takes milliseconds at most on the blocking pool.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.run(None, work).await
    }

    /// Reads what may take long on the blocking pool. The query ends when it has taken too long, and when the caller stops
    /// waiting: a few slow ones that nobody waits for would keep everybody else from querying.
    pub(super) async fn query<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = permit(&self.0.queries).await?;
        self.run(Some(turn), work).await
    }

    async fn run<T, F>(&self, turn: Option<OwnedSemaphorePermit>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = permit(&self.0.free).await?;
        let pool = self.0.clone();
        let query = Query::default();
        let _waiting = Waiting(query.clone());
        let read = blocking(move || {
            // Held until the connection is back, even if the caller stops waiting.
            let _permits = (turn, permit);
            pool.with(|connection| query.run(connection, work))
        });
        timeout(self.0.patience, read).await.unwrap_or(Err(StoreError::TooSlow))
    }
}

async fn permit(of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
    match timeout(READER_PATIENCE, of.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(busy(READER_PATIENCE, "other readers")),
    }
}

/// A query that someone else can end, from any thread and at any time.
#[derive(Clone, Default)]
struct Query(Arc<Mutex<Progress>>);

#[derive(Default)]
enum Progress {
    #[default]
    Waiting,
    Running(InterruptHandle),
    /// It has ended by itself, and its connection is another one's, or it must not begin.
    Over,
}

impl Query {
    fn run<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        {
            let mut progress = self.lock();
            if matches!(*progress, Progress::Over) {
                return Err(StoreError::TooSlow);
            }
            *progress = Progress::Running(connection.get_interrupt_handle());
        }
        let _running = Running(self);
        work(connection)
    }

    fn end(&self) {
        let mut progress = self.lock();
        if let Progress::Running(handle) = &*progress {
            handle.interrupt();
        }
        *progress = Progress::Over;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a query from being interrupted once its work has ended, by a panic too: the connection is another one's then.
struct Running<'a>(&'a Query);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.0.lock() = Progress::Over;
    }
}

/// Ends a query when it is dropped.
struct Waiting(Query);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A connection that goes back to its pool, after a panic too.
struct Lent<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pool.lock().extend(self.connection.take());
    }
}

impl Pool {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let connection = self.lock().pop();
        let lent = Lent { pool: self, connection };
        match &lent.connection {
            Some(connection) => work(connection),
            None => Err(busy(Duration::ZERO, "a connection")),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More often than there are connections.
    const PANICS: usize = 3;

    async fn one(readers: &Readers) -> i64 {
        let select = |connection: &Connection| {
            connection.query_row("SELECT 1", [], |row| row.get(0)).map_err(super::super::failure::failed)
        };
        assert_eq!(readers.inline(select).await.unwrap(), 1);
        assert_eq!(readers.blocking(select).await.unwrap(), 1);
        readers.query(select).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_costs_no_connection() {
        let connections = vec![Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap()];
        let readers = Arc::new(Readers::new(connections, Duration::from_secs(15)));
        for _ in 0..PANICS {
            let stopped = readers.blocking(|_| -> Result<(), _> { panic!("off the runtime") }).await;
            assert!(matches!(stopped, Err(StoreError::Unavailable(_))));
            let stopped = readers.query(|_| -> Result<(), _> { panic!("in a query") }).await;
            assert!(matches!(stopped, Err(StoreError::Unavailable(_))));
            assert_eq!(one(&readers).await, 1);
            let inline = readers.clone();
            let look_up = async move { inline.inline(|_| -> Result<(), _> { panic!("in a look-up") }).await };
            assert!(tokio::spawn(look_up).await.unwrap_err().is_panic());
            assert_eq!(one(&readers).await, 1);
        }
    }
}
