//! Databases with every table and no row, and the rules that ship: made once, copied for each storm.
//!
//! Running the migrations of all rooms costs more than a third of what a short storm does.

use std::sync::OnceLock;

use alerts::RuleTable;
use store::{Connection, Room};
use tempfile::TempDir;
use workflows::schema;

use crate::disk;

const NO_LIMIT: &str = "the box works on sound storage";

/// A new edge's database.
pub(crate) fn edge() -> Connection {
    thread_local!(static EDGE: Connection = make(schema::EDGE));
    EDGE.with(copy)
}

/// A new hub's database.
pub(crate) fn hub() -> Connection {
    thread_local!(static HUB: Connection = make(schema::HUB));
    HUB.with(copy)
}

/// The rules that ship.
pub(crate) fn rules() -> RuleTable {
    static RULES: OnceLock<RuleTable> = OnceLock::new();
    let read = || RuleTable::built_in().expect("the rules that ship are sound");
    RULES.get_or_init(read).clone()
}

/// A new database in a folder.
pub(crate) fn on_disk(rooms: &[Room]) -> TempDir {
    let folder = disk::new_folder();
    let mut conn = disk::open(&folder);
    store::migrate(&mut conn, rooms).expect(NO_LIMIT);
    store::empty_wal(&conn).expect(NO_LIMIT);
    folder
}

fn make(rooms: &[Room]) -> Connection {
    let mut conn = store::open_in_memory().expect(NO_LIMIT);
    store::migrate(&mut conn, rooms).expect(NO_LIMIT);
    conn
}

fn copy(conn: &Connection) -> Connection {
    store::copy_in_memory(conn).expect(NO_LIMIT)
}
