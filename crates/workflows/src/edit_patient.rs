//! A patient's details change, field by field.

use patients::PatientEdit;
use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vocab::{Compartment, FactKind, PatientId, Timestamp};

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
    let draft = Draft {
        stream: patient_stream(id, Compartment::Identity),
        kind: FactKind::DocumentChange,
        payload: change.payload,
        own_salt: false,
        urgent: false,
    };
    state.author.write(conn, now, draft)?;
    Ok(true)
}
