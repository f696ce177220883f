//! A patient takes something back.

use consent::fact::ConsentEvent;
use consent::{Revoke, RevokeTerms};
use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vocab::{Compartment, Timestamp};

use crate::{EdgeState, WorkflowError};

/// Keeps a revocation, which counts here at once, and queues it ahead of all data.
///
/// # Errors
///
/// [`WorkflowError::Revoke`] when it names nothing or too much.
pub fn revoke_consent(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    terms: RevokeTerms,
) -> Result<Revoke, WorkflowError> {
    let patient = terms.patient;
    let revoke = Revoke::new(terms)?;
    consent::store::record_revoke(conn, revoke.clone(), state.own_site()?, now)?;
    let event = ConsentEvent::Revoke(revoke.clone());
    let draft = Draft {
        stream: patient_stream(patient, Compartment::Consent),
        kind: event.kind(),
        payload: event.to_bytes(),
        own_salt: true,
        urgent: false,
    };
    state.author.write(conn, now, draft)?;
    Ok(revoke)
}
