//! What the check of a hub reads.

use ::store::{Connection, StoreError};
use rusqlite::{Row, params};
use sync_protocol::{EntryId, SetDigest};

use crate::ledger::signing_keys::store::keys_of_node;
use crate::ledger::store::digest_from;

const SUBSCRIPTIONS: &str = "
    SELECT sub.node, node.key, sub.stream, sub.acked_idx, sub.state = 1 AND sub.dirty = 0,
           stream.count, sub.foreign_count, sub.foreign_sum
    FROM sub JOIN stream ON stream.no = sub.stream JOIN enrolled_node AS node ON node.no = sub.node
    ORDER BY sub.node, sub.stream";
const FOREIGN: &str = concat!(
    "SELECT entry.id FROM entry JOIN chain ON chain.no = entry.chain
     WHERE entry.stream = ?1 AND entry.idx <= ?2 AND chain.origin NOT IN ",
    keys_of_node!("?3")
);
const FEEDS: &str = "SELECT no, feed_count, feed_sum FROM enrolled_node AS node";
const RECEIVED: &str = concat!(
    "SELECT origin_epoch.node, origin_epoch.received,
        (SELECT count(*) FROM entry JOIN chain ON chain.no = entry.chain
         WHERE entry.epoch = origin_epoch.epoch
             AND entry.no NOT IN (SELECT entry FROM resupplied) AND chain.origin IN ",
    keys_of_node!("node.key"),
    ")
    FROM origin_epoch JOIN enrolled_node AS node ON node.no = origin_epoch.node"
);

/// What is on record of one node and one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) node: i64,
    key: [u8; 32],
    pub(super) stream: i64,
    pub(super) acked: i64,
    /// It is open, and nothing says that more is to be sent.
    pub(super) at_rest: bool,
    pub(super) count: i64,
    pub(super) foreign: SetDigest,
}

pub(super) fn subscriptions(conn: &Connection) -> Result<Vec<Subscription>, StoreError> {
    let mut statement = conn.prepare(SUBSCRIPTIONS)?;
    let subscriptions = statement.query_map([], subscription)?;
    Ok(subscriptions.collect::<Result<_, _>>()?)
}

fn subscription(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    Ok(Subscription {
        node: row.get(0)?,
        key: row.get(1)?,
        stream: row.get(2)?,
        acked: row.get(3)?,
        at_rest: row.get(4)?,
        count: row.get(5)?,
        foreign: digest_from(row, 6, 7)?,
    })
}

/// Count and sum of what others wrote, up to where the node acknowledged.
pub(super) fn acknowledged(
    conn: &Connection,
    subscription: &Subscription,
) -> Result<SetDigest, StoreError> {
    let Subscription { stream, acked, key, .. } = subscription;
    let mut digest = SetDigest::EMPTY;
    let mut statement = conn.prepare_cached(FOREIGN)?;
    let mut rows = statement.query(params![stream, acked, key])?;
    while let Some(row) = rows.next()? {
        digest.insert(&EntryId(row.get(0)?));
    }
    Ok(digest)
}

/// The same over all streams, on record, by node.
pub(super) fn feeds(conn: &Connection) -> Result<Vec<(i64, SetDigest)>, StoreError> {
    let mut statement = conn.prepare(FEEDS)?;
    let feeds = statement.query_map([], |row| Ok((row.get(0)?, digest_from(row, 1, 2)?)))?;
    Ok(feeds.collect::<Result<_, _>>()?)
}

/// By process start of a node: the positions on record as received, and how many entries are held.
pub(super) fn received(conn: &Connection) -> Result<Vec<(i64, Vec<u8>, u64)>, StoreError> {
    let mut statement = conn.prepare(RECEIVED)?;
    let starts = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    Ok(starts.collect::<Result<_, _>>()?)
}
