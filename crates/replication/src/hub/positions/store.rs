//! SQL of what nodes acknowledge and take back.

use std::collections::{BTreeMap, BTreeSet};

use ::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _, params};
use sync_protocol::message::{StreamPosition, StreamState};
use sync_protocol::{EntryId, NodeId, SetDigest, StreamId};

use vocab::Timestamp;

use crate::hub::store::{node_feed, set_node_feed, subscribers};
use crate::hub::{Node, lease};
use crate::ledger::signing_keys::store::keys_of_node;
use crate::ledger::store::digest_from;

const SUB: &str = "
    SELECT sub.version, sub.acked_idx, stream.count, sub.foreign_count, sub.foreign_sum, stream.no
    FROM stream JOIN sub ON sub.stream = stream.no
    WHERE stream.id = ?1 AND sub.node = ?2
        AND sub.state IN (1, 2) AND sub.floor <= ?3";
const FOREIGN_IDS: &str = concat!(
    "SELECT entry.id FROM entry JOIN chain ON chain.no = entry.chain
     WHERE entry.stream = ?1 AND entry.idx > ?2 AND entry.idx <= ?3 AND chain.origin NOT IN ",
    keys_of_node!("?4")
);
const SET_SUB: &str = "
    UPDATE sub SET acked_idx = ?3, foreign_count = ?4, foreign_sum = ?5, dirty = ?6
    WHERE stream = ?1 AND node = ?2";
/// Its receipt is on record, and it holds the stream again, as an older copy does.
const ORDER_AGAIN: &str = "UPDATE sub SET state = 2 WHERE stream = ?1 AND node = ?2 AND state = 3";
/// What the node was given after the backup that this database came back from, and may not have now.
const ORDER_UNKNOWN: &str = "
    INSERT INTO sub (node, stream, version, state, acked_idx, foreign_sum, priority, dirty, ended_at)
    SELECT ?1, no, (SELECT base_version FROM hub_meta), 2, 0, zeroblob(32), class, 0, ?3
    FROM stream WHERE id = ?2
    ON CONFLICT (stream, node) DO NOTHING";
const SUB_OF_NODE: &str = "
    SELECT stream.no, sub.foreign_count, sub.foreign_sum
    FROM stream JOIN sub ON sub.stream = stream.no WHERE sub.node = ?1 AND stream.id = ?2";
const SUBS_OF_NODE: &str = "
    SELECT stream.no, stream.id, sub.foreign_count, sub.foreign_sum, stream.count
    FROM sub JOIN stream ON stream.no = sub.stream WHERE sub.node = ?1";

/// A new version, so that what is on its way under the old one acknowledges nothing.
const SEND_AGAIN: &str = "
    UPDATE sub SET version = version + 1, floor = version + 1, dirty = 1
    WHERE stream = ?1 AND node = ?2";
const SUB_OF: &str = "
    SELECT sub.acked_idx, stream.count, sub.foreign_count, sub.foreign_sum
    FROM sub JOIN stream ON stream.no = sub.stream WHERE sub.stream = ?1 AND sub.node = ?2";

/// A subscription as acknowledgements change it.
struct Sub {
    acked: i64,
    count: i64,
    foreign: SetDigest,
    stream: i64,
}

/// The subscription that a position speaks of; `None` when the node has let the stream go since, so
/// that an old position says nothing any more.
fn find_sub(
    conn: &Connection,
    node: &Node,
    position: &StreamPosition,
) -> Result<Option<Sub>, StoreError> {
    let sub = conn
        .prepare_cached(SUB)?
        .query_row(params![position.stream.bytes(), node.no, position.version], |row| {
            Ok(Sub {
                acked: row.get(1)?,
                count: row.get(2)?,
                foreign: digest_from(row, 3, 4)?,
                stream: row.get(5)?,
            })
        })
        .optional()?;
    Ok(sub)
}

/// The digest of what others than `node` wrote after `from`, up to and including `to`.
fn foreign_between(
    conn: &Connection,
    node: &Node,
    stream: i64,
    from: i64,
    to: i64,
) -> Result<SetDigest, StoreError> {
    let mut digest = SetDigest::EMPTY;
    let mut statement = conn.prepare_cached(FOREIGN_IDS)?;
    let mut rows = statement.query(params![stream, from, to, node.key.0])?;
    while let Some(row) = rows.next()? {
        digest.insert(&EntryId(row.get(0)?));
    }
    Ok(digest)
}

fn set_sub(
    conn: &Connection,
    node: &Node,
    sub: &Sub,
    acked: i64,
    foreign: &SetDigest,
) -> Result<(), StoreError> {
    conn.prepare_cached(SET_SUB)?.execute(params![
        sub.stream,
        node.no,
        acked,
        foreign.count.cast_signed(),
        foreign.sum_bytes(),
        acked < sub.count
    ])?;
    let feed = node_feed(conn, node.no)?;
    set_node_feed(conn, node.no, &feed.minus(&sub.foreign).plus(foreign))
}

pub(in crate::hub) fn acknowledge(
    conn: &Connection,
    node: &Node,
    position: &StreamPosition,
) -> Result<(), StoreError> {
    let Some(sub) = find_sub(conn, node, position)? else { return Ok(()) };
    let to = position.to_idx.cast_signed();
    if to <= sub.acked || to > sub.count {
        return Ok(());
    }
    let fresh = foreign_between(conn, node, sub.stream, sub.acked, to)?;
    let foreign = sub.foreign.plus(&fresh);
    set_sub(conn, node, &sub, to, &foreign)
}

/// The node holds the stream only up to here: what it does not hold counts as not acknowledged.
pub(in crate::hub) fn rewind(
    conn: &Connection,
    node: &Node,
    position: &StreamPosition,
) -> Result<(), StoreError> {
    let Some(sub) = find_sub(conn, node, position)? else { return Ok(()) };
    let to = position.to_idx.cast_signed();
    if to < 0 || to >= sub.acked {
        return Ok(());
    }
    let lost = foreign_between(conn, node, sub.stream, to, sub.acked)?;
    let foreign = sub.foreign.minus(&lost);
    set_sub(conn, node, &sub, to, &foreign)
}

/// Starts a stream over. Where the node `holds` one that it may not have, it is to let it go.
pub(in crate::hub) fn restart(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    stream: &StreamId,
    holds: bool,
) -> Result<(), StoreError> {
    if holds {
        let order = params![node.no, stream.bytes(), now.millis()];
        conn.prepare_cached(ORDER_UNKNOWN)?.execute(order)?;
    }
    let found = conn
        .prepare_cached(SUB_OF_NODE)?
        .query_row(params![node.no, stream.bytes()], |row| {
            Ok((row.get::<_, i64>(0)?, digest_from(row, 1, 2)?))
        })
        .optional()?;
    let Some((stream, held)) = found else { return Ok(()) };
    conn.prepare_cached(ORDER_AGAIN)?.execute(params![stream, node.no])?;
    let nothing = SetDigest::EMPTY.sum_bytes();
    conn.prepare_cached(SET_SUB)?.execute(params![stream, node.no, 0, 0, nothing, true])?;
    let feed = node_feed(conn, node.no)?;
    set_node_feed(conn, node.no, &feed.minus(&held))
}

pub(in crate::hub) fn restart_differing(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    streams: &[StreamState],
) -> Result<u32, StoreError> {
    let at_node: BTreeMap<StreamId, (u64, [u8; 16])> =
        streams.iter().map(|state| (state.stream, (state.count, state.sum))).collect();
    for state in streams.iter().filter(|state| state.count > 0) {
        let order = params![node.no, state.stream.bytes(), now.millis()];
        conn.prepare_cached(ORDER_UNKNOWN)?.execute(order)?;
    }
    let mut restarted = 0;
    let mut feed = node_feed(conn, node.no)?;
    let mut statement = conn.prepare_cached(SUBS_OF_NODE)?;
    let mut rows = statement.query([node.no])?;
    let mut differing = Vec::new();
    while let Some(row) = rows.next()? {
        let stream: i64 = row.get(0)?;
        let id = StreamId::from_bytes(&row.get(1)?);
        let held = digest_from(row, 2, 3)?;
        let (count, sum) = at_node.get(&id).copied().unwrap_or((0, SetDigest::EMPTY.short()));
        if (held.count, held.short()) != (count, sum) {
            differing.push((stream, held));
        }
    }
    for (stream, held) in differing {
        let nothing = SetDigest::EMPTY;
        conn.prepare_cached(ORDER_AGAIN)?.execute(params![stream, node.no])?;
        lease::untell_stream(conn, node.no, stream)?;
        conn.prepare_cached(SET_SUB)?.execute(params![
            stream,
            node.no,
            0,
            0,
            nothing.sum_bytes(),
            true
        ])?;
        feed = feed.minus(&held);
        restarted += 1;
    }
    set_node_feed(conn, node.no, &feed)?;
    Ok(restarted)
}

/// Everybody but its author takes the stream again from after `before` on; answers the nodes.
pub(in crate::hub) fn send_again(
    conn: &Connection,
    stream: i64,
    before: u64,
    author: &NodeId,
) -> Result<BTreeSet<i64>, StoreError> {
    let before = before.cast_signed();
    let mut nodes = BTreeSet::new();
    for node in subscribers(conn, stream)? {
        if node.key == *author {
            continue;
        }
        let sub = conn.prepare_cached(SUB_OF)?.query_row(params![stream, node.no], |row| {
            let (acked, count) = (row.get(0)?, row.get(1)?);
            Ok(Sub { acked, count, foreign: digest_from(row, 2, 3)?, stream })
        })?;
        if before < sub.acked {
            let again = foreign_between(conn, &node, stream, before, sub.acked)?;
            set_sub(conn, &node, &sub, before, &sub.foreign.minus(&again))?;
        }
        conn.prepare_cached(SEND_AGAIN)?.execute(params![stream, node.no])?;
        nodes.insert(node.no);
    }
    Ok(nodes)
}
