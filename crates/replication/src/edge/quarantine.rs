//! The way out of quarantine at a clinic: what a room here takes on a second try.

use ::store::Connection;
use vocab::Timestamp;

use crate::Materialize;
use crate::ledger::{AsideError, quarantine};

/// Hands a payload that was set aside here to its room once more. Whether the clinic may have it is not
/// asked again: where access ended, the hub's order took it along.
///
/// # Errors
///
/// [`AsideError`]; then nothing changed.
pub fn retry(
    conn: &Connection,
    now: Timestamp,
    no: i64,
    rooms: &mut dyn Materialize,
) -> Result<(), AsideError> {
    quarantine::take_again(conn, now, no, rooms, |_| Ok(true)).map(|_| ())
}
