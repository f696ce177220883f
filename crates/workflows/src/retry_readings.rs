//! Readings that were set aside are judged again, after a patient was registered or a rule changed.

use std::collections::BTreeMap;

use store::Connection;
use vitals::quarantine::{Quarantined, find_open, open_after, take_in_again};
use vitals::reading::Reading;
use vitals::reason::Reason;
use vocab::{DeviceName, Timestamp};

use crate::raise::raise;
use crate::seal_full::seal_full;
use crate::{EdgeState, WorkflowError};

/// Readings judged again in one transaction, so that devices do not wait behind thousands.
const READINGS_MAX: u32 = 500;

/// Which readings to judge again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one of this number.
    One(i64),
    /// The next that wait after this number, as many as fit one transaction.
    After(i64),
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Retried {
    /// The readings that are new, with the device that sent them.
    pub fresh: Vec<(DeviceName, Vec<Reading>)>,
    /// How many are believed and were held already.
    pub repeats: u64,
    /// Those that stay set aside, by number, and why.
    pub stay: Vec<(i64, Reason)>,
    /// The last that was looked at, if there was any; go on after it.
    pub last: Option<i64>,
    /// Whether something was queued for the hub.
    pub queued: bool,
    /// Whether somebody must come now.
    pub urgent: bool,
}

/// Takes in those that are believed today, with everything that follows from new readings; the others
/// stay as they are.
///
/// # Errors
///
/// [`WorkflowError::Quarantine`] for a number that is unknown or settled; nothing changed then.
pub fn retry_readings(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    which: Which,
) -> Result<Retried, WorkflowError> {
    let waiting = match which {
        Which::One(no) => vec![find_open(conn, no)?],
        Which::After(no) => open_after(conn, no, READINGS_MAX)?,
    };
    let mut all = Retried { last: waiting.last().map(|one| one.no), ..Retried::default() };
    let mut by_device: BTreeMap<DeviceName, Vec<Quarantined>> = BTreeMap::new();
    for one in waiting {
        by_device.entry(one.device.clone()).or_default().push(one);
    }
    for (device, waiting) in by_device {
        of_device(conn, state, now, device, &waiting, &mut all)?;
    }
    Ok(all)
}

fn of_device(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    device: DeviceName,
    waiting: &[Quarantined],
    all: &mut Retried,
) -> Result<(), WorkflowError> {
    let site = state.site;
    let mut failed = None;
    let mut resolve = |text: &str| {
        let found = patients::store::resolve(conn, site?, text);
        found.unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    };
    let mut fetch =
        |id: &[u8; 32]| replication::ledger::payload_of(conn, &sync_protocol::EntryId(*id));
    let cache = &mut state.ingest;
    let taken = take_in_again(conn, cache, &device, waiting, now, &mut resolve, &mut fetch)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let raised = raise(conn, state, now, &device, &taken.fresh)?;
    let sealed = seal_full(conn, state, now, &device, &taken.open, &raised)?;
    all.queued |= sealed || !raised.is_empty();
    all.urgent |= raised.values().any(|urgent| *urgent);
    all.repeats += taken.repeats;
    all.stay.extend(taken.stay);
    if !taken.fresh.is_empty() {
        all.fresh.push((device, taken.fresh));
    }
    Ok(())
}
