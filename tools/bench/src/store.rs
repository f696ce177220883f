//! The limits of the disk: rows as plain as they can be.

use std::path::Path;
use std::time::Duration;

use rusqlite::params;
use store::{Access, DatabaseKey, StoreError};

use crate::fleet::now;

const TABLE: &str = "
    CREATE TABLE raw (patient INTEGER NOT NULL, time INTEGER NOT NULL, code INTEGER NOT NULL,
                      value REAL NOT NULL) STRICT";
const INSERT: &str = "INSERT INTO raw VALUES (?1, ?2, ?3, ?4)";
const LOG: &str = "CREATE TABLE log (no INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT";
const APPEND: &str = "INSERT INTO log (bytes) VALUES (?1)";

/// An encrypted database with a table for rows and one for a log.
pub(crate) fn open(folder: &Path) -> Result<store::Connection, StoreError> {
    let conn = store::open(&folder.join("raw.db"), &DatabaseKey::new([7; 32]), Access::Write)?;
    conn.execute_batch(TABLE)?;
    conn.execute_batch(LOG)?;
    Ok(conn)
}

/// One row per reading, a commit every `per_commit`.
pub(crate) fn insert_rows(
    conn: &mut store::Connection,
    count: usize,
    per_commit: usize,
) -> Result<Duration, StoreError> {
    let started = now();
    let mut done = 0;
    while done < count {
        let tx = conn.transaction()?;
        {
            let mut insert = tx.prepare_cached(INSERT)?;
            for at in done..(done + per_commit).min(count) {
                let at = i64::try_from(at).unwrap_or(0);
                insert.execute(params![at % 100, at, at % 7, 36.6])?;
            }
        }
        tx.commit()?;
        done += per_commit;
    }
    Ok(started.elapsed())
}

/// Appends blobs in one commit.
pub(crate) fn append(conn: &mut store::Connection, blobs: &[Vec<u8>]) -> Result<(), StoreError> {
    let tx = conn.transaction()?;
    {
        let mut insert = tx.prepare_cached(APPEND)?;
        for blob in blobs {
            insert.execute([blob])?;
        }
    }
    Ok(tx.commit()?)
}
