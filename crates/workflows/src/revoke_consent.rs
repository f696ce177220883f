//! A patient takes something back.

use consent::fact::ConsentEvent;
use consent::{Revoke, RevokeTerms};
use store::Connection;
use vocab::Timestamp;

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
    state.queue_consent(conn, now, patient, &event)?;
    Ok(revoke)
}
