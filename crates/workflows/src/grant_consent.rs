//! A patient allows something.

use consent::fact::ConsentEvent;
use consent::{Grant, GrantTerms};
use store::Connection;
use vocab::Timestamp;

use crate::{EdgeState, WorkflowError};

/// Keeps a grant and queues it ahead of the data it is about.
///
/// # Errors
///
/// [`WorkflowError::Grant`] when the terms break a rule, [`WorkflowError::UnknownPatient`].
pub fn grant_consent(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    terms: GrantTerms,
) -> Result<Grant, WorkflowError> {
    let patient = terms.patient;
    if patients::store::get(conn, patient)?.is_none() {
        return Err(WorkflowError::UnknownPatient);
    }
    let grant = Grant::new(terms)?;
    consent::store::record_grant(conn, grant.clone(), state.own_site()?, now)?;
    let event = ConsentEvent::Grant(grant.clone());
    state.queue_consent(conn, now, patient, &event)?;
    Ok(grant)
}
