//! SQL of what was set aside.

use ::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sync_protocol::{EntryId, Epoch, NodeId};
use vocab::{Decision, Timestamp};

use super::{SetAside, Standing, Waiting};
use crate::ledger::store::{StoredEntry, entry_columns, entry_from};

/// Columns that [`aside_from`] reads, in its order.
macro_rules! aside_columns {
    () => {
        "quarantine.no, quarantine.at, quarantine.origin, quarantine.epoch, quarantine.oseq, \
         quarantine.entry_id, quarantine.reason, coalesce(quarantine.raw_len, \
         length(quarantine.raw)), quarantine.state, quarantine.settled_at, quarantine.settled_by, \
         quarantine.settled_why"
    };
}

const OPEN: &str = concat!(
    "SELECT ",
    aside_columns!(),
    " FROM quarantine WHERE state = 0 ORDER BY no DESC LIMIT ?1"
);
const ALL: &str =
    concat!("SELECT ", aside_columns!(), " FROM quarantine ORDER BY no DESC LIMIT ?1");
const ONE: &str = concat!(
    "SELECT ",
    aside_columns!(),
    ", quarantine.raw, quarantine.raw_hash FROM quarantine WHERE quarantine.no = ?1"
);
const SETTLE: &str = "
    UPDATE quarantine SET state = ?2, settled_at = ?3, settled_by = ?4, settled_why = ?5, raw_len = ?6,
        raw_hash = ?7, raw = x''
    WHERE no = ?1 AND state = 0";
const NUMBER_OF: &str = "SELECT no, state FROM quarantine WHERE entry_id = ?1";
const COUNTS: &str = "
    SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
           count(*) FILTER (WHERE state = 2)
    FROM quarantine";
const WITHHELD: &str = concat!(
    "SELECT entry.no, entry.idx, entry.stream, ",
    entry_columns!(),
    " FROM entry JOIN chain ON chain.no = entry.chain JOIN stream ON stream.no = entry.stream
      WHERE entry.id = ?1 AND entry.payload_state IN (1, 2)"
);
const PUT_BACK: &str = "
    UPDATE entry SET payload_state = 0, payload = ?2 WHERE no = ?1 AND payload_state IN (1, 2)";

/// A thing that was set aside, with its bytes, and their hash where they are gone.
pub(super) struct Found {
    pub(super) aside: SetAside,
    pub(super) raw: Vec<u8>,
    pub(super) hash: Option<[u8; 32]>,
}

fn aside_from(row: &Row<'_>) -> rusqlite::Result<SetAside> {
    Ok(SetAside {
        no: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        origin: NodeId(row.get(2)?),
        epoch: Epoch(row.get::<_, i64>(3)?.cast_unsigned()),
        oseq: row.get::<_, i64>(4)?.cast_unsigned(),
        id: row.get::<_, Option<[u8; 32]>>(5)?.map(EntryId),
        reason: row.get(6)?,
        bytes: row.get::<_, i64>(7)?.cast_unsigned(),
        standing: standing(row.get(8)?),
        settled_at: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
        settled_by: row.get(10)?,
        settled_why: row.get(11)?,
    })
}

const fn standing(state: i64) -> Standing {
    match state {
        0 => Standing::Open,
        1 => Standing::Taken,
        _ => Standing::Discarded,
    }
}

/// What was set aside and waits for a person, the last first.
///
/// # Errors
///
/// The database's.
pub fn quarantined(conn: &Connection, limit: u32) -> Result<Vec<SetAside>, StoreError> {
    let mut statement = conn.prepare_cached(OPEN)?;
    let found = statement.query_map([limit], aside_from)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// What was ever set aside, also what is settled, the last first.
///
/// # Errors
///
/// The database's.
pub fn ever_quarantined(conn: &Connection, limit: u32) -> Result<Vec<SetAside>, StoreError> {
    let mut statement = conn.prepare_cached(ALL)?;
    let found = statement.query_map([limit], aside_from)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The thing with this number.
pub(super) fn find(conn: &Connection, no: i64) -> Result<Option<Found>, StoreError> {
    let found = conn
        .prepare_cached(ONE)?
        .query_row([no], |row| {
            Ok(Found { aside: aside_from(row)?, raw: row.get(12)?, hash: row.get(13)? })
        })
        .optional()?;
    Ok(found)
}

/// Settles what is open; its bytes go.
pub(super) fn settle(
    conn: &Connection,
    no: i64,
    standing: Standing,
    now: Timestamp,
    decision: Option<&Decision>,
    (length, hash): (u64, [u8; 32]),
) -> Result<(), StoreError> {
    conn.prepare_cached(SETTLE)?.execute(params![
        no,
        standing.number(),
        now.millis(),
        decision.map_or("", Decision::by),
        decision.map_or("", Decision::why),
        length.cast_signed(),
        hash
    ])?;
    Ok(())
}

/// The number of the thing that was set aside of an entry, and how it stands.
pub(super) fn number_of(
    conn: &Connection,
    id: &EntryId,
) -> Result<Option<(i64, Standing)>, StoreError> {
    let found = conn
        .prepare_cached(NUMBER_OF)?
        .query_row([id.0], |row| Ok((row.get(0)?, standing(row.get(1)?))))
        .optional()?;
    Ok(found)
}

/// Open, taken again, discarded.
pub(super) fn counts(conn: &Connection) -> Result<[u64; 3], StoreError> {
    let counts = conn.prepare_cached(COUNTS)?.query_row([], |row| {
        let at = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok([at(0)?, at(1)?, at(2)?])
    })?;
    Ok(counts)
}

/// An entry that is held without its payload.
pub(super) fn withheld(conn: &Connection, id: &EntryId) -> Result<Option<Waiting>, StoreError> {
    let found = conn
        .prepare_cached(WITHHELD)?
        .query_row([id.0], |row| {
            let StoredEntry { id, entry, key } = entry_from(row, 3)?;
            let idx = row.get::<_, i64>(1)?.cast_unsigned();
            Ok(Waiting { entry_no: row.get(0)?, idx, stream_no: row.get(2)?, id, entry, key })
        })
        .optional()?;
    Ok(found)
}

/// Puts a payload that was checked back into the ledger.
pub(super) fn put_back(conn: &Connection, entry: i64, payload: &[u8]) -> Result<(), StoreError> {
    conn.prepare_cached(PUT_BACK)?.execute(params![entry, payload])?;
    Ok(())
}
