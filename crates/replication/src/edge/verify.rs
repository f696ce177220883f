//! Checking everything that a clinic's node holds.

mod store;

use ::store::Connection;
use sync_protocol::{NodeId, SetDigest};

use self::store::Own;
use crate::ledger::verify::{self, Checked, VerifyError};

/// Checks every stream, every position in the order of own entries, and every sum.
///
/// # Errors
///
/// [`VerifyError`] with the first thing that is wrong.
pub fn verify(
    conn: &Connection,
    me: &NodeId,
    progress: &mut dyn FnMut(Checked),
) -> Result<Checked, VerifyError> {
    let checked = verify::streams(conn, progress)?;
    own_entries(&store::own(conn, me)?)?;
    let mut total = SetDigest::EMPTY;
    for (stream, recorded) in store::subscriptions(conn)? {
        let found = store::foreign(conn, stream, me)?;
        if recorded != found {
            let wrong = "the sum of what others wrote is not that of their entries";
            return Err(VerifyError::record(format!("stream {stream}"), wrong));
        }
        total = total.plus(&found);
    }
    if store::feed(conn)? != total {
        let wrong = "the sum over all streams is not that of the streams";
        return Err(VerifyError::record("what others wrote", wrong));
    }
    Ok(checked)
}

/// Each own entry has one place, each place one entry, and each of them one outcome.
fn own_entries(own: &Own) -> Result<(), VerifyError> {
    if [own.places, own.placed, own.given].iter().any(|count| *count != own.entries) {
        let wrong = "they and their places in the order of sending do not match";
        return Err(VerifyError::record("own entries", wrong));
    }
    if own.outcomes != own.given {
        let wrong = "at the hub, pending, quarantined, refused and held are not all of them";
        return Err(VerifyError::record("own entries", wrong));
    }
    Ok(())
}
