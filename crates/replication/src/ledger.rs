//! The tables both sides share: streams, chains and entries.

pub mod inspect;
mod links;
pub mod quarantine;
pub mod signing_keys;
pub(crate) mod store;
pub(crate) mod verify;

pub use store::{
    AuthoredPayload, HeldEntry, counts, for_each_of_kind, newest_of_kind, payload_of, payloads_in,
    rewritten, stream_digest,
};

pub use quarantine::{AsideError, SetAside, Standing, ever_quarantined, quarantined};
pub use verify::{Checked, VerifyError, WrongEntry};

use ::store::StoreError;

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A payload longer than an entry carries.
    #[error("the payload is longer than an entry may carry")]
    TooLong,
    /// The author's chain of a stream is at the end of its numbers.
    #[error("the chain has no free position")]
    ChainFull,
    /// Everything about the subject was erased by order; nothing is written about it any more.
    #[error("this record was erased by order of the hub; register the person anew")]
    Erased,
    /// A room refused what this node itself is writing: a programming error.
    #[error("a room refused a fact of this node")]
    Refused,
}
