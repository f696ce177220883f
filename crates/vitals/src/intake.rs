//! Takes a batch in: judges its readings, leaves out repeats, stores the rest.
//!
//! What follows from the readings (alerts, the receipt, sealing) is the caller's, in the same
//! transaction.

use store::{Connection, StoreError};
use vocab::{DeviceName, PatientId, Timestamp};

use crate::batch::Batch;
use crate::cache::IngestCache;
use crate::judge::{Judged, judge};
use crate::reading::Reading;
use crate::receipt::{Outcome, Outcomes};
use crate::store::{Suspect, intern_device};
use crate::tail::{Fetch, OpenTail, append};
use crate::{history, store as tables};

/// What a batch brought.
#[derive(Debug)]
pub struct Intake {
    /// What became of each reading, in the order of the batch.
    pub outcomes: Outcomes,
    /// The readings that are new, in the order of the batch; they are stored now.
    pub fresh: Vec<Reading>,
    /// What is open for each patient that got new readings.
    pub open: Vec<OpenTail>,
}

/// Stores the readings of a batch that was not answered before.
///
/// `resolve` answers which patient of this clinic a number means; `fetch` as for
/// [`history::fresh`].
///
/// # Errors
///
/// The database's own; take the transaction back and empty the cache.
pub fn take_in(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    batch: &Batch,
    received: Timestamp,
    resolve: impl FnMut(&str) -> Option<PatientId>,
    fetch: &mut Fetch<'_>,
) -> Result<Intake, StoreError> {
    let judged = judge(batch, received, &mut cache.units, resolve);
    let mut outcomes = Vec::with_capacity(judged.len());
    let mut accepted = Vec::with_capacity(judged.len());
    for (position, judged) in judged.into_iter().enumerate() {
        outcomes.push(match judged {
            Judged::Accepted(reading) => {
                accepted.push(reading);
                Outcome::Accepted
            }
            Judged::Rejected(reason) => Outcome::Rejected(reason),
            Judged::Quarantined(reason) => {
                if let Some(Ok(reading)) = batch.readings.get(position)
                    && let Some(patient) = batch.patients.get(usize::from(reading.patient))
                {
                    let device_no = intern_device(conn, cache, device)?;
                    let suspect = Suspect { position, reason, patient, reading };
                    tables::quarantine(conn, device_no, &batch.id, received, &suspect)?;
                }
                Outcome::Quarantined(reason)
            }
        });
    }
    let kept = keep(conn, cache, device, accepted, fetch)?;
    let mut is_fresh = kept.is_fresh.into_iter();
    for outcome in &mut outcomes {
        if *outcome == Outcome::Accepted && !is_fresh.next().unwrap_or(false) {
            *outcome = Outcome::Duplicate;
        }
    }
    Ok(Intake { outcomes: outcomes.into_iter().collect(), fresh: kept.fresh, open: kept.open })
}

/// Readings that are believed, without those that were held already.
pub(crate) struct Kept {
    /// For each reading that was handed in, whether it is new.
    pub(crate) is_fresh: Vec<bool>,
    pub(crate) fresh: Vec<Reading>,
    pub(crate) open: Vec<OpenTail>,
}

/// Stores those of `accepted` that are new.
pub(crate) fn keep(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    accepted: Vec<Reading>,
    fetch: &mut Fetch<'_>,
) -> Result<Kept, StoreError> {
    let is_fresh = history::fresh(conn, cache, device, &accepted, fetch)?;
    let fresh: Vec<Reading> = accepted
        .into_iter()
        .zip(&is_fresh)
        .filter_map(|(reading, is_fresh)| is_fresh.then_some(reading))
        .collect();
    let open = if fresh.is_empty() { Vec::new() } else { append(conn, cache, device, &fresh)? };
    Ok(Kept { is_fresh, fresh, open })
}

#[cfg(test)]
mod tests;
