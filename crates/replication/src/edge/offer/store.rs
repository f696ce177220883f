//! SQL of what may be offered to the hub.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::exchange::{EdgeReply, RunEntry, StreamIds};
use sync_protocol::{EntryId, NodeId, StreamId, limits};

use crate::ledger::signing_keys::store::keys_of_node;
use crate::ledger::store::{entry_columns, entry_from};

const RETURNED_WAIT: &str = "SELECT returned_wait FROM feed";
const RETURNED_OFFERED: &str = "UPDATE feed SET returned_wait = 0";
/// Own entries without a place in the order of sending.
const RETURNED: &str = concat!(
    "SELECT DISTINCT stream.id FROM chain
     JOIN entry ON entry.chain = chain.no JOIN stream ON stream.no = chain.stream
     WHERE entry.no NOT IN (SELECT entry FROM outbox) AND chain.origin IN ",
    keys_of_node!("?1"),
    " ORDER BY stream.id"
);
const IDS: &str = concat!(
    "SELECT entry.id, entry.idx
     FROM stream JOIN entry ON entry.stream = stream.no JOIN chain ON chain.no = entry.chain
     WHERE stream.id = ?1 AND entry.idx > ?2 AND (?3 OR chain.origin NOT IN ",
    keys_of_node!("?4"),
    ") ORDER BY entry.idx LIMIT ?5"
);
const HELD: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM entry JOIN chain ON chain.no = entry.chain JOIN stream ON stream.no = entry.stream
      WHERE entry.id = ?1"
);

/// In which streams own entries stand that came back and were not offered to the hub since it began
/// another life.
pub(in crate::edge) fn returned(
    conn: &Connection,
    me: &NodeId,
) -> Result<Vec<StreamId>, StoreError> {
    let wait: bool = conn.prepare_cached(RETURNED_WAIT)?.query_row([], |row| row.get(0))?;
    if !wait {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare_cached(RETURNED)?;
    let streams = statement.query_map([me.0], |row| Ok(StreamId::from_bytes(&row.get(0)?)))?;
    Ok(streams.collect::<Result<_, _>>()?)
}

pub(in crate::edge) fn note_returned_offered(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached(RETURNED_OFFERED)?.execute([])?;
    Ok(())
}

/// The first ids of these streams, in the order in which they were stored.
pub(in crate::edge) fn ids(
    conn: &Connection,
    me: &NodeId,
    streams: &[StreamIds],
    after: u64,
    ids_max: usize,
) -> Result<EdgeReply, StoreError> {
    let (mut ids, mut after) = (Vec::new(), after);
    let mut statement = conn.prepare_cached(IDS)?;
    for (place, wanted) in streams.iter().enumerate() {
        let room = ids_max - ids.len();
        // One more than fits says whether there is more.
        let limit = i64::try_from(room + 1).unwrap_or(i64::MAX);
        let of = params![wanted.stream.bytes(), after.cast_signed(), wanted.own, me.0, limit];
        let mut rows = statement.query(of)?;
        let mut taken = 0;
        while let Some(row) = rows.next()? {
            if taken == room {
                return Ok(EdgeReply::Ids { ids, streams: place, after });
            }
            ids.push(EntryId(row.get(0)?));
            after = row.get::<_, i64>(1)?.cast_unsigned();
            taken += 1;
        }
        after = 0;
    }
    Ok(EdgeReply::Ids { ids, streams: streams.len(), after })
}

/// As many of the first of these entries as fit a frame; what is not here any more is left out.
pub(in crate::edge) fn held(
    conn: &Connection,
    ids: &[EntryId],
    bytes_max: usize,
) -> Result<EdgeReply, StoreError> {
    let (mut entries, mut bytes, mut of) = (Vec::new(), 0, 0);
    let mut statement = conn.prepare_cached(HELD)?;
    for id in ids {
        if bytes >= bytes_max || entries.len() >= limits::FRAME_ENTRIES_MAX {
            break;
        }
        let mut rows = statement.query([id.0])?;
        if let Some(row) = rows.next()? {
            let held = entry_from(row, 0)?;
            // In its long form an entry has its header whole.
            bytes += held.entry.payload.bytes().map_or(0, <[u8]>::len) + 320;
            entries.push(RunEntry { id: held.id, entry: held.entry, key: held.key });
        }
        of += 1;
    }
    Ok(EdgeReply::Held { entries, of })
}
