//! What the check of the ledger reads.

use ::store::{Connection, StoreError};
use rusqlite::Row;
use sync_protocol::{EntryId, SeqNo, SetDigest};

use crate::ledger::links::End;
use crate::ledger::store::{StoredEntry, digest_from, entry_columns, entry_from};

const STREAMS: &str = "SELECT no, count, sum FROM stream ORDER BY no";
const ENTRIES: &str = concat!(
    "SELECT entry.idx, entry.chain, chain.stream, ",
    entry_columns!(),
    " FROM entry LEFT JOIN chain ON chain.no = entry.chain LEFT JOIN stream ON stream.no = entry.stream
      WHERE entry.stream = ?1 ORDER BY entry.idx"
);
const CHAINS: &str = "SELECT no, sseq, head, count FROM chain WHERE stream = ?1";
const STRAYS: &str = "
    SELECT EXISTS (SELECT 1 FROM entry
        WHERE NOT EXISTS (SELECT 1 FROM stream WHERE stream.no = entry.stream))";

/// An entry with the place it is filed under.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) idx: u64,
    pub(super) chain: i64,
    pub(super) chain_stream: i64,
    pub(super) stored: StoredEntry,
}

/// Whether an entry belongs to no stream.
pub(super) fn has_strays(conn: &Connection) -> Result<bool, StoreError> {
    Ok(conn.query_row(STRAYS, [], |row| row.get(0))?)
}

/// Every stream by its number here, with its count and sum on record.
pub(super) fn streams(conn: &Connection) -> Result<Vec<(i64, SetDigest)>, StoreError> {
    let mut statement = conn.prepare(STREAMS)?;
    let streams = statement.query_map([], |row| Ok((row.get(0)?, digest_from(row, 1, 2)?)))?;
    Ok(streams.collect::<Result<_, _>>()?)
}

/// Visits the entries of a stream by their position; `None` for a row that does not read back.
pub(super) fn for_each_filed<E: From<StoreError>>(
    conn: &Connection,
    stream: i64,
    mut visit: impl FnMut(Option<Filed>) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = conn.prepare_cached(ENTRIES).map_err(StoreError::from)?;
    let mut rows = statement.query([stream]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        visit(filed(row).ok())?;
    }
    Ok(())
}

fn filed(row: &Row<'_>) -> rusqlite::Result<Filed> {
    Ok(Filed {
        idx: row.get::<_, i64>(0)?.cast_unsigned(),
        chain: row.get(1)?,
        chain_stream: row.get(2)?,
        stored: entry_from(row, 3)?,
    })
}

/// The chains of a stream, each with its last entry and its count on record.
pub(super) fn chains(conn: &Connection, stream: i64) -> Result<Vec<(i64, End)>, StoreError> {
    let mut statement = conn.prepare_cached(CHAINS)?;
    let chains = statement.query_map([stream], |row| {
        let last = (SeqNo(row.get(1)?), EntryId(row.get(2)?));
        Ok((row.get(0)?, (last, row.get::<_, i64>(3)?.cast_unsigned())))
    })?;
    Ok(chains.collect::<Result<_, _>>()?)
}
