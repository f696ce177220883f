//! A patient allows something.

use consent::fact::ConsentEvent;
use consent::{Grant, GrantTerms};
use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vocab::{Compartment, Timestamp};

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
    let draft = Draft {
        stream: patient_stream(patient, Compartment::Consent),
        kind: event.kind(),
        payload: event.to_bytes(),
        own_salt: true,
        urgent: false,
    };
    state.author.write(conn, now, draft)?;
    Ok(grant)
}
