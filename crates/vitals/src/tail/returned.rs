//! Segments of this clinic that its disk had lost.

use ::store::{Connection, StoreError};
use vocab::PatientId;

use super::store::{self, record_span};
use crate::cache::IngestCache;
use crate::segment::Segment;

/// A segment that was sealed here came back after the disk was put back from an older copy. Readings
/// that the copy holds as open are not sealed again, and repeats of what is in it are found. Whoever
/// keeps an [`IngestCache`] must empty it.
///
/// # Errors
///
/// [`StoreError::Damaged`] when an open row does not read back.
pub fn came_back(
    conn: &Connection,
    patient: PatientId,
    entry: &[u8; 32],
    segment: &Segment,
) -> Result<(), StoreError> {
    let mut cache = IngestCache::default();
    record_span(conn, &mut cache, &segment.device, patient, entry, &segment.readings)?;
    store::leave_out(conn, &mut cache, &segment.device, patient, &segment.readings)
}
