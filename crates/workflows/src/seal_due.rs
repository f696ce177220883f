//! Segments that have been open for long enough are sealed, however few readings they hold.

use store::Connection;
use vocab::Timestamp;

use crate::seal::seal;
use crate::{EdgeState, WorkflowError};

/// How long a segment stays open after its first reading.
pub const OPEN_SECONDS_MAX: i64 = 60;

/// Segments sealed in one transaction, so that devices do not wait behind a flush of thousands.
const SEGMENTS_MAX: usize = 64;

/// Seals segments whose first reading arrived at least `age_seconds` ago; answers how many. Call it
/// again while it answers as many as fit one transaction.
///
/// # Errors
///
/// [`WorkflowError::Store`] and [`WorkflowError::Ledger`]; nothing is sealed then.
pub fn seal_due(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    age_seconds: i64,
) -> Result<Sealed, WorkflowError> {
    let due = vitals::tail::tails_due(conn, now.plus_seconds(-age_seconds), now)?;
    let more = due.len() > SEGMENTS_MAX;
    let mut count = 0;
    for (device, patient) in due.into_iter().take(SEGMENTS_MAX) {
        count += usize::from(seal(conn, state, now, &device, patient)?);
    }
    Ok(Sealed { count, more })
}

/// What one call sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Segments.
    pub count: usize,
    /// Whether others are still due.
    pub more: bool,
}
