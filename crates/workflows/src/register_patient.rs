//! A patient becomes known at this clinic.

use patients::NewPatient;
use store::Connection;
use vocab::{PatientId, Timestamp};

use crate::of_age::note_of_age;
use crate::{EdgeState, WorkflowError};

/// Registers `new` under `id`, which the caller drew.
///
/// # Errors
///
/// [`WorkflowError::Record`] when the number is taken at this clinic.
pub fn register_patient(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    id: PatientId,
    new: &NewPatient,
) -> Result<(), WorkflowError> {
    let change = patients::register(conn, id, new, state.record_author()?)?;
    note_of_age(conn, id)?;
    state.queue_change(conn, now, id, change)
}
