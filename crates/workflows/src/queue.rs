//! What a clinic wrote, signed and queued for the hub.

use consent::fact::ConsentEvent;
use document::Change;
use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vocab::{Compartment, FactKind, PatientId, Timestamp};

use crate::{EdgeState, WorkflowError};

impl EdgeState {
    /// A consent event: ahead of the data that it is about, and so that it can be erased alone.
    pub(crate) fn queue_consent(
        &mut self,
        conn: &Connection,
        now: Timestamp,
        patient: PatientId,
        event: &ConsentEvent,
    ) -> Result<(), WorkflowError> {
        let draft = Draft {
            stream: patient_stream(patient, Compartment::Consent),
            kind: event.kind(),
            payload: event.to_bytes(),
            own_salt: true,
            urgent: false,
        };
        self.author.write(conn, now, draft)?;
        Ok(())
    }

    /// A change to the document that names the patient.
    pub(crate) fn queue_change(
        &mut self,
        conn: &Connection,
        now: Timestamp,
        patient: PatientId,
        change: Change,
    ) -> Result<(), WorkflowError> {
        let draft = Draft {
            stream: patient_stream(patient, Compartment::Identity),
            kind: FactKind::DocumentChange,
            payload: change.payload,
            own_salt: false,
            urgent: false,
        };
        self.author.write(conn, now, draft)?;
        Ok(())
    }
}
