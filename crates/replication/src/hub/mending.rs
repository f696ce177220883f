//! What is on record of a node beside what it holds, and what it holds that this database lost.

mod store;

use ::store::{Connection, StoreError};
use sync_protocol::StreamId;
use sync_protocol::reconcile::{Claim, Mark};
use vocab::Timestamp;

use super::{Node, positions};

pub use store::resupplied;
pub(super) use store::{
    Author, author, lacking, mark_resupplied, name_place, on_record, wrote_the_directory,
};

/// Starts those streams over of which the record is not what the node says it holds. It is compared with
/// the record as it is now: what was acknowledged since the reconciliation began does not differ.
pub(super) fn settle(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    claims: &[Claim],
) -> Result<Vec<StreamId>, StoreError> {
    let mut restarted = Vec::new();
    for claim in claims {
        let ours = store::record_of(conn, node, &claim.stream)?;
        if ours.as_ref().map(Mark::of) != claim.mark {
            positions::restart(conn, now, node, &claim.stream, claim.mark.is_some())?;
            restarted.push(claim.stream);
        }
    }
    Ok(restarted)
}
