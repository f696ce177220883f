//! SQL of what is on record of a node, and of entries that came from others than their authors.

use ::store::{Connection, StoreError};
use rusqlite::{OptionalExtension as _, Row, params};
use sync_protocol::message::StreamState;
use sync_protocol::reconcile::STREAMS_MAX;
use sync_protocol::{EntryId, NodeId, StreamId};
use vocab::SiteId;

use crate::hub::Node;
use crate::ledger::store::digest_from;

const ON_RECORD: &str = "
    SELECT stream.id, sub.foreign_count, sub.foreign_sum
    FROM sub JOIN stream ON stream.no = sub.stream
    WHERE sub.node = ?1 AND sub.foreign_count > 0 ORDER BY stream.id LIMIT ?2";
const RECORD_OF: &str = "
    SELECT stream.id, sub.foreign_count, sub.foreign_sum
    FROM stream JOIN sub ON sub.stream = stream.no
    WHERE sub.node = ?1 AND stream.id = ?2 AND sub.foreign_count > 0";
const IS_HELD: &str = "SELECT 1 FROM entry WHERE id BETWEEN ?1 AND ?2";
const AUTHOR: &str = "
    SELECT no, site, revoked_at IS NOT NULL
        OR reported IS (SELECT incarnation FROM hub_meta) FROM enrolled_node WHERE key = ?1";
const WROTE_THE_DIRECTORY: &str = "
    SELECT 1 FROM chain WHERE stream = (SELECT no FROM stream WHERE id = ?1) AND origin = ?2";
const MARK: &str = "INSERT OR IGNORE INTO resupplied (entry) VALUES (?1)";
const RESUPPLIED: &str = "SELECT count(*) FROM resupplied";
const NAME_PLACE: &str =
    "DELETE FROM resupplied WHERE entry = (SELECT no FROM entry WHERE id = ?1)";

/// Count and sum of what is on record of a node, stream by stream.
pub(in crate::hub) fn on_record(
    conn: &Connection,
    node: &Node,
) -> Result<Vec<StreamState>, StoreError> {
    let mut statement = conn.prepare(ON_RECORD)?;
    let limit = i64::try_from(STREAMS_MAX).unwrap_or(i64::MAX);
    let states = statement.query_map(params![node.no, limit], state_from)?;
    Ok(states.collect::<Result<_, _>>()?)
}

/// The same of one stream; `None` when nothing is.
pub(super) fn record_of(
    conn: &Connection,
    node: &Node,
    stream: &StreamId,
) -> Result<Option<StreamState>, StoreError> {
    let mut statement = conn.prepare_cached(RECORD_OF)?;
    Ok(statement.query_row(params![node.no, stream.bytes()], state_from).optional()?)
}

fn state_from(row: &Row<'_>) -> rusqlite::Result<StreamState> {
    let held = digest_from(row, 1, 2)?;
    let stream = StreamId::from_bytes(&row.get(0)?);
    Ok(StreamState { stream, count: held.count, sum: held.short() })
}

/// The places of those entries, by the first half of their ids, that are not held.
pub(in crate::hub) fn lacking(conn: &Connection, ids: &[[u8; 16]]) -> Result<Vec<u16>, StoreError> {
    let mut statement = conn.prepare_cached(IS_HELD)?;
    let mut places = Vec::new();
    for (place, id) in (0..).zip(ids) {
        let (mut low, mut high) = ([0; 32], [0xff; 32]);
        low.iter_mut().zip(&mut high).zip(id).for_each(|((low, high), byte)| {
            (*low, *high) = (*byte, *byte);
        });
        if !statement.exists(params![low, high])? {
            places.push(place);
        }
    }
    Ok(places)
}

/// A node that wrote something, whether or not it is still let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Author {
    pub(in crate::hub) no: i64,
    pub(in crate::hub) site: SiteId,
    /// Nothing more is to be expected of it: it is let in no more, or has said in this life of the
    /// database that all it wrote is here.
    pub(in crate::hub) has_told_all: bool,
    /// It is the hub itself, which writes the directory of sites.
    pub(in crate::hub) is_hub: bool,
}

pub(in crate::hub) fn author(
    conn: &Connection,
    node: &NodeId,
) -> Result<Option<Author>, StoreError> {
    let author = conn
        .prepare_cached(AUTHOR)?
        .query_row([node.0], |row| {
            let site = SiteId::from_bytes(row.get(1)?);
            let (no, has_told_all) = (row.get(0)?, row.get(2)?);
            Ok(Author { no, site, has_told_all, is_hub: false })
        })
        .optional()?;
    Ok(author)
}

/// Whether `node` is the one that wrote the directory of sites: the hub itself.
pub(in crate::hub) fn wrote_the_directory(
    conn: &Connection,
    node: &NodeId,
) -> Result<bool, StoreError> {
    let directory = crate::streams::policy_stream().bytes();
    Ok(conn.prepare_cached(WROTE_THE_DIRECTORY)?.exists(params![directory, node.0])?)
}

/// How many entries came from somebody else than their authors, or without their places.
///
/// # Errors
///
/// The database's.
pub fn resupplied(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(RESUPPLIED)?.query_row([], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// An entry came without its place in its author's order.
pub(in crate::hub) fn mark_resupplied(conn: &Connection, entry: i64) -> Result<(), StoreError> {
    conn.prepare_cached(MARK)?.execute([entry])?;
    Ok(())
}

/// Its author has named the place.
pub(in crate::hub) fn name_place(conn: &Connection, id: &EntryId) -> Result<(), StoreError> {
    conn.prepare_cached(NAME_PLACE)?.execute([id.0])?;
    Ok(())
}
