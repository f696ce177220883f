//! Emptying the WAL, so that nothing older than the database stays beside it.

use std::time::Duration;

use rusqlite::Connection;

use crate::StoreError;
use crate::open::BUSY_TIMEOUT;

/// Moves everything into the database file and cuts the WAL to nothing; the first number says
/// whether somebody who reads was in the way.
const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Access, DatabaseKey, open, snapshot};

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
}
