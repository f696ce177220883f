//! Opening a house's database: writer, migrations, readers.

use std::path::Path;

use store::{Access, Connection, DatabaseKey, Room, StoreError};

use super::{READERS, Readers, Reset, Writer};

/// Opens the database at `path`, brings the tables of `rooms` to their newest form and starts the
/// writer with the empty caches `state`.
///
/// # Errors
///
/// [`StoreError`]; nothing runs then.
pub fn open<S: Reset + Send + 'static>(
    path: &Path,
    key: &DatabaseKey,
    rooms: &[Room],
    state: S,
) -> Result<(Writer<S>, Readers), StoreError> {
    let mut first = store::open(path, key, Access::Write)?;
    store::migrate(&mut first, rooms)?;
    prove_the_wal(&first)?;
    let opening = |access| {
        let (path, key) = (path.to_owned(), key.clone());
        move || store::open(&path, &key, access)
    };
    // A reader can open only while somebody who may write holds the WAL open: `first`, then the writer.
    let readers = Readers::open(READERS, opening(Access::Read))?;
    let writer = Writer::start(opening(Access::Write), readers.clone(), state)?;
    drop(first);
    Ok((writer, readers))
}

/// Puts everything that is read from the WAL on the disk.
///
/// A program before this one may have ended because of a failed sync, after which the system shows
/// pages of the WAL that are not on the disk and that no later sync would bring there.
fn prove_the_wal(conn: &Connection) -> Result<(), StoreError> {
    match store::empty_wal(conn) {
        // Whoever starts on a full disk may look at what there is.
        Ok(_) | Err(StoreError::DiskFull) => Ok(()),
        Err(error) => Err(error),
    }
}
