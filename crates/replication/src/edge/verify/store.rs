//! What the check of a clinic's node reads.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::{EntryId, NodeId, SetDigest};

use crate::ledger::signing_keys::store::keys_of_node;
use crate::ledger::store::digest_from;

const OWN: &str = concat!(
    "SELECT (SELECT count(*) FROM entry JOIN chain ON chain.no = entry.chain
             WHERE chain.origin IN ",
    keys_of_node!("?1"),
    "),
           (SELECT count(*) + (SELECT returned FROM feed) FROM outbox),
           (SELECT count(DISTINCT entry) + (SELECT returned FROM feed) FROM outbox),
           (SELECT coalesce(sum(head), 0) + (SELECT returned FROM feed) FROM start),
           (SELECT received + quarantined + refused + returned FROM feed)
               + (SELECT count(*) FROM outbox WHERE state IN (0, 5))"
);
const SUBSCRIPTIONS: &str =
    "SELECT stream, foreign_count, foreign_sum FROM subscription ORDER BY stream";
const FOREIGN: &str = concat!(
    "SELECT entry.id FROM entry JOIN chain ON chain.no = entry.chain
     WHERE entry.stream = ?1 AND chain.origin NOT IN ",
    keys_of_node!("?2")
);
const FEED: &str = "SELECT count, sum FROM feed";

/// Five ways to count own entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) entries: u64,
    /// In the order of sending, or come back from the hub after a restore; so are the next three.
    pub(super) places: u64,
    /// Entries that have such a place.
    pub(super) placed: u64,
    /// Positions given out.
    pub(super) given: u64,
    /// At the hub, pending, quarantined, refused or held.
    pub(super) outcomes: u64,
}

pub(super) fn own(conn: &Connection, me: &NodeId) -> Result<Own, StoreError> {
    let own = conn.query_row(OWN, [me.0], |row| {
        let at = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let (entries, places, placed) = (at(0)?, at(1)?, at(2)?);
        Ok(Own { entries, places, placed, given: at(3)?, outcomes: at(4)? })
    })?;
    Ok(own)
}

/// Streams that others write into, with the count and sum of their entries on record.
pub(super) fn subscriptions(conn: &Connection) -> Result<Vec<(i64, SetDigest)>, StoreError> {
    let mut statement = conn.prepare(SUBSCRIPTIONS)?;
    let held = statement.query_map([], |row| Ok((row.get(0)?, digest_from(row, 1, 2)?)))?;
    Ok(held.collect::<Result<_, _>>()?)
}

/// Count and sum of the entries of others in a stream.
pub(super) fn foreign(
    conn: &Connection,
    stream: i64,
    me: &NodeId,
) -> Result<SetDigest, StoreError> {
    let mut digest = SetDigest::EMPTY;
    let mut statement = conn.prepare_cached(FOREIGN)?;
    let mut rows = statement.query(params![stream, me.0])?;
    while let Some(row) = rows.next()? {
        digest.insert(&EntryId(row.get(0)?));
    }
    Ok(digest)
}

/// The same over all streams, on record.
pub(super) fn feed(conn: &Connection) -> Result<SetDigest, StoreError> {
    Ok(conn.query_row(FEED, [], |row| digest_from(row, 0, 1))?)
}
