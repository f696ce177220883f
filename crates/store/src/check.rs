//! Whether the database file is whole.

use rusqlite::Connection;

use crate::StoreError;

/// Each page against its authentication code.
const PAGES: &str = "PRAGMA cipher_integrity_check";

/// Tables against their indexes and constraints; one row `ok`, or what is wrong.
const TABLES: &str = "PRAGMA integrity_check(1)";

/// Rows that point nowhere.
const REFERENCES: &str = "PRAGMA foreign_key_check";

/// Times that the pages are looked at: a page that is being written may look wrong once.
const LOOKS: usize = 2;

/// Checks every page, table, index and reference of the file.
///
/// # Errors
///
/// [`StoreError::Damaged`] naming what does not hold.
pub fn check_file(conn: &Connection) -> Result<(), StoreError> {
    let mut looks = 0;
    while rows(conn, PAGES)? > 0 {
        looks += 1;
        if looks == LOOKS {
            return Err(StoreError::Damaged { what: "page of the database file" });
        }
    }
    let verdict: String = conn.query_row(TABLES, [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Damaged { what: "table or index of the database" });
    }
    if rows(conn, REFERENCES)? > 0 {
        return Err(StoreError::Damaged { what: "reference between tables of the database" });
    }
    Ok(())
}

fn rows(conn: &Connection, question: &str) -> Result<usize, StoreError> {
    let mut statement = conn.prepare(question)?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while rows.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::{Access, DatabaseKey, open};

    #[test]
    fn a_flipped_bit_is_found_and_a_sound_file_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let key = DatabaseKey::new([1; 32]);
        let conn = open(&path, &key, Access::Write).unwrap();
        conn.execute_batch(
            "CREATE TABLE note (x TEXT NOT NULL) STRICT;
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO note SELECT hex(randomblob(40)) FROM n;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
        check_file(&conn).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 20_000).unwrap();
        file.write_all_at(&[byte[0] ^ 4], 20_000).unwrap();
        assert!(matches!(check_file(&conn), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_found() {
        let conn = crate::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE a (no INTEGER PRIMARY KEY) STRICT;
             CREATE TABLE b (a INTEGER NOT NULL REFERENCES a (no)) STRICT;
             PRAGMA foreign_keys = OFF;
             INSERT INTO b VALUES (7);",
        )
        .unwrap();
        assert!(matches!(check_file(&conn), Err(StoreError::Damaged { .. })));
    }
}
