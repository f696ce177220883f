//! One transaction that many jobs share, each of which can be undone alone.
//!
//! A commit waits for the disk, so the writer of a database commits many jobs at once. A job that
//! fails must take nothing of its neighbours with it: each runs inside a savepoint.

use rusqlite::Connection;

use crate::StoreError;

/// Takes the write lock at once, so that no job finds it taken halfway.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
const SAVE: &str = "SAVEPOINT job";
const KEEP: &str = "RELEASE job";
const UNDO: &str = "ROLLBACK TO job";

/// An open write transaction; dropping it undoes everything.
#[derive(Debug)]
pub struct Group<'c> {
    conn: &'c Connection,
    changes_before: u64,
}

impl<'c> Group<'c> {
    /// Opens the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when another process holds the write lock or the file cannot be read.
    pub fn begin(conn: &'c Connection) -> Result<Self, StoreError> {
        run(conn, BEGIN)?;
        Ok(Self { conn, changes_before: conn.total_changes() })
    }

    /// Starts a job; [`keep`](Self::keep) or [`undo`](Self::undo) ends it.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the group is lost.
    pub fn start(&self) -> Result<(), StoreError> {
        run(self.conn, SAVE)
    }

    /// Ends a job whose work is to be committed with the group.
    ///
    /// # Errors
    ///
    /// [`StoreError::Undone`] as for [`undo`](Self::undo); the group is lost.
    pub fn keep(&self) -> Result<(), StoreError> {
        if self.is_lost() {
            return Err(StoreError::Undone);
        }
        run(self.conn, KEEP)
    }

    /// Ends a job and takes back what it did, and nothing else.
    ///
    /// # Errors
    ///
    /// [`StoreError::Undone`] when SQLite took back the whole transaction by itself, as it does
    /// after a full disk or an input/output error; the group is lost.
    pub fn undo(&self) -> Result<(), StoreError> {
        if self.is_lost() {
            return Err(StoreError::Undone);
        }
        run(self.conn, UNDO)?;
        run(self.conn, KEEP)
    }

    /// Whether SQLite has already taken back the whole transaction.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.conn.is_autocommit()
    }

    /// Makes the group durable; answers whether anything was written at all.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing of the group is kept.
    pub fn commit(self) -> Result<bool, StoreError> {
        if self.is_lost() {
            return Err(StoreError::Undone);
        }
        run(self.conn, COMMIT)?;
        Ok(self.conn.total_changes() != self.changes_before)
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !self.is_lost() {
            // Fails only where the transaction is already gone, which is what is wanted.
            let _ = run(self.conn, ROLLBACK);
        }
    }
}

fn run(conn: &Connection, sql: &'static str) -> Result<(), StoreError> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Connection {
        let conn = crate::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE note (x TEXT NOT NULL) STRICT").unwrap();
        conn
    }

    fn add(conn: &Connection, x: &str) {
        conn.execute("INSERT INTO note VALUES (?1)", [x]).unwrap();
    }

    fn held(conn: &Connection) -> Vec<String> {
        let mut query = conn.prepare("SELECT x FROM note ORDER BY rowid").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn an_undone_job_takes_nothing_of_its_neighbours_with_it() {
        let conn = notes();
        let group = Group::begin(&conn).unwrap();
        for (x, kept) in [("a", true), ("b", false), ("c", true)] {
            group.start().unwrap();
            add(&conn, x);
            if kept { group.keep().unwrap() } else { group.undo().unwrap() }
        }
        assert!(group.commit().unwrap());
        assert_eq!(held(&conn), ["a", "c"]);
    }

    #[test]
    fn a_dropped_group_leaves_nothing() {
        let conn = notes();
        let group = Group::begin(&conn).unwrap();
        add(&conn, "a");
        drop(group);
        assert!(held(&conn).is_empty());
    }

    #[test]
    fn a_group_that_only_read_says_so() {
        let conn = notes();
        let group = Group::begin(&conn).unwrap();
        group.start().unwrap();
        assert!(held(&conn).is_empty());
        group.keep().unwrap();
        assert!(!group.commit().unwrap());
    }

    #[test]
    fn a_transaction_that_was_taken_back_is_noticed() {
        let conn = notes();
        let group = Group::begin(&conn).unwrap();
        group.start().unwrap();
        conn.execute_batch("ROLLBACK").unwrap();
        assert!(matches!(group.keep(), Err(StoreError::Undone)));
        assert!(matches!(group.undo(), Err(StoreError::Undone)));
        assert!(matches!(group.commit(), Err(StoreError::Undone)));
    }
}
