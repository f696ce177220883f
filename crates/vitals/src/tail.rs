//! Accepted readings until they are sealed, and what is known about sealed ones.
//!
//! A batch's readings of one patient are one row of columns, on disk before the receipt is sent.
//! When enough have come together they are taken out, sealed into a segment, and only the span of
//! time of that segment stays here.

mod returned;
mod store;

pub use self::returned::came_back;
pub use self::store::{
    Counts, Fetch, counts, for_each_open, open_of, record_span, tails_due, take_tail,
};
pub(crate) use self::store::{load_group, overlapping};

use std::collections::BTreeMap;

use ::store::{Connection, StoreError};
use vocab::{DeviceName, PatientId, Timestamp};

use crate::cache::IngestCache;
use crate::reading::{Reading, SealedReading};
use crate::store::{intern_device, intern_patient};

/// Readings of one device for one patient that are not sealed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTail {
    /// Whose they are.
    pub patient: PatientId,
    /// How many.
    pub readings: u64,
    /// When the first of them arrived.
    pub since: Timestamp,
}

/// Stores readings that are fresh, and answers what is open now for each of their patients.
///
/// # Errors
///
/// The database's own; take the transaction back and empty the cache.
pub fn append(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    readings: &[Reading],
) -> Result<Vec<OpenTail>, StoreError> {
    let mut patients: BTreeMap<PatientId, Vec<&Reading>> = BTreeMap::new();
    // Runs of one patient are found without a look-up per reading.
    for run in readings.chunk_by(|a, b| a.patient == b.patient) {
        if let Some(first) = run.first() {
            patients.entry(first.patient).or_default().extend(run);
        }
    }
    let device_no = intern_device(conn, cache, device)?;
    let mut open = Vec::with_capacity(patients.len());
    for (patient, mut readings) in patients {
        let group = (device_no, intern_patient(conn, cache, patient)?);
        load_group(conn, cache, group)?;
        readings.sort_by(|a, b| a.identity().cmp(&b.identity()));
        let sealed: Vec<SealedReading> = readings.into_iter().map(Reading::sealed).collect();
        let (readings, since) = store::insert_row(conn, cache, group, &sealed)?;
        open.push(OpenTail { patient, readings, since });
    }
    Ok(open)
}
