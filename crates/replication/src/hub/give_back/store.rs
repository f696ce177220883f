//! SQL of what a node wrote itself.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::exchange::RunEntry;
use sync_protocol::{NodeId, StreamId, limits};

use crate::ledger::signing_keys::store::keys_of_node;
use crate::ledger::store::{entry_columns, entry_from};

const OWN_AFTER: &str = concat!(
    "SELECT entry.idx, ",
    entry_columns!(),
    " FROM stream JOIN entry ON entry.stream = stream.no JOIN chain ON chain.no = entry.chain
      WHERE stream.id = ?1 AND entry.idx > ?3 AND chain.origin IN ",
    keys_of_node!("?2"),
    " ORDER BY entry.idx"
);

/// What `author` wrote in a stream after a position, as much as fits a frame, and where to go on.
pub(in crate::hub) fn read(
    conn: &Connection,
    author: &NodeId,
    stream: &StreamId,
    after: u64,
    bytes_max: usize,
) -> Result<(Vec<RunEntry>, Option<u64>), StoreError> {
    let mut statement = conn.prepare_cached(OWN_AFTER)?;
    let mut rows = statement.query(params![stream.bytes(), author.0, after.cast_signed()])?;
    let (mut entries, mut bytes, mut last) = (Vec::new(), 0, after);
    while let Some(row) = rows.next()? {
        if bytes >= bytes_max || entries.len() >= limits::FRAME_ENTRIES_MAX {
            return Ok((entries, Some(last)));
        }
        let held = entry_from(row, 1)?;
        last = row.get::<_, i64>(0)?.cast_unsigned();
        // In its long form an entry has its header whole.
        bytes += held.entry.payload.bytes().map_or(0, <[u8]>::len) + 320;
        entries.push(RunEntry { id: held.id, entry: held.entry, key: held.key });
    }
    Ok((entries, None))
}
