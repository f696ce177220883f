//! Which readings of a batch are new: a reading counts once, however often and in whatever order
//! its device sends it.
//!
//! Only what may repeat is compared: readings in the batch with each other, and those that are not
//! later than everything stored with the stored runs of the same span of time. A device that sends
//! in order costs no look into the database.

use store::{Connection, StoreError};
use vocab::DeviceName;

use crate::cache::{Group, IngestCache};
use crate::reading::Reading;
use crate::store::{intern_device, intern_patient};
use crate::tail::{Fetch, load_group, overlapping};

/// Answers for each reading whether it is new. Of equal readings in the batch the first is.
///
/// `fetch` answers the payload of a segment's entry, or `None` when this node no longer holds it:
/// repeats of what is in it are then new.
///
/// # Errors
///
/// What `fetch` answers, or [`StoreError::Damaged`] when what is stored does not read back.
pub fn fresh(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    readings: &[Reading],
    fetch: &mut Fetch<'_>,
) -> Result<Vec<bool>, StoreError> {
    let mut fresh = vec![false; readings.len()];
    let device_no = intern_device(conn, cache, device)?;
    // Sorted, repeats are neighbours; equal ones stay in the order of the batch.
    let mut sorted: Vec<(usize, &Reading)> = readings.iter().enumerate().collect();
    sorted.sort_by(|(_, a), (_, b)| a.identity().cmp(&b.identity()));
    if readings.windows(2).any(|pair| matches!(pair, [a, b] if a.patient != b.patient)) {
        sorted.sort_by_key(|(_, reading)| reading.patient);
    }
    sorted.dedup_by(|(_, b), (_, a)| a.patient == b.patient && a.identity() == b.identity());
    for of_patient in sorted.chunk_by(|(_, a), (_, b)| a.patient == b.patient) {
        let Some((_, first)) = of_patient.first() else { continue };
        let group = (device_no, intern_patient(conn, cache, first.patient)?);
        let stored = stored(conn, cache, group, of_patient, fetch)?;
        for ((place, _), stored) in of_patient.iter().zip(stored) {
            if let Some(fresh) = fresh.get_mut(*place) {
                *fresh = !stored;
            }
        }
    }
    Ok(fresh)
}

/// Answers for each reading of one group, sorted by identity, whether it is stored.
fn stored(
    conn: &Connection,
    cache: &mut IngestCache,
    group: Group,
    sorted: &[(usize, &Reading)],
    fetch: &mut Fetch<'_>,
) -> Result<Vec<bool>, StoreError> {
    load_group(conn, cache, group)?;
    let mut stored = vec![false; sorted.len()];
    let Some(state) = cache.group(group) else { return Ok(stored) };
    let Some(latest) = state.latest else { return Ok(stored) };
    let old = sorted.partition_point(|(_, reading)| reading.time <= latest);
    let old = sorted.get(..old).unwrap_or_default();
    let (Some((_, first)), Some((_, last))) = (old.first(), old.last()) else { return Ok(stored) };
    match &state.at_latest {
        Some(known) if first.time == latest => {
            for (stored, (_, reading)) in stored.iter_mut().zip(old) {
                *stored = known.iter().any(|known| known.identity() == reading.identity());
            }
        }
        _ => {
            let runs = overlapping(conn, cache, group, (first.time, last.time), fetch)?;
            for (stored, (_, reading)) in stored.iter_mut().zip(old) {
                let identity = reading.identity();
                *stored = runs.iter().any(|run| {
                    run.binary_search_by(|known| known.identity().cmp(&identity)).is_ok()
                });
            }
        }
    }
    Ok(stored)
}

#[cfg(test)]
mod tests;
