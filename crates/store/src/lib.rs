//! Opens SQLite safely and runs migrations; holds no query of any subject.
//!
//! Every database of the product is encrypted from its first byte (SQLCipher, raw 256-bit key),
//! runs in WAL mode and syncs in full before a commit answers. A connection that would not do so
//! is never handed out.

mod check;
mod checkpoint;
mod copy;
mod error;
mod group;
mod key;
mod migrate;
mod open;
mod savepoint;
mod snapshot;
mod values;
mod wal;

pub use check::check_file;
pub use checkpoint::{checkpoint_when_due, empty_wal, rewrite};
pub use copy::{copy, open_copy, row_counts};
pub use error::StoreError;
pub use group::Group;
pub use key::DatabaseKey;
pub use migrate::{Room, migrate};
pub use open::{Access, close_as_it_is, copy_in_memory, open, open_in_memory, open_plain};
/// The one connection type that rooms are handed; a savepoint or transaction derefs to it.
pub use rusqlite::Connection;
pub use savepoint::savepoint;
pub use snapshot::snapshot;
pub use values::all_values;
pub use wal::{WalState, check_wal};
