//! SQL of a hub that came back.

use rusqlite::Connection;
use store::StoreError;

const BEGIN_AGAIN: &str = "UPDATE hub_meta SET incarnation = ?1, safe_mode = 1";
const SAFE_MODE: &str = "SELECT safe_mode FROM hub_meta";

/// Gives a database that came back its new incarnation, drawn at random, and sets the mark that it came
/// back.
///
/// # Errors
///
/// The database's; [`StoreError::Damaged`] when it is no hub's.
pub fn begin_again(conn: &Connection, incarnation: u64) -> Result<(), StoreError> {
    match conn.prepare_cached(BEGIN_AGAIN)?.execute([incarnation.cast_signed()])? {
        1 => Ok(()),
        _ => Err(StoreError::Damaged { what: "incarnation of the hub" }),
    }
}

/// Whether the database came back from a backup and nobody has said since that it is up to date.
///
/// # Errors
///
/// The database's.
pub fn is_in_safe_mode(conn: &Connection) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(SAFE_MODE)?.query_row([], |row| row.get(0))?)
}
