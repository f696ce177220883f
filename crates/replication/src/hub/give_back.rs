//! What a node wrote itself and lost, for instance because its disk was put back from an older copy.

mod store;

use std::collections::BTreeMap;

use ::store::{Connection, StoreError};
use sync_protocol::message::StreamState;
use sync_protocol::{NodeId, SetDigest, StreamId};

pub(super) use store::read;

/// The streams of which more, or other, entries of `author` are here than it says it holds.
pub(super) fn differing(
    conn: &Connection,
    author: &NodeId,
    streams: &[StreamState],
) -> Result<Vec<StreamId>, StoreError> {
    let said: BTreeMap<StreamId, (u64, [u8; 16])> =
        streams.iter().map(|state| (state.stream, (state.count, state.sum))).collect();
    let held: BTreeMap<StreamId, SetDigest> = crate::ledger::store::sums_of(conn, author)?;
    let differs = |(stream, held): (StreamId, SetDigest)| {
        (said.get(&stream) != Some(&(held.count, held.short()))).then_some(stream)
    };
    Ok(held.into_iter().filter_map(differs).collect())
}
