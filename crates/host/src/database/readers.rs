//! Connections that only read, beside the writer and each other.

use std::sync::{Arc, Mutex, PoisonError};

use store::{Connection, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::ReadError;

/// Readers of a house. Pages, exports and sync conversations read; two would do for the cores of a
/// small machine, and two more keep a long export from holding up a page.
pub const READERS: usize = 4;

/// Lends out read connections; cheap to clone.
#[derive(Clone, Debug)]
pub struct Readers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    free: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens `count` connections.
    ///
    /// # Errors
    ///
    /// Those of `open`.
    pub fn open(
        count: usize,
        open: impl Fn() -> Result<Connection, StoreError>,
    ) -> Result<Self, StoreError> {
        let free = (0..count).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(Arc::new(Pool {
            free: Mutex::new(free),
            permits: Arc::new(Semaphore::new(count)),
        })))
    }

    /// Runs `work` on one state of the database, on a thread that may wait for the disk.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ReadError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let permits = Arc::clone(&self.0.permits);
        let permit = permits.acquire_owned().await.map_err(|_| ReadError::Stopped)?;
        let pool = Arc::clone(&self.0);
        let reading = spawn_blocking(move || {
            let loan = Loan::take(pool, permit)?;
            Some(loan.run(work))
        });
        match reading.await {
            Ok(Some(Ok(result))) => result.map_err(ReadError::Refused),
            Ok(Some(Err(error))) => Err(ReadError::Store(error)),
            Ok(None) => Err(ReadError::Stopped),
            Err(failed) if failed.is_panic() => Err(ReadError::Panicked),
            Err(_) => Err(ReadError::Stopped),
        }
    }
}

/// A connection that goes back to the pool, also when the work with it panics.
struct Loan {
    /// `Some` until it is dropped.
    conn: Option<Connection>,
    pool: Arc<Pool>,
    /// Given back after the connection: fields are dropped after `drop` has run.
    _permit: OwnedSemaphorePermit,
}

impl Loan {
    fn take(pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Option<Self> {
        let conn = pool.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Self { conn: Some(conn), pool, _permit: permit })
    }

    fn run<R>(&self, work: impl FnOnce(&Connection) -> R) -> Result<R, StoreError> {
        let conn = self.conn.as_ref().ok_or(StoreError::Undone)?;
        store::snapshot(conn, work)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut free = self.pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.conn.take());
    }
}
