//! What got new readings is sealed, if it is full or somebody must see it.

use std::collections::BTreeMap;

use store::Connection;
use vitals::tail::OpenTail;
use vocab::{DeviceName, PatientId, Timestamp};

use crate::seal::seal;
use crate::{EdgeState, WorkflowError};

/// Readings of one device for one patient that make a full segment.
///
/// The fixed cost of an entry, about 165 bytes, is below a tenth of its columns from here on.
const SEGMENT_READINGS: u64 = 1_000;

/// Seals the segments that are full, and those with an alert that somebody must see with its
/// readings.
pub(crate) fn seal_full(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    device: &DeviceName,
    open: &[OpenTail],
    raised: &BTreeMap<PatientId, bool>,
) -> Result<bool, WorkflowError> {
    let mut any = false;
    for tail in open {
        let has_alert = raised.get(&tail.patient).copied().unwrap_or(false);
        if tail.readings >= SEGMENT_READINGS || has_alert {
            any |= seal(conn, state, now, device, tail.patient)?;
        }
    }
    Ok(any)
}
