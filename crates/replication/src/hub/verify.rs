//! Checking everything that a hub holds.

mod store;

use std::collections::BTreeMap;

use ::store::Connection;
use sync_protocol::ranges::Ranges;
use sync_protocol::{SetDigest, codec};

use crate::ledger::verify::{self, Checked, VerifyError};

/// Checks every stream, every subscription and every sum.
///
/// # Errors
///
/// [`VerifyError`] with the first thing that is wrong.
pub fn verify(
    conn: &Connection,
    progress: &mut dyn FnMut(Checked),
) -> Result<Checked, VerifyError> {
    let checked = verify::streams(conn, progress)?;
    let totals = subscriptions(conn)?;
    for (node, recorded) in store::feeds(conn)? {
        if recorded != totals.get(&node).copied().unwrap_or(SetDigest::EMPTY) {
            let wrong = "the sum of what it acknowledged is not that of its subscriptions";
            return Err(VerifyError::record(format!("node {node}"), wrong));
        }
    }
    received(conn)?;
    Ok(checked)
}

/// Checks every subscription; gives the sum of what each node acknowledged.
fn subscriptions(conn: &Connection) -> Result<BTreeMap<i64, SetDigest>, VerifyError> {
    let mut totals: BTreeMap<i64, SetDigest> = BTreeMap::new();
    for sub in store::subscriptions(conn)? {
        let wrong = |wrong| {
            let place = format!("subscription of node {} to stream {}", sub.node, sub.stream);
            VerifyError::record(place, wrong)
        };
        if sub.acked < 0 || sub.acked > sub.count {
            return Err(wrong("more is acknowledged than there is"));
        }
        if sub.at_rest && sub.acked < sub.count {
            return Err(wrong("not all is acknowledged, and nothing says that more is to be sent"));
        }
        let found = store::acknowledged(conn, &sub)?;
        if sub.foreign != found {
            return Err(wrong("the sum of what was acknowledged is not that of the entries"));
        }
        let total = totals.entry(sub.node).or_insert(SetDigest::EMPTY);
        *total = total.plus(&found);
    }
    Ok(totals)
}

/// What is on record as received of each process start is what is held of it.
fn received(conn: &Connection) -> Result<(), VerifyError> {
    for (node, bytes, held) in store::received(conn)? {
        let wrong = |wrong| VerifyError::record(format!("node {node}"), wrong);
        let Ok(ranges) = codec::decode::<Ranges>(&bytes) else {
            return Err(wrong("the list of what it sent does not read back"));
        };
        if ranges.runs().map(|(low, high)| high - low + 1).sum::<u64>() != held {
            return Err(wrong("other entries are on record as received than are held"));
        }
    }
    Ok(())
}
