//! A part of a transaction that can be taken back alone.

use rusqlite::Connection;

use crate::StoreError;

const SAVE: &str = "SAVEPOINT part";
const KEEP: &str = "RELEASE part";
const UNDO: &str = "ROLLBACK TO part";

/// Runs `work` inside a savepoint: what it wrote is kept if it answers `Ok` and taken back if not.
///
/// # Errors
///
/// What `work` answers, or the database's own.
pub fn savepoint<T, E: From<StoreError>>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    run(conn, SAVE)?;
    let outcome = work(conn);
    if outcome.is_err() {
        run(conn, UNDO)?;
    }
    run(conn, KEEP)?;
    outcome
}

fn run(conn: &Connection, sql: &'static str) -> Result<(), StoreError> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_part_is_taken_back_and_the_rest_stays() {
        let conn = crate::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (x INTEGER NOT NULL) STRICT; BEGIN").unwrap();
        conn.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let failed: Result<(), StoreError> = savepoint(&conn, |conn| {
            conn.execute_batch("INSERT INTO t VALUES (2)")?;
            savepoint(conn, |conn| {
                Ok::<_, StoreError>(conn.execute_batch("INSERT INTO t VALUES (3)")?)
            })?;
            Err(StoreError::DiskFull)
        });
        assert!(failed.is_err());
        conn.execute_batch("INSERT INTO t VALUES (4); COMMIT").unwrap();
        let sum: i64 = conn.query_row("SELECT sum(x) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 5);
    }
}
