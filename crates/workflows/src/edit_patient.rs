//! A patient's details change, field by field.

use patients::PatientEdit;
use store::Connection;
use vocab::{PatientId, Timestamp};

use crate::of_age::note_of_age;
use crate::{EdgeState, WorkflowError};

/// Edits a patient; answers whether anything changed.
///
/// # Errors
///
/// [`WorkflowError::Record`] when the patient is not known here or a new number is taken.
pub fn edit_patient(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    id: PatientId,
    edits: &[PatientEdit],
) -> Result<bool, WorkflowError> {
    let Some(change) = patients::edit(conn, id, edits, state.record_author()?)? else {
        return Ok(false);
    };
    note_of_age(conn, id)?;
    state.queue_change(conn, now, id, change)?;
    Ok(true)
}
