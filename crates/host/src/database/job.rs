//! One write on its way through the writer: work to do, then an answer to give after the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use store::{Connection, StoreError};
use tokio::sync::oneshot;

use super::WriteError;

/// Where the caller waits.
pub(super) type Answer<T, E> = oneshot::Receiver<Result<T, WriteError<E>>>;

/// A write whose types only its caller knows.
pub(super) trait Job<S>: Send {
    /// Does the work and holds the result back; answers whether it is to be kept.
    fn run(&mut self, conn: &Connection, state: &mut S) -> bool;

    /// Gives the answer: the result of the work if it is durable, else why it is not. A job that
    /// refused keeps its own reason.
    fn answer(self: Box<Self>, stored: Result<(), &Arc<StoreError>>);
}

struct Task<F, T, E> {
    work: Option<F>,
    result: Option<Result<T, WriteError<E>>>,
    caller: oneshot::Sender<Result<T, WriteError<E>>>,
}

/// Makes a job of `work`, and the place where its answer will be.
pub(super) fn job<S, F, T, E>(work: F) -> (Box<dyn Job<S>>, Answer<T, E>)
where
    F: FnOnce(&Connection, &mut S) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Task { work: Some(work), result: None, caller }), answer)
}

impl<S, F, T, E> Job<S> for Task<F, T, E>
where
    F: FnOnce(&Connection, &mut S) -> Result<T, E> + Send,
    T: Send,
    E: Send,
{
    fn run(&mut self, conn: &Connection, state: &mut S) -> bool {
        let Some(work) = self.work.take() else { return false };
        // The state is reset and the savepoint undone after a panic, so nothing half-done is seen.
        let result = match catch_unwind(AssertUnwindSafe(|| work(conn, state))) {
            Ok(result) => result.map_err(WriteError::Refused),
            Err(_) => Err(WriteError::Panicked),
        };
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, stored: Result<(), &Arc<StoreError>>) {
        let answer = match (self.result, stored) {
            (Some(Ok(_)) | None, Err(error)) => Err(WriteError::NotStored(Arc::clone(error))),
            (Some(result), _) => result,
            (None, Ok(())) => Err(WriteError::Stopped),
        };
        // A caller that no longer waits has lost the connection; it will ask again.
        let _ = self.caller.send(answer);
    }
}
