//! SQL of subscriptions that ended.

use ::store::{Connection, StoreError};
use rusqlite::{OptionalExtension as _, Row, params};
use sync_protocol::message::Purge;
use sync_protocol::purge::PurgeReceipt;
use sync_protocol::{SetDigest, StreamId, limits};
use vocab::{SiteName, Timestamp};

use crate::ledger::store::digest_from;

const ENDED: &str = "
    SELECT stream.id, sub.version FROM sub JOIN stream ON stream.no = sub.stream
    WHERE sub.node = ?1 AND sub.state = 2 ORDER BY sub.stream LIMIT ?2";
const SUB: &str = "
    SELECT sub.stream, sub.version, sub.state, sub.foreign_count, sub.foreign_sum, sub.floor
    FROM stream JOIN sub ON sub.stream = stream.no WHERE stream.id = ?1 AND sub.node = ?2";
const KEEP_RECEIPT: &str = "
    INSERT INTO purge_receipt (node, stream, version, count, sum, signature, stored_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (node, stream, version) DO NOTHING";
const SETTLE: &str = "
    UPDATE sub SET state = ?3, dirty = ?4, floor = ?5, acked_idx = 0, foreign_count = 0,
        foreign_sum = zeroblob(32)
    WHERE stream = ?1 AND node = ?2";
/// Copies that nobody signed away: access ended, or the node was shut out while it held something.
const OUTSTANDING: &str = "
    SELECT node.site_name, node.revoked_at IS NOT NULL, stream.id, sub.foreign_count,
        coalesce(sub.ended_at, node.revoked_at), node.last_seen, sub.lease_s, sub.lease_until
    FROM sub JOIN enrolled_node AS node ON node.no = sub.node JOIN stream ON stream.no = sub.stream
    WHERE sub.state = 2 OR (node.revoked_at IS NOT NULL AND sub.state = 1 AND sub.foreign_count > 0)
    ORDER BY node.site_name, node.no, sub.stream";

/// Access that exists.
pub(super) const ACTIVE: i64 = 1;
/// Access that ended, without a receipt.
pub(super) const ENDING: i64 = 2;
/// Access that ended, with a receipt.
pub(super) const GONE: i64 = 3;

/// A subscription as a receipt finds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) stream: i64,
    pub(super) version: u32,
    pub(super) state: i64,
    pub(super) held: SetDigest,
    /// Under which version the node is last known to have let go.
    pub(super) floor: u32,
}

/// A copy that a clinic may still hold after its access ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutstandingCopy {
    /// What the operator calls the clinic.
    pub site_name: SiteName,
    /// Whether the node is shut out: nobody can ask it any more.
    pub shut_out: bool,
    /// Of what.
    pub stream: StreamId,
    /// Entries of others that it acknowledged.
    pub entries: u64,
    /// Since when it should be gone.
    pub since: Option<Timestamp>,
    /// When the node last greeted.
    pub last_contact: Option<Timestamp>,
    /// When its lease locks the copy, if it hears nothing more; `None` if it was never heard, or never
    /// had a lease.
    pub lease_ends: Option<Timestamp>,
}

pub(super) fn ended(conn: &Connection, node: i64) -> Result<Vec<Purge>, StoreError> {
    let most = i64::try_from(limits::PURGES_OPEN_MAX).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(ENDED)?;
    let orders = statement.query_map(params![node, most], |row| {
        Ok(Purge { stream: StreamId::from_bytes(&row.get(0)?), version: row.get(1)? })
    })?;
    Ok(orders.collect::<Result<_, _>>()?)
}

pub(super) fn find(
    conn: &Connection,
    node: i64,
    stream: &StreamId,
) -> Result<Option<Found>, StoreError> {
    let found = conn.prepare_cached(SUB)?.query_row(params![stream.bytes(), node], |row| {
        Ok(Found {
            stream: row.get(0)?,
            version: row.get(1)?,
            state: row.get(2)?,
            held: digest_from(row, 3, 4)?,
            floor: row.get(5)?,
        })
    });
    Ok(found.optional()?)
}

pub(super) fn keep_receipt(
    conn: &Connection,
    node: i64,
    stream: i64,
    receipt: &PurgeReceipt,
    now: Timestamp,
) -> Result<(), StoreError> {
    let purged = &receipt.purged;
    conn.prepare_cached(KEEP_RECEIPT)?.execute(params![
        node,
        stream,
        purged.version,
        purged.count.cast_signed(),
        purged.sum,
        receipt.signature,
        now.millis()
    ])?;
    Ok(())
}

/// Nothing of the stream is at the node any more that was sent before `version`.
pub(super) fn settle(
    conn: &Connection,
    node: i64,
    stream: i64,
    state: i64,
    version: u32,
) -> Result<(), StoreError> {
    conn.prepare_cached(SETTLE)?.execute(params![stream, node, state, state == ACTIVE, version])?;
    Ok(())
}

/// Copies whose access ended and for which no receipt is here, by clinic.
///
/// # Errors
///
/// The database's.
pub fn outstanding(conn: &Connection) -> Result<Vec<OutstandingCopy>, StoreError> {
    let mut statement = conn.prepare(OUTSTANDING)?;
    let copies = statement.query_map([], copy)?;
    copies.map(|copy| copy?.ok_or(StoreError::Damaged { what: "site name" })).collect()
}

fn copy(row: &Row<'_>) -> rusqlite::Result<Option<OutstandingCopy>> {
    let name: String = row.get(0)?;
    let time = |at: Option<i64>| at.map(Timestamp::from_millis);
    let Ok(site_name) = name.parse() else { return Ok(None) };
    let last_contact = time(row.get(5)?);
    let offline_s: Option<i64> = row.get(6)?;
    let by_silence = last_contact.zip(offline_s).map(|(at, s)| at.plus_seconds(s));
    let lease_ends = by_silence.into_iter().chain(time(row.get(7)?)).min();
    Ok(Some(OutstandingCopy {
        site_name,
        shut_out: row.get(1)?,
        stream: StreamId::from_bytes(&row.get(2)?),
        entries: row.get::<_, i64>(3)?.cast_unsigned(),
        since: time(row.get(4)?),
        last_contact,
        lease_ends,
    }))
}
