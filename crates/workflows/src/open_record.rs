//! A record is opened in an emergency.

use consent::EmergencyAccess;
use replication::Draft;
use replication::streams::emergency_stream;
use store::Connection;
use vocab::{FactKind, Timestamp};

use crate::{EdgeState, WorkflowError};

/// Writes down that a record is opened, and why, and queues that ahead of everything else. Nothing is
/// shown before this is committed.
///
/// # Errors
///
/// [`WorkflowError::Emergency`] when a reason or the parts are missing;
/// [`WorkflowError::UnknownPatient`].
pub fn open_record(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    access: EmergencyAccess,
) -> Result<(), WorkflowError> {
    if patients::store::get(conn, access.patient)?.is_none() {
        return Err(WorkflowError::UnknownPatient);
    }
    let (access, site) = (access.checked()?, state.own_site()?);
    consent::emergency::record(conn, &access, site, now)?;
    let draft = Draft {
        stream: emergency_stream(site),
        kind: FactKind::EmergencyAccess,
        payload: access.to_bytes(),
        own_salt: true,
        urgent: true,
    };
    state.author.write(conn, now, draft)?;
    Ok(())
}
