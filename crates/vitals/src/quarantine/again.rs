//! Readings that were set aside are judged by today's rules, for who is known today.

use ::store::{Connection, StoreError};
use vocab::{DeviceName, PatientId, Timestamp};

use super::{Quarantined, Standing, store};
use crate::cache::IngestCache;
use crate::intake::keep;
use crate::judge::judge_again;
use crate::reading::Reading;
use crate::reason::Reason;
use crate::tail::{Fetch, OpenTail};

/// What became of readings that were judged again.
#[derive(Debug)]
pub struct TakenAgain {
    /// The readings that are new; they are stored now.
    pub fresh: Vec<Reading>,
    /// How many are believed and were held already.
    pub repeats: u64,
    /// Those that stay set aside, by number, and why.
    pub stay: Vec<(i64, Reason)>,
    /// What is open for each patient that got new readings.
    pub open: Vec<OpenTail>,
}

/// Stores those of `waiting` that are believed now; the others stay as they are. All are of `device`,
/// and open.
///
/// `resolve` and `fetch` as for [`take_in`](crate::intake::take_in).
///
/// # Errors
///
/// The database's own; take the transaction back and empty the cache.
pub fn take_in_again(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    waiting: &[Quarantined],
    now: Timestamp,
    mut resolve: impl FnMut(&str) -> Option<PatientId>,
    fetch: &mut Fetch<'_>,
) -> Result<TakenAgain, StoreError> {
    let (mut numbers, mut accepted, mut stay) = (Vec::new(), Vec::new(), Vec::new());
    for one in waiting {
        let Some(contents) = &one.contents else { continue };
        let patient = resolve(contents.patient.as_str());
        match judge_again(one, contents, patient, now, &mut cache.units) {
            Ok(reading) => {
                numbers.push(one.no);
                accepted.push(reading);
            }
            Err(reason) => stay.push((one.no, reason)),
        }
    }
    let kept = keep(conn, cache, device, accepted, fetch)?;
    let mut repeats = 0;
    for (no, is_fresh) in numbers.into_iter().zip(kept.is_fresh) {
        repeats += u64::from(!is_fresh);
        let standing = if is_fresh { Standing::Taken } else { Standing::Repeat };
        store::settle(conn, no, standing, now, None)?;
    }
    Ok(TakenAgain { fresh: kept.fresh, repeats, stay, open: kept.open })
}
