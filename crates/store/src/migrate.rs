//! Forward-only migrations, kept per room so that parallel work never fights over one number.

use rusqlite::Connection;

use crate::StoreError;

/// A crate that owns tables.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Its name, which also names its history table.
    pub name: &'static str,
    /// Its scripts: `("V1__reading", include_str!("../migrations/001_reading.sql"))`, in order. A
    /// script that was released is never edited.
    pub scripts: &'static [(&'static str, &'static str)],
}

/// Brings the tables of every room to their newest form. Runs at each start; does nothing twice. A
/// room's scripts and the note that they ran are one transaction: after a power cut between them the
/// tables would be there, the scripts would run again, and the program could never start.
///
/// # Errors
///
/// [`StoreError::Migration`] when a script fails or an applied one was edited.
pub fn migrate(conn: &mut Connection, rooms: &[Room]) -> Result<(), StoreError> {
    for room in rooms {
        let failed = |source| StoreError::Migration { room: room.name, source: Box::new(source) };
        let scripts = room
            .scripts
            .iter()
            .map(|(name, sql)| refinery::Migration::unapplied(name, sql))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        refinery::Runner::new(&scripts)
            .set_grouped(true)
            .set_migration_table_name(format!("migrations_{}", room.name))
            .run(conn)
            .map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Room =
        Room { name: "notes", scripts: &[("V1__note", "CREATE TABLE note (x TEXT) STRICT")] };

    const GROWN: Room = Room {
        name: "notes",
        scripts: &[
            ("V1__note", "CREATE TABLE note (x TEXT) STRICT"),
            ("V2__day", "ALTER TABLE note ADD COLUMN day INTEGER"),
        ],
    };

    #[test]
    fn a_second_start_changes_nothing_and_a_new_script_is_added() {
        let mut conn = crate::open_in_memory().unwrap();
        migrate(&mut conn, &[FIRST]).unwrap();
        conn.execute_batch("INSERT INTO note VALUES ('kept')").unwrap();
        migrate(&mut conn, &[FIRST]).unwrap();
        migrate(&mut conn, &[GROWN]).unwrap();
        let (x, day): (String, Option<i64>) =
            conn.query_row("SELECT x, day FROM note", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert_eq!((x.as_str(), day), ("kept", None));
    }

    #[test]
    fn a_script_and_the_note_that_it_ran_are_there_together_or_not_at_all() {
        let mut conn = crate::open_in_memory().unwrap();
        migrate(&mut conn, &[FIRST]).unwrap();
        conn.execute_batch(
            "CREATE TRIGGER no_note BEFORE INSERT ON migrations_notes
             BEGIN SELECT raise(ABORT, 'planted'); END",
        )
        .unwrap();
        assert!(migrate(&mut conn, &[GROWN]).is_err());
        conn.execute_batch("DROP TRIGGER no_note").unwrap();
        migrate(&mut conn, &[GROWN]).unwrap();
    }

    #[test]
    fn an_edited_script_is_refused() {
        let mut conn = crate::open_in_memory().unwrap();
        migrate(&mut conn, &[FIRST]).unwrap();
        let edited =
            Room { name: "notes", scripts: &[("V1__note", "CREATE TABLE note (y TEXT) STRICT")] };
        assert!(matches!(
            migrate(&mut conn, &[edited]),
            Err(StoreError::Migration { room: "notes", .. })
        ));
    }
}
