//! Whose turn it is on which connection.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{Mutex as Turns, Semaphore},
    time::timeout,
};

use crate::StoreError;

/// How long to wait for a reading connection before giving up.
const READER_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for the turn to write: a sync of a million devices is applied in about ten seconds.
const WRITER_PATIENCE: Duration = Duration::from_secs(30);

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

fn busy(waited: Duration, what: &'static str) -> StoreError {
    StoreError::Unavailable(format!("waited {} s for {what}", waited.as_secs()).into())
}

/// The one connection that writes.
pub(super) struct Writer(Arc<Turns<Connection>>);

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Arc::new(Turns::new(connection)))
    }

    /// Waits for the turn and works on the blocking pool. The work goes on to its end even if the caller stops waiting.
    pub(super) async fn turn<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = timeout(WRITER_PATIENCE, self.0.clone().lock_owned())
            .await
            .map_err(|_| busy(WRITER_PATIENCE, "other writers"))?;
        blocking(move || {
            let mut turn = turn;
            work(&mut turn)
        })
        .await
    }
}

/// The connections that read.
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    free: Semaphore,
    connections: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readers")
    }
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self(Arc::new(Pool { free: Semaphore::new(connections.len()), connections: Mutex::new(connections) }))
    }

    /// Reads here and now: for look-ups by key, which take microseconds, less than a change of threads.
    pub(super) async fn inline<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _permit = self.permit().await?;
        self.0.with(work)
    }

    /// Reads on the blocking pool.
    pub(super) async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = self.permit().await?;
        // The permit must outlive the work, even if the caller stops waiting.
        permit.forget();
        let pool = self.0.clone();
        blocking(move || {
            let result = pool.with(work);
            pool.free.add_permits(1);
            result
        })
        .await
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, StoreError> {
        match timeout(READER_PATIENCE, self.0.free.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy(READER_PATIENCE, "other readers")),
        }
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
