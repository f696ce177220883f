//! The database as a running program uses it: one writer that commits many use cases at once, and
//! readers beside it.

mod error;
mod job;
mod open;
mod readers;
mod writer;

pub(crate) use error::{READ_REFUSED, WRITE_REFUSED};
pub use error::{ReadError, WriteError};
pub use open::open;
pub use readers::{READERS, Readers};
pub use writer::{Reset, Writer};

#[cfg(test)]
mod tests;
