//! SQL of a clinic's bundles.

use rusqlite::{Connection, OptionalExtension as _, params};
use store::StoreError;
use sync_protocol::message::StreamPosition;
use sync_protocol::purge::Purged;
use sync_protocol::{Class, Epoch, SetDigest, StreamId};
use vocab::Timestamp;

use crate::ledger::store::{StoredEntry, digest_from, entry_columns, entry_from};

const NEXT_NUMBER: &str = "UPDATE bundle SET exported = exported + 1 RETURNING exported";
/// A disk that was put back does not use a number again that the hub has seen.
const PASS_NUMBER: &str = "UPDATE bundle SET exported = max(exported, ?1)";
const CARRY_ACKS: &str = "
    INSERT INTO bundle_ack (stream, version, idx, bundle)
    SELECT stream, version, idx, ?1 FROM unconfirmed_ack WHERE true
    ON CONFLICT (stream) DO UPDATE
        SET version = excluded.version, idx = excluded.idx, bundle = excluded.bundle
        WHERE (bundle_ack.version, bundle_ack.idx) <> (excluded.version, excluded.idx)";
/// Every bundle after the one that carried it first had it too, so it is stored if any of them is.
const ACKS_STORED: &str = "
    DELETE FROM unconfirmed_ack WHERE EXISTS (
        SELECT 1 FROM bundle_ack AS carried
        WHERE carried.stream = unconfirmed_ack.stream AND carried.bundle <= ?1
            AND carried.version = unconfirmed_ack.version AND carried.idx = unconfirmed_ack.idx)";
const FORGET_CARRIED: &str = "DELETE FROM bundle_ack WHERE bundle <= ?1";
const UNCONFIRMED: &str = "
    SELECT stream.id, unconfirmed_ack.version, unconfirmed_ack.idx
    FROM unconfirmed_ack JOIN stream ON stream.no = unconfirmed_ack.stream
    ORDER BY unconfirmed_ack.stream";
const REMEMBER_LET_GO: &str = "
    INSERT INTO unconfirmed_ack (stream, version, idx)
    SELECT no, ?2, 0 FROM stream WHERE id = ?1
    ON CONFLICT (stream) DO NOTHING";
const LET_GO: &str = "
    SELECT subscription.purged_count, subscription.purged_sum
    FROM stream JOIN subscription ON subscription.stream = stream.no
    WHERE stream.id = ?1 AND subscription.purged_version = ?2";
const SAYS_ALL: &str = "SELECT says_all FROM bundle";
const SET_SAYS_ALL: &str = "UPDATE bundle SET says_all = ?1 WHERE says_all <> ?1";
const LIFE: &str = "SELECT incarnation FROM feed";
const IMPORTED: &str = "SELECT at FROM bundle_imported WHERE digest = ?1";
const NOTE_IMPORTED: &str = "
    INSERT INTO bundle_imported (digest, number, at) VALUES (?1, ?2, ?3)
    ON CONFLICT (digest) DO NOTHING";
const WAITING: &str = concat!(
    "SELECT start.epoch, outbox.oseq, ",
    entry_columns!(),
    " FROM outbox
      CROSS JOIN entry ON entry.no = outbox.entry
      CROSS JOIN chain ON chain.no = entry.chain
      CROSS JOIN stream ON stream.no = entry.stream
      CROSS JOIN start ON start.no = outbox.start
      WHERE outbox.class = ?1 AND outbox.state = 0
      ORDER BY outbox.later, outbox.start, outbox.oseq"
);

pub(super) fn next_number(conn: &Connection) -> Result<u64, StoreError> {
    let number: i64 = conn.prepare_cached(NEXT_NUMBER)?.query_row([], |row| row.get(0))?;
    Ok(number.cast_unsigned())
}

pub(super) fn carry_acks(conn: &Connection, number: u64) -> Result<(), StoreError> {
    conn.prepare_cached(CARRY_ACKS)?.execute([number.cast_signed()])?;
    Ok(())
}

pub(super) fn acks_stored(conn: &Connection, number: u64) -> Result<(), StoreError> {
    let number = number.cast_signed();
    conn.prepare_cached(ACKS_STORED)?.execute([number])?;
    conn.prepare_cached(FORGET_CARRIED)?.execute([number])?;
    conn.prepare_cached(PASS_NUMBER)?.execute([number])?;
    Ok(())
}

/// Gives every position that the hub is not known to have, so many at a time.
pub(super) fn unconfirmed<E: From<StoreError>>(
    conn: &Connection,
    at_once: usize,
    mut give: impl FnMut(&[StreamPosition]) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = conn.prepare_cached(UNCONFIRMED).map_err(StoreError::from)?;
    let mut rows = statement.query([]).map_err(StoreError::from)?;
    let mut held = Vec::new();
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        held.push(position_from(row).map_err(StoreError::from)?);
        if held.len() == at_once {
            give(&held)?;
            held.clear();
        }
    }
    if held.is_empty() { Ok(()) } else { give(&held) }
}

fn position_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<StreamPosition> {
    Ok(StreamPosition {
        stream: StreamId::from_bytes(&row.get(0)?),
        version: row.get(1)?,
        to_idx: row.get::<_, i64>(2)?.cast_unsigned(),
    })
}

pub(super) fn remember_let_go(conn: &Connection, purged: &Purged) -> Result<(), StoreError> {
    let bytes = purged.stream.bytes();
    conn.prepare_cached(REMEMBER_LET_GO)?.execute(params![bytes, purged.version])?;
    Ok(())
}

/// What was let go of a stream when it ended with this version.
pub(super) fn let_go(
    conn: &Connection,
    stream: &StreamId,
    version: u32,
) -> Result<Option<SetDigest>, StoreError> {
    let found = conn
        .prepare_cached(LET_GO)?
        .query_row(params![stream.bytes(), version], |row| digest_from(row, 0, 1))
        .optional()?;
    Ok(found)
}

/// Whether the next bundle is to say of every stream what is held of it.
pub(super) fn says_all(conn: &Connection) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(SAYS_ALL)?.query_row([], |row| row.get(0))?)
}

pub(super) fn set_says_all(conn: &Connection, says_all: bool) -> Result<(), StoreError> {
    conn.prepare_cached(SET_SAYS_ALL)?.execute([says_all])?;
    Ok(())
}

pub(super) fn life(conn: &Connection) -> Result<Option<u64>, StoreError> {
    let life: Option<i64> = conn.prepare_cached(LIFE)?.query_row([], |row| row.get(0))?;
    Ok(life.map(i64::cast_unsigned))
}

pub(super) fn imported(
    conn: &Connection,
    digest: &[u8; 32],
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> =
        conn.prepare_cached(IMPORTED)?.query_row([digest], |row| row.get(0)).optional()?;
    Ok(at.map(Timestamp::from_millis))
}

pub(super) fn note_imported(
    conn: &Connection,
    now: Timestamp,
    digest: &[u8; 32],
    number: u64,
) -> Result<(), StoreError> {
    conn.prepare_cached(NOTE_IMPORTED)?.execute(params![
        digest,
        number.cast_signed(),
        now.millis()
    ])?;
    Ok(())
}

/// Visits own entries of a class that wait for the hub, in the order in which they go, until told to
/// stop.
pub(super) fn for_each_waiting<E: From<StoreError>>(
    conn: &Connection,
    class: Class,
    mut visit: impl FnMut(Epoch, u64, StoredEntry) -> Result<bool, E>,
) -> Result<(), E> {
    let mut statement = conn.prepare_cached(WAITING).map_err(StoreError::from)?;
    let mut rows = statement.query([class.number()]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        let place = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(Epoch, u64, StoredEntry)> {
            let epoch = Epoch(row.get::<_, i64>(0)?.cast_unsigned());
            Ok((epoch, row.get::<_, i64>(1)?.cast_unsigned(), entry_from(row, 2)?))
        };
        let (epoch, oseq, entry) = place(row).map_err(StoreError::from)?;
        if !visit(epoch, oseq, entry)? {
            break;
        }
    }
    Ok(())
}
