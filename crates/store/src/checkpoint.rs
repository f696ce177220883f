//! Moving the WAL into the database file: as often as needed, and as a whole.

use std::time::Duration;

use rusqlite::Connection;

use crate::StoreError;
use crate::open::BUSY_TIMEOUT;

/// Moves everything into the database file and cuts the WAL to nothing; the first number says
/// whether somebody who reads was in the way.
const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// Pages in the WAL before it is checkpointed: 16 MiB, so that a burst is not slowed by checkpoints.
const WAL_PAGES: i64 = 4_000;

/// How many pages the WAL has; moves none.
const LENGTH: &str = "PRAGMA wal_checkpoint(NOOP)";

/// Moves what nobody reads at this moment; the next write begins the WAL anew when that was all.
const MOVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Moves a WAL that has grown long into the database file, as far as readers allow it; for the writer,
/// after a commit.
///
/// # Errors
///
/// The database's. After any but [`StoreError::DiskFull`] nobody knows which of the moved pages are on
/// the disk, and only a connection that starts from the WAL anew may be trusted: SQLite remembers
/// what it moved before and would not move that again.
pub fn checkpoint_when_due(conn: &Connection) -> Result<(), StoreError> {
    let column = |sql, at| -> rusqlite::Result<i64> {
        conn.prepare_cached(sql)?.query_row([], |row| row.get(at))
    };
    if column(LENGTH, 1)? >= WAL_PAGES {
        column(MOVE, 0)?;
    }
    Ok(())
}

/// Empties the WAL unless somebody reads at this moment; answers whether it did. Pages that were
/// deleted or changed are in the file and in older versions in the WAL: after this only the newest
/// are anywhere.
///
/// # Errors
///
/// The database's.
pub fn empty_wal(conn: &Connection) -> Result<bool, StoreError> {
    // Whoever writes must not wait here for whoever reads.
    conn.busy_timeout(Duration::ZERO)?;
    let busy = conn.query_row(TRUNCATE, [], |row| row.get::<_, i64>(0));
    conn.busy_timeout(BUSY_TIMEOUT)?;
    Ok(busy? == 0)
}

/// Longest file that is written anew: it is put together in memory.
const REWRITE_BYTES_MAX: i64 = 2 * 1024 * 1024 * 1024;

/// Writes the whole file anew and empties the WAL, unless somebody reads at this moment; answers whether
/// it did.
///
/// What is deleted is overwritten, but when SQLite moves rows between pages, older copies of them may
/// stay in the space between: only a file that was written anew holds nothing but its rows.
///
/// # Errors
///
/// The database's, and [`StoreError::TooLong`] for a file that would not fit into memory.
pub fn rewrite(conn: &Connection) -> Result<bool, StoreError> {
    // SQLCipher answers some of these as text.
    let number = |pragma| {
        conn.pragma_query_value(None, pragma, |row| {
            let value = row.get_ref(0)?;
            let text = value.as_str().ok().and_then(|text| text.parse().ok());
            Ok(text.or_else(|| value.as_i64().ok()).unwrap_or(i64::MAX))
        })
    };
    if number("page_count")?.saturating_mul(number("page_size")?) > REWRITE_BYTES_MAX {
        return Err(StoreError::TooLong);
    }
    conn.execute_batch("VACUUM")?;
    empty_wal(conn)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Access, DatabaseKey, open, snapshot};

    #[test]
    fn a_long_wal_is_moved_and_a_short_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let conn = open(&path, &DatabaseKey::new([1; 32]), Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE note (x BLOB NOT NULL) STRICT").unwrap();
        let length = || fs::metadata(&path).unwrap().len();
        let before = length();
        checkpoint_when_due(&conn).unwrap();
        assert_eq!(length(), before);
        conn.execute("INSERT INTO note VALUES (zeroblob(20000000))", []).unwrap();
        assert_eq!(length(), before, "SQLite moves nothing by itself");
        checkpoint_when_due(&conn).unwrap();
        assert!(length() > before + 20_000_000);
    }

    #[test]
    fn the_wal_is_emptied_unless_somebody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let key = DatabaseKey::new([1; 32]);
        let conn = open(&path, &key, Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE note (x TEXT NOT NULL) STRICT").unwrap();
        let wal = folder.path().join("a.db-wal");
        let length = || fs::metadata(&wal).unwrap().len();
        assert!(length() > 0);
        let reader = open(&path, &key, Access::Read).unwrap();
        snapshot(&reader, |reader| {
            let count = |conn: &Connection| {
                conn.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0)).unwrap()
            };
            assert_eq!(count(reader), 0);
            conn.execute_batch("INSERT INTO note VALUES ('a')").unwrap();
            assert!(!empty_wal(&conn).unwrap());
            assert!(length() > 0);
        })
        .unwrap();
        assert!(empty_wal(&conn).unwrap());
        assert_eq!(length(), 0);
    }

    #[test]
    fn an_encrypted_file_is_written_anew_without_what_was_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let conn = open(&path, &DatabaseKey::new([1; 32]), Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE note (x BLOB NOT NULL) STRICT").unwrap();
        conn.execute("INSERT INTO note VALUES (zeroblob(2000000))", []).unwrap();
        conn.execute("DELETE FROM note", []).unwrap();
        assert!(empty_wal(&conn).unwrap());
        let before = fs::metadata(&path).unwrap().len();
        assert!(rewrite(&conn).unwrap());
        let after = fs::metadata(&path).unwrap().len();
        assert!(before > 2_000_000 && after < 100_000, "{before} to {after}");
    }
}
