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
    let mut is_fresh = history::fresh(conn, cache, device, &accepted, fetch)?.into_iter();
    let mut still = is_fresh.clone();
    accepted.retain(|_| still.next().unwrap_or(false));
    for outcome in &mut outcomes {
        if *outcome == Outcome::Accepted && !is_fresh.next().unwrap_or(false) {
            *outcome = Outcome::Duplicate;
        }
    }
    let open =
        if accepted.is_empty() { Vec::new() } else { append(conn, cache, device, &accepted)? };
    Ok(Intake { outcomes: outcomes.into_iter().collect(), fresh: accepted, open })
}

#[cfg(test)]
mod tests;
