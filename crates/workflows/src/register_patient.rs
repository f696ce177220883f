//! A patient becomes known at this clinic.

use patients::NewPatient;
use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vocab::{Compartment, FactKind, PatientId, Timestamp};

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
    let draft = Draft {
        stream: patient_stream(id, Compartment::Identity),
        kind: FactKind::DocumentChange,
        payload: change.payload,
        own_salt: false,
        urgent: false,
    };
    state.author.write(conn, now, draft)?;
    Ok(())
}
