//! A copy of one state of the database in a file of its own, made while others write.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::open::{make_private, unlock};
use crate::{DatabaseKey, StoreError};

/// Pages between two looks at the outcome: 4 MiB.
const PAGES_PER_STEP: i32 = 1_024;

/// A copy is in nobody's use and synced once, whole, by whoever made it.
const UNGUARDED: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF";

/// In this mode a file needs no other beside it, so it can be read from a medium that is read-only.
/// It answers with the mode that holds then.
const ALONE: &str = "PRAGMA journal_mode = DELETE";

const FIRST_READ: &str = "SELECT count(*) FROM sqlite_schema";

const TABLES: &str = "
    SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";

/// Copies what `conn` sees into a new file at `path`, encrypted page by page with `key`.
///
/// Inside [`snapshot`](crate::snapshot) the copy is the state of that snapshot, whatever is committed
/// meanwhile; writers do not wait for it. The file is not synced yet.
///
/// # Errors
///
/// [`StoreError::File`] when there is a file at `path`, the database's; what is left at `path` is no
/// copy then.
pub fn copy(conn: &Connection, path: &Path, key: &DatabaseKey) -> Result<(), StoreError> {
    if path.exists() {
        return Err(StoreError::File(std::io::ErrorKind::AlreadyExists.into()));
    }
    make_private(path)?;
    // A snapshot begins with the first read; without one SQLite would start over at every commit.
    conn.query_row(FIRST_READ, [], |row| row.get::<_, i64>(0))?;
    let mut target = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    unlock(&target, key)?;
    target.execute_batch(UNGUARDED)?;
    {
        let copying = Backup::new(conn, &mut target)?;
        loop {
            match copying.step(PAGES_PER_STEP)? {
                StepResult::More => {}
                StepResult::Done => break,
                // Nobody else has the new file, and whoever reads a WAL waits for nobody.
                StepResult::Busy | StepResult::Locked | _ => return Err(StoreError::Undone),
            }
        }
    }
    let mode: String = target.query_row(ALONE, [], |row| row.get(0))?;
    if mode != "delete" {
        return Err(StoreError::Setting { setting: "journal_mode = DELETE" });
    }
    target.close().map_err(|(_, error)| error.into())
}

/// Opens a copy to read it where it lies; nothing is written beside it.
///
/// # Errors
///
/// As [`open`](crate::open).
pub fn open_copy(path: &Path, key: &DatabaseKey) -> Result<Connection, StoreError> {
    crate::open(path, key, crate::Access::Read)
}

/// How many rows each table has, by its name.
///
/// # Errors
///
/// The database's.
pub fn row_counts(conn: &Connection) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut names = conn.prepare(TABLES)?;
    let names =
        names.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut counts = BTreeMap::new();
    for name in names {
        let question = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        let count: i64 = conn.query_row(&question, [], |row| row.get(0))?;
        counts.insert(name, count.unsigned_abs());
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Access, check_file, open, snapshot};

    const FILL: &str = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO note SELECT 'planted-name ' || hex(randomblob(40)) FROM n";

    fn key(byte: u8) -> DatabaseKey {
        DatabaseKey::new([byte; 32])
    }

    fn count(conn: &Connection) -> u64 {
        row_counts(conn).unwrap()["note"]
    }

    #[test]
    fn a_copy_is_the_state_of_its_snapshot_and_needs_no_file_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = open(&path, &key(1), Access::Write).unwrap();
        writer.execute_batch("CREATE TABLE note (x TEXT NOT NULL) STRICT").unwrap();
        writer.execute_batch(FILL).unwrap();
        let reader = open(&path, &key(1), Access::Read).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("copy.db");
        snapshot(&reader, |reader| {
            assert_eq!(count(reader), 5_000);
            // Committed while the snapshot is open: the writer does not wait, the copy has none of it.
            writer.execute_batch(FILL).unwrap();
            copy(reader, &target, &key(1)).unwrap();
        })
        .unwrap();
        assert_eq!(count(&reader), 10_000);
        let held = open_copy(&target, &key(1)).unwrap();
        check_file(&held).unwrap();
        assert_eq!(count(&held), 5_000);
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
        let bytes = fs::read(&target).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"planted-name"));
        assert!(!bytes.starts_with(b"SQLite format 3"));
        drop(held);
        assert!(matches!(open_copy(&target, &key(2)), Err(StoreError::WrongKey)));
        // It serves as a database again.
        let again = open(&target, &key(1), Access::Write).unwrap();
        again.execute_batch(FILL).unwrap();
        assert_eq!(count(&again), 10_000);
    }

    #[test]
    fn a_copy_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let conn = open(&path, &key(1), Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE note (x TEXT NOT NULL) STRICT").unwrap();
        let target = folder.path().join("copy.db");
        fs::write(&target, "kept").unwrap();
        assert!(matches!(copy(&conn, &target, &key(1)), Err(StoreError::File(_))));
        assert_eq!(fs::read(&target).unwrap(), b"kept");
    }
}
