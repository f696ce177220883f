//! Why a job on the database has no answer.

use std::sync::Arc;

use store::StoreError;

/// What [`WriteError::Refused`] says.
pub(crate) const WRITE_REFUSED: &str = "the write was refused";

/// What [`ReadError::Refused`] says.
pub(crate) const READ_REFUSED: &str = "the read was refused";

/// Why a write is not stored. Whatever the reason, nothing of it is; only after an input/output error
/// of the disk may all of it turn out to be, which whoever sends it again is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError<E> {
    /// The job itself said no.
    #[error("{WRITE_REFUSED}")]
    Refused(#[source] E),
    /// The database could not make it durable; the same write may succeed later. Shared, because
    /// everything that was to be committed together fails together.
    #[error("the write could not be stored")]
    NotStored(#[source] Arc<StoreError>),
    /// A defect in the job; its neighbours and the writer go on.
    #[error("the write hit a defect and was taken back")]
    Panicked,
    /// The writer has ended.
    #[error("the database is closed")]
    Stopped,
}

impl<E> WriteError<E> {
    /// Whether the disk had no room, at the commit. A job that notices it earlier is
    /// [`Refused`](Self::Refused) with an error of its own.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::NotStored(error) if matches!(**error, StoreError::DiskFull))
    }

    /// The same outcome with the job's own error turned into another.
    pub fn map<F>(self, change: impl FnOnce(E) -> F) -> WriteError<F> {
        match self {
            Self::Refused(error) => WriteError::Refused(change(error)),
            Self::NotStored(error) => WriteError::NotStored(error),
            Self::Panicked => WriteError::Panicked,
            Self::Stopped => WriteError::Stopped,
        }
    }
}

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError<E> {
    /// The job itself said no.
    #[error("{READ_REFUSED}")]
    Refused(#[source] E),
    /// The database could not be read.
    #[error("the database could not be read")]
    Store(#[source] StoreError),
    /// A defect in the job; the connection and other reads go on.
    #[error("the read hit a defect")]
    Panicked,
    /// The program is stopping.
    #[error("the database is closed")]
    Stopped,
}

impl<E> ReadError<E> {
    /// The same outcome with the job's own error turned into another.
    pub fn map<F>(self, change: impl FnOnce(E) -> F) -> ReadError<F> {
        match self {
            Self::Refused(error) => ReadError::Refused(change(error)),
            Self::Store(error) => ReadError::Store(error),
            Self::Panicked => ReadError::Panicked,
            Self::Stopped => ReadError::Stopped,
        }
    }
}
