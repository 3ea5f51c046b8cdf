//! The connections that read, and whose turn it is on which.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, InterruptHandle};
use tokio::{sync::Semaphore, time::timeout};

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

/// The connections that read.
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    /// A query may take so long.
    patience: Duration,
    free: Semaphore,
    connections: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readers")
    }
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>, patience: Duration) -> Self {
        let free = Semaphore::new(connections.len());
        Self(Arc::new(Pool { patience, free, connections: Mutex::new(connections) }))
    }

    /// Reads here and now: for look-ups by key, which take microseconds, less than a change of threads.
    pub(super) async fn inline<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _permit = self.permit().await?;
        self.0.with(work)
    }

    /// Reads on the blocking pool. The query ends when it has taken too long, and when the caller stops waiting: a few
    /// slow ones that nobody waits for would keep everybody else from reading.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = self.permit().await?;
        // The permit must outlive the work, even if the caller stops waiting.
        permit.forget();
        let pool = self.0.clone();
        let query = Query::default();
        let _waiting = Waiting(query.clone());
        let read = blocking(move || {
            let result = pool.with(|connection| query.run(connection, work));
            pool.free.add_permits(1);
            result
        });
        timeout(self.0.patience, read).await.unwrap_or(Err(StoreError::TooSlow))
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, StoreError> {
        match timeout(READER_PATIENCE, self.0.free.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy(READER_PATIENCE, "other readers")),
        }
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
        let result = work(connection);
        *self.lock() = Progress::Over;
        result
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

/// Ends a query when it is dropped.
struct Waiting(Query);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Pool {
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let connection = self.lock().pop().ok_or_else(|| busy(Duration::ZERO, "a connection"))?;
        let result = work(&connection);
        self.lock().push(connection);
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
