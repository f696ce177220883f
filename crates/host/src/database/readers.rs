//! Connections that only read, beside the writer and each other.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

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

struct Pool {
    free: Mutex<Vec<Connection>>,
    /// Opens another where one was closed.
    open: Box<dyn Fn() -> Result<Connection, StoreError> + Send + Sync>,
    permits: Arc<Semaphore>,
    /// Read by whoever reads, so that who must be alone with the file waits for all of them.
    gate: RwLock<()>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl Readers {
    /// Opens `count` connections.
    ///
    /// # Errors
    ///
    /// Those of `open`.
    pub fn open(
        count: usize,
        open: impl Fn() -> Result<Connection, StoreError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let free = (0..count).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(Arc::new(Pool {
            free: Mutex::new(free),
            open: Box::new(open),
            permits: Arc::new(Semaphore::new(count)),
            gate: RwLock::new(()),
        })))
    }

    /// Runs `work` while no reader has the file open: waits for those that read, and lets those that
    /// come meanwhile wait.
    pub(super) fn while_closed<R>(&self, work: impl FnOnce() -> R) -> R {
        let _alone = self.0.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.0.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
        work()
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
            let gate = Arc::clone(&pool);
            let _open = gate.gate.read().unwrap_or_else(PoisonError::into_inner);
            Loan::take(pool, permit)?.run(work)
        });
        match reading.await {
            Ok(Ok(result)) => result.map_err(ReadError::Refused),
            Ok(Err(error)) => Err(ReadError::Store(error)),
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
    fn take(pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Result<Self, StoreError> {
        let free = pool.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = free.map_or_else(&pool.open, Ok)?;
        Ok(Self { conn: Some(conn), pool, _permit: permit })
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
