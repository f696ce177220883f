//! Reading from one state of the database, whatever is written meanwhile.

use rusqlite::Connection;

use crate::StoreError;

/// Runs `work` inside a read transaction: all its queries see the state of the first one.
///
/// # Errors
///
/// [`StoreError`] when the transaction cannot be opened; what `work` returns is inside the `Ok`.
pub fn snapshot<T>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> T,
) -> Result<T, StoreError> {
    let reading = conn.unchecked_transaction()?;
    let answer = work(&reading);
    // Nothing was written, so there is nothing to lose; dropping it only ends the snapshot.
    drop(reading);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, DatabaseKey, open};

    #[test]
    fn a_snapshot_does_not_see_what_is_committed_during_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let key = DatabaseKey::new([1; 32]);
        let writer = open(&path, &key, Access::Write).unwrap();
        writer.execute_batch("CREATE TABLE note (x TEXT NOT NULL) STRICT").unwrap();
        let reader = open(&path, &key, Access::Read).unwrap();
        let count = |conn: &Connection| -> i64 {
            conn.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).unwrap()
        };
        let (before, during) = snapshot(&reader, |conn| {
            let before = count(conn);
            writer.execute_batch("INSERT INTO note VALUES ('a')").unwrap();
            (before, count(conn))
        })
        .unwrap();
        assert_eq!((before, during, count(&reader)), (0, 0, 1));
    }
}
