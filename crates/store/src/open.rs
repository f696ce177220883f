//! Opening a database file, with every setting checked after it was made.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{DatabaseKey, StoreError};

/// The one writer of a database, or one of the readers beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// May write and creates the file if it is missing.
    Write,
    /// May only read.
    Read,
}

/// The "WAL-reset" bug corrupts databases of SQLite 3.7.0 to 3.51.2.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Page cache of a writer in KiB. A clinic's working set is the tail of every table and the inner
/// pages of the indexes; 32 MiB holds both for millions of readings and fits a 1 GiB machine.
const WRITER_CACHE_KIB: i32 = 32 * 1024;
const READER_CACHE_KIB: i32 = 4 * 1024;

/// How long a connection waits for another to release the file. Only start-up and checkpoints meet.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements kept compiled; the largest house has about a hundred.
const STATEMENTS_CACHED: usize = 256;

/// Opens the encrypted database at `path`.
///
/// # Errors
///
/// [`StoreError::WrongKey`] when the file does not open with `key`; [`StoreError::ReadOnly`] when it is
/// to be written and opens for reading only; [`StoreError::TooOld`] and
/// [`StoreError::Setting`] when the linked SQLite cannot give what durability rests on.
pub fn open(path: &Path, key: &DatabaseKey, access: Access) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | match access {
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
    if access == Access::Write {
        make_private(path)?;
    }
    let conn = Connection::open_with_flags(path, flags)?;
    // When the file does not open for writing SQLite opens it for reading, and refuses each write.
    if access == Access::Write && conn.is_readonly("main")? {
        return Err(StoreError::ReadOnly);
    }
    unlock(&conn, key)?;
    prepare(&conn, access)?;
    Ok(conn)
}

/// Gives the connection its key; whether it fits shows at the first read.
pub(crate) fn unlock(conn: &Connection, key: &DatabaseKey) -> Result<(), StoreError> {
    // Without this SQLCipher prints every failed open to standard error.
    conn.execute_batch("PRAGMA cipher_log_level = NONE")?;
    conn.execute_batch(&key.pragma())?;
    Ok(())
}

/// Makes the file, if it is new, for its owner only; the files beside it get the same mode.
pub(crate) fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(|_| ()).map_err(StoreError::File)
}

/// Opens a database that lives in memory only and is not encrypted: for tests and simulations.
///
/// # Errors
///
/// As [`open`].
pub fn open_in_memory() -> Result<Connection, StoreError> {
    let conn = Connection::open_in_memory()?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    conn.pragma_update(None, "foreign_keys", true)?;
    Ok(conn)
}

/// Opens a database in a file, as the programs do and without a key: for tests that look at the bytes of
/// its pages.
///
/// # Errors
///
/// As [`open`].
pub fn open_plain(path: &Path) -> Result<Connection, StoreError> {
    make_private(path)?;
    let conn = Connection::open(path)?;
    prepare(&conn, Access::Write)?;
    Ok(conn)
}

/// Copies a database as it is into memory, unencrypted: for simulations of a disk that is put back.
///
/// # Errors
///
/// The database's.
pub fn copy_in_memory(conn: &Connection) -> Result<Connection, StoreError> {
    let mut copy = open_in_memory()?;
    rusqlite::backup::Backup::new(conn, &mut copy)?.step(-1)?;
    Ok(copy)
}

/// Closes a connection and leaves the WAL as it is, for the next who opens the database to start from.
///
/// Otherwise the last to close brings what it thinks is missing from the WAL into the database and
/// deletes the WAL: after a failed sync that may be less than what is missing on the disk.
pub fn close_as_it_is(conn: Connection) {
    // If it cannot be set, the connection is in no state to checkpoint either.
    let _ = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

fn prepare(conn: &Connection, access: Access) -> Result<(), StoreError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(StoreError::TooOld { found: rusqlite::version().to_owned() });
    }
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // The first read of a page: a wrong key shows here.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // Freed pages are overwritten, so that what was deleted is not found in the file.
    conn.pragma_update(None, "secure_delete", true)?;
    let cache_kib = match access {
        Access::Write => WRITER_CACHE_KIB,
        Access::Read => READER_CACHE_KIB,
    };
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    if access == Access::Read {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    } else {
        let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(StoreError::Setting { setting: "journal_mode = WAL" });
        }
        // SQLite's own checkpoints keep their errors to themselves; see `checkpoint_when_due`.
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    check_synchronous(conn)
}

/// `synchronous` is FULL (2) or EXTRA (3): a commit answers only after the disk has it.
fn check_synchronous(conn: &Connection) -> Result<(), StoreError> {
    let level: i64 = conn.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if level < 2 {
        return Err(StoreError::Setting { setting: "synchronous = FULL" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> DatabaseKey {
        DatabaseKey::new([byte; 32])
    }

    #[test]
    fn a_wrong_key_is_refused_and_the_right_one_still_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let conn = open(&path, &key(1), Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('planted-name')")
            .unwrap();
        drop(conn);
        assert!(matches!(open(&path, &key(2), Access::Read), Err(StoreError::WrongKey)));
        let conn = open(&path, &key(1), Access::Read).unwrap();
        let text: String = conn.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(text, "planted-name");
    }

    #[test]
    fn nothing_of_a_row_is_readable_in_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let conn = open(&path, &key(1), Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('planted-name')")
            .unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(12).any(|window| window == b"planted-name"));
            assert!(!bytes.starts_with(b"SQLite format 3"));
        }
    }

    #[test]
    fn the_files_are_their_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let conn = open(&folder.path().join("a.db"), &key(1), Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE t (x TEXT)").unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }

    #[test]
    fn every_connection_syncs_in_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = open(&path, &key(1), Access::Write).unwrap();
        let reader = open(&path, &key(1), Access::Read).unwrap();
        check_synchronous(&writer).unwrap();
        check_synchronous(&reader).unwrap();
        writer.pragma_update(None, "synchronous", "NORMAL").unwrap();
        assert!(matches!(check_synchronous(&writer), Err(StoreError::Setting { .. })));
    }

    #[test]
    fn what_is_deleted_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        for access in [Access::Write, Access::Read] {
            let conn = open(&path, &key(1), access).unwrap();
            let level = conn.query_row("PRAGMA secure_delete", [], |row| row.get::<_, i64>(0));
            assert_eq!(level.unwrap(), 1, "{access:?}");
        }
    }
}
