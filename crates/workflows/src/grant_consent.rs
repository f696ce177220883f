//! A patient allows something.

use consent::fact::ConsentEvent;
use consent::{Grant, GrantTerms};
use store::Connection;
use vocab::Timestamp;

use crate::of_age::note_of_age;
use crate::{EdgeState, WorkflowError};

/// Keeps a grant and queues it ahead of the data it is about.
///
/// # Errors
///
/// [`WorkflowError::Grant`] when the terms break a rule, [`WorkflowError::UnknownPatient`]; what a
/// guardian grants needs a known birth date, and ends at the latest when the child comes of age.
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
    note_of_age(conn, patient)?;
    let grant = Grant::new(terms)?;
    within_childhood(conn, &grant)?;
    consent::store::record_grant(conn, grant.clone(), state.own_site()?, now)?;
    let event = ConsentEvent::Grant(grant.clone());
    state.queue_consent(conn, now, patient, &event)?;
    Ok(grant)
}

fn within_childhood(conn: &Connection, grant: &Grant) -> Result<(), WorkflowError> {
    let terms = grant.terms();
    if !terms.grantor.is_guardian() {
        return Ok(());
    }
    let of_age =
        consent::store::of_age(conn, terms.patient)?.ok_or(WorkflowError::BirthDateUnknown)?;
    if terms.valid_from >= of_age {
        return Err(WorkflowError::OfAge);
    }
    if terms.valid_to.is_none_or(|end| end > of_age) {
        return Err(WorkflowError::BeyondChildhood { of_age });
    }
    Ok(())
}
