//! SQL of the hub's bundles.

use ::store::{Connection, StoreError};
use rusqlite::{OptionalExtension as _, params};
use sync_protocol::message::Verdict;
use sync_protocol::ranges::Ranges;
use sync_protocol::{Epoch, codec};
use vocab::Timestamp;

use crate::bundle::Checked;
use crate::hub::Node;
use crate::ledger::signing_keys::store::keys_of_node;
use crate::streams;

const NEXT_NUMBER: &str = "
    INSERT INTO bundle (node, exported) VALUES (?1, 1)
    ON CONFLICT (node) DO UPDATE SET exported = exported + 1 RETURNING exported";
const COPIES: &str = "
    SELECT second_copy_at IS NOT NULL
        OR EXISTS (SELECT 1 FROM fork_alarm WHERE origin = enrolled_node.key)
    FROM enrolled_node WHERE no = ?1";
const RECEIVED: &str = "SELECT epoch, received FROM origin_epoch WHERE node = ?1 ORDER BY epoch";
const VERDICTS: &str =
    "SELECT epoch, oseq, verdict FROM bundle_verdict WHERE node = ?1 ORDER BY epoch, oseq";
const NOTE_VERDICT: &str = "
    INSERT INTO bundle_verdict (node, epoch, oseq, verdict) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (node, epoch, oseq) DO NOTHING";
/// Each bundle carries all acknowledgements that were not known to be stored, so the highest number
/// speaks for those before it.
const ACKS_OF: &str = "
    SELECT max(number) FROM bundle_imported
    WHERE node = ?1 AND life = (SELECT incarnation FROM hub_meta)";
/// The directory first: it names the authors of the rest.
const DIRTY: &str = "
    SELECT sub.stream FROM sub JOIN stream ON stream.no = sub.stream
    WHERE sub.node = ?1 AND sub.dirty = 1 AND sub.state = 1
    ORDER BY stream.id <> ?2, sub.priority, sub.stream";
const SAID: &str = concat!(
    "SELECT entry.idx FROM entry JOIN chain ON chain.no = entry.chain
    WHERE entry.stream = ?1 AND entry.idx <= ?2 AND chain.origin NOT IN ",
    keys_of_node!("?3"),
    " ORDER BY entry.idx DESC LIMIT 1"
);
const IMPORTED: &str = "SELECT at FROM bundle_imported WHERE node = ?1 AND digest = ?2";
const NOTE_IMPORTED: &str = "
    INSERT INTO bundle_imported (node, digest, number, life, at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (node, digest) DO NOTHING";
const NOTE_START: &str = "
    INSERT INTO bundle_start (node, epoch)
    SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM origin_epoch WHERE node = ?1 AND epoch = ?2)
    ON CONFLICT (node, epoch) DO NOTHING";

pub(super) fn next_number(conn: &Connection, node: i64) -> Result<u64, StoreError> {
    let number: i64 = conn.prepare_cached(NEXT_NUMBER)?.query_row([node], |row| row.get(0))?;
    Ok(number.cast_unsigned())
}

pub(super) fn has_copies(conn: &Connection, node: &Node) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(COPIES)?.query_row([node.no], |row| row.get(0))?)
}

/// What was received of every start of a node.
pub(super) fn received(conn: &Connection, node: i64) -> Result<Vec<(Epoch, Ranges)>, StoreError> {
    let mut statement = conn.prepare_cached(RECEIVED)?;
    let mut rows = statement.query([node])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(1)?;
        let ranges: Ranges = codec::decode(&bytes)
            .map_err(|_| StoreError::Damaged { what: "list of received positions" })?;
        if !ranges.is_empty() {
            found.push((Epoch(row.get::<_, i64>(0)?.cast_unsigned()), ranges));
        }
    }
    Ok(found)
}

pub(super) fn verdicts(
    conn: &Connection,
    node: i64,
) -> Result<Vec<(Epoch, u64, Verdict)>, StoreError> {
    let mut statement = conn.prepare_cached(VERDICTS)?;
    let mut rows = statement.query([node])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(2)?;
        let verdict = codec::decode(&bytes).map_err(|_| StoreError::Damaged { what: "verdict" })?;
        let epoch = Epoch(row.get::<_, i64>(0)?.cast_unsigned());
        found.push((epoch, row.get::<_, i64>(1)?.cast_unsigned(), verdict));
    }
    Ok(found)
}

pub(super) fn note_verdict(
    conn: &Connection,
    node: i64,
    epoch: Epoch,
    oseq: u64,
    verdict: Verdict,
) -> Result<(), StoreError> {
    let (epoch, oseq) = (epoch.0.cast_signed(), oseq.cast_signed());
    let verdict = codec::encode(&verdict);
    conn.prepare_cached(NOTE_VERDICT)?.execute(params![node, epoch, oseq, verdict])?;
    Ok(())
}

/// The number of the newest bundle of the node whose acknowledgements are stored in this life.
pub(super) fn acks_of(conn: &Connection, node: i64) -> Result<Option<u64>, StoreError> {
    let number: Option<i64> = conn.prepare_cached(ACKS_OF)?.query_row([node], |row| row.get(0))?;
    Ok(number.map(i64::cast_unsigned))
}

/// The streams of which the node has not acknowledged everything.
pub(super) fn dirty(conn: &Connection, node: i64) -> Result<Vec<i64>, StoreError> {
    let mut statement = conn.prepare_cached(DIRTY)?;
    let policy = streams::policy_stream().bytes();
    let found = statement.query_map(params![node, policy], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// How far the node itself has said that it holds a stream, at least: up to the last entry of somebody
/// else that is acknowledged. What is of its own after that it may not know the place of.
pub(super) fn said(
    conn: &Connection,
    node: &Node,
    stream: i64,
    acked: u64,
) -> Result<u64, StoreError> {
    let found: Option<i64> = conn
        .prepare_cached(SAID)?
        .query_row(params![stream, acked.cast_signed(), node.key.0], |row| row.get(0))
        .optional()?;
    Ok(found.map_or(0, i64::cast_unsigned))
}

pub(super) fn imported(
    conn: &Connection,
    node: i64,
    digest: &[u8; 32],
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = conn
        .prepare_cached(IMPORTED)?
        .query_row(params![node, digest], |row| row.get(0))
        .optional()?;
    Ok(at.map(Timestamp::from_millis))
}

pub(super) fn note_imported(
    conn: &Connection,
    now: Timestamp,
    node: i64,
    bundle: &Checked,
    life: Option<u64>,
) -> Result<(), StoreError> {
    conn.prepare_cached(NOTE_IMPORTED)?.execute(params![
        node,
        bundle.digest,
        bundle.header.number.cast_signed(),
        life.map(u64::cast_signed),
        now.millis()
    ])?;
    Ok(())
}

/// Notes that entries of this start come, and that no greeting has named it, if so.
pub(super) fn note_start(conn: &Connection, node: i64, epoch: Epoch) -> Result<(), StoreError> {
    conn.prepare_cached(NOTE_START)?.execute(params![node, epoch.0.cast_signed()])?;
    Ok(())
}
