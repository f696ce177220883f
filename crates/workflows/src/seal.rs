//! The open readings of one device for one patient become a signed segment.

use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vitals::{segment, tail};
use vocab::{Compartment, DeviceName, FactKind, PatientId, Timestamp};

use crate::{EdgeState, WorkflowError};

/// Seals what is open; answers whether there was anything.
pub(crate) fn seal(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    device: &DeviceName,
    patient: PatientId,
) -> Result<bool, WorkflowError> {
    let readings = tail::take_tail(conn, &mut state.ingest, device, patient)?;
    if readings.is_empty() {
        return Ok(false);
    }
    for some in readings.chunks(segment::SEGMENT_READINGS_MAX) {
        let draft = Draft {
            stream: patient_stream(patient, Compartment::Vitals),
            kind: FactKind::Segment,
            payload: segment::encode(device, some)?,
            own_salt: false,
            urgent: false,
        };
        let written = state.author.write(conn, now, draft)?;
        let cache = &mut state.ingest;
        tail::record_span(conn, cache, device, patient, &written.id.0, some)?;
    }
    Ok(true)
}
