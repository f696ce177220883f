//! Opening a house's database: writer, migrations, readers.

use std::path::Path;

use store::{Access, DatabaseKey, Room, StoreError};

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
    let (writer_path, writer_key) = (path.to_owned(), key.clone());
    let writer =
        Writer::start(move || store::open(&writer_path, &writer_key, Access::Write), state)?;
    let readers = Readers::open(READERS, || store::open(path, key, Access::Read))?;
    // Kept until here: a reader can open only while somebody who may write holds the WAL open.
    drop(first);
    Ok((writer, readers))
}
