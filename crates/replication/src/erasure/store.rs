//! SQL of what is erased.

use ::store::{Connection, StoreError};
use rusqlite::{OptionalExtension as _, params};
use sync_protocol::{ChainKey, EntryId, StreamId};
use vocab::{Compartment, PatientId, Timestamp};

use super::order::{Cover, EraseOrder, OrderId, Target};
use super::tombstone;
use crate::ledger::store::{StoredEntry, entry_columns, entry_from};
use crate::streams::{Topic, patient_stream, topic};

const IS_KNOWN: &str = "SELECT entry IS NOT NULL FROM erase_order WHERE id = ?1";
const INSERT: &str = "
    INSERT INTO erase_order (id, scope, payload, entry, heard_at, answered)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const SET_ENTRY: &str = "UPDATE erase_order SET entry = ?2 WHERE id = ?1 AND entry IS NULL";
const COUNT_ERASED: &str = "UPDATE erase_order SET erased = erased + ?2 WHERE no = ?1";
const OWE: &str = "UPDATE erase_debt SET owed = owed + 1";
const DEBT: &str = "SELECT owed, paid, rewritten FROM erase_debt";
const REWRITTEN: &str = "UPDATE erase_debt SET rewritten = max(rewritten, ?1)";
const PAY: &str = "UPDATE erase_debt SET paid = max(paid, ?1)";
const OF_STREAMS: &str =
    "SELECT no, payload FROM erase_order WHERE scope > 1 ORDER BY scope DESC, no";
const STREAMS: &str = "SELECT no, id, erased FROM stream WHERE closed = 0";
const WITHOUT: &str = "
    SELECT DISTINCT substr(id, 2, 16) FROM stream AS this WHERE substr(id, 1, 1) = ?1
        AND NOT EXISTS (SELECT 1 FROM stream WHERE id = substr(this.id, 1, 17) || ?2)";
const MARK_STREAM: &str = "UPDATE stream SET erased = ?2, closed = max(closed, ?3) WHERE no = ?1";
const IS_ERASED_ENTRY: &str = "SELECT 1 FROM erased_entry WHERE id = ?1";
const ERASE_ENTRY: &str = "INSERT OR IGNORE INTO erased_entry (id) VALUES (?1)";
const HELD: &str = concat!(
    "SELECT entry.no, ",
    entry_columns!(),
    " FROM entry JOIN chain ON chain.no = entry.chain JOIN stream ON stream.no = entry.stream
      WHERE entry.id = ?1"
);
const COUNT_PAYLOADS: &str =
    "SELECT count(*) FROM entry WHERE stream = ?1 AND payload_state = 0 AND payload IS NOT NULL";
const DROP_OF_STREAM: &str =
    "UPDATE entry SET payload = NULL, payload_state = 3 WHERE stream = ?1 AND payload_state <> 3";
const DROP_ONE: &str = "UPDATE entry SET payload = NULL, payload_state = 3 WHERE no = ?1";
const BLANK_OF_STREAM: &str = "
    UPDATE quarantine SET raw = zeroblob(0)
    WHERE length(raw) > 0 AND entry_id IN (SELECT id FROM entry WHERE stream = ?1)";
const BLANK_ONE: &str =
    "UPDATE quarantine SET raw = zeroblob(0) WHERE length(raw) > 0 AND entry_id = ?1";
const ASIDE: &str = "SELECT no, raw FROM quarantine WHERE length(raw) > 0";
const BLANK_ROW: &str = "UPDATE quarantine SET raw = zeroblob(0) WHERE no = ?1";
const CHAINS: &str = "SELECT no, key, count FROM chain WHERE stream = ?1";
const DROP_CHAIN: &str = "DELETE FROM chain WHERE no = ?1";
const BURY_KEY: &str = "UPDATE chain SET key = ?2 WHERE no = ?1";
const UNANSWERED: &str = "
    SELECT no, id, erased, entry FROM erase_order
    WHERE answered = 0 AND entry IS NOT NULL ORDER BY no";
const ANSWER: &str = "UPDATE erase_order SET answered = 1 WHERE no = ?1";
const ERASED_BY: &str = "SELECT id FROM stream WHERE erased = ?1";
const ERASED_SINCE: &str = "
    SELECT id FROM stream
    WHERE erased IN (SELECT no FROM erase_order ORDER BY no LIMIT -1 OFFSET ?1)";
const ORDERS: &str = "SELECT count(*) FROM erase_order";
const LEFT: &str = "
    SELECT count(*) FROM stream JOIN entry ON entry.stream = stream.no
    WHERE stream.erased > 0 AND entry.payload IS NOT NULL";
const LOST: &str = "SELECT id, payload FROM erase_order WHERE entry IS NULL ORDER BY no";

/// Whether the order is known here, and if so whether the entry that carries it is as well.
pub(super) fn known(conn: &Connection, id: OrderId) -> Result<Option<bool>, StoreError> {
    Ok(conn.prepare_cached(IS_KNOWN)?.query_row([id.0], |row| row.get(0)).optional()?)
}

pub(super) fn insert(
    conn: &Connection,
    now: Timestamp,
    order: &EraseOrder,
    entry: Option<EntryId>,
    answered: bool,
) -> Result<i64, StoreError> {
    let scope = match order.target {
        Target::Entry(_) => 1,
        Target::Streams(_) => 2,
        Target::Subject(_) => 3,
    };
    conn.prepare_cached(INSERT)?.execute(params![
        order.id.0,
        scope,
        order.to_bytes(),
        entry.map(|id| id.0),
        now.millis(),
        answered
    ])?;
    Ok(conn.last_insert_rowid())
}

pub(super) fn set_entry(conn: &Connection, id: OrderId, entry: EntryId) -> Result<(), StoreError> {
    conn.prepare_cached(SET_ENTRY)?.execute(params![id.0, entry.0])?;
    Ok(())
}

/// So many payloads went because of the order with this number.
pub(super) fn count(conn: &Connection, order: i64, erased: u64) -> Result<(), StoreError> {
    if erased > 0 {
        conn.prepare_cached(COUNT_ERASED)?.execute(params![order, erased.cast_signed()])?;
    }
    Ok(())
}

/// Backups and the file have to be made anew.
pub(super) fn owe(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached(OWE)?.execute([])?;
    Ok(())
}

/// How often something was erased, how much of that no backup knows any more, and how much of it the
/// file was written anew after.
pub(super) fn debt(conn: &Connection) -> Result<(i64, i64, i64), StoreError> {
    let mut statement = conn.prepare_cached(DEBT)?;
    Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
}

pub(super) fn rewritten(conn: &Connection, owed: i64) -> Result<(), StoreError> {
    conn.prepare_cached(REWRITTEN)?.execute([owed])?;
    Ok(())
}

pub(super) fn pay(conn: &Connection, owed: i64) -> Result<(), StoreError> {
    conn.prepare_cached(PAY)?.execute([owed])?;
    Ok(())
}

/// The order that covers a stream, if one does: one of all of its subject before others.
pub(crate) fn covering(
    conn: &Connection,
    stream: &StreamId,
) -> Result<Option<(i64, Cover)>, StoreError> {
    let mut statement = conn.prepare_cached(OF_STREAMS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let order = order_from(row.get_ref(1)?.as_blob().unwrap_or_default())?;
        if let Some(cover) = order.covers(stream) {
            return Ok(Some((row.get(0)?, cover)));
        }
    }
    Ok(None)
}

fn order_from(payload: &[u8]) -> Result<EraseOrder, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "order to erase" };
    EraseOrder::from_bytes(payload).map_err(damaged)
}

/// The streams that an order covers and that nothing has closed yet, with how, and whether they were
/// erased before. Bulk first: what patients are called goes last, because others look it up.
pub(super) fn covered(
    conn: &Connection,
    order: &EraseOrder,
) -> Result<Vec<(i64, StreamId, Cover, bool)>, StoreError> {
    let mut statement = conn.prepare_cached(STREAMS)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id = StreamId::from_bytes(&row.get(1)?);
        if matches!(topic(&id), Topic::Patient(..))
            && let Some(cover) = order.covers(&id)
        {
            found.push((row.get(0)?, id, cover, row.get::<_, i64>(2)? > 0));
        }
    }
    found.sort_by_key(|(_, id, ..)| std::cmp::Reverse(id.compartment));
    Ok(found)
}

/// Patients of whom something is held, and no reading.
pub(super) fn patients_without_vitals(conn: &Connection) -> Result<Vec<PatientId>, StoreError> {
    let any = patient_stream(PatientId::from_bytes([0; 16]), Compartment::Vitals).bytes();
    let (scope, rest) = (any.first_chunk::<1>(), any.last_chunk::<3>());
    let mut statement = conn.prepare_cached(WITHOUT)?;
    let patients = statement.query_map(
        params![scope.map(<[u8; 1]>::as_slice), rest.map(<[u8; 3]>::as_slice)],
        |row| Ok(PatientId::from_bytes(row.get(0)?)),
    )?;
    Ok(patients.collect::<Result<_, _>>()?)
}

pub(super) fn mark_stream(
    conn: &Connection,
    stream: i64,
    order: i64,
    cover: Cover,
) -> Result<(), StoreError> {
    let closed = cover == Cover::Subject;
    conn.prepare_cached(MARK_STREAM)?.execute(params![stream, order, closed])?;
    Ok(())
}

/// Whether an order names this entry.
pub(crate) fn names_entry(conn: &Connection, id: &EntryId) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(IS_ERASED_ENTRY)?.exists([id.0])?)
}

pub(super) fn name_entry(conn: &Connection, id: &EntryId) -> Result<(), StoreError> {
    conn.prepare_cached(ERASE_ENTRY)?.execute([id.0])?;
    Ok(())
}

/// An entry that is held, with its row.
pub(super) fn held(
    conn: &Connection,
    id: &EntryId,
) -> Result<Option<(i64, StoredEntry)>, StoreError> {
    let mut statement = conn.prepare_cached(HELD)?;
    let held = statement.query_row([id.0], |row| Ok((row.get(0)?, entry_from(row, 1)?)));
    Ok(held.optional()?)
}

/// Drops the payloads of a stream and what was set aside of it; answers how many there were.
pub(super) fn drop_of_stream(conn: &Connection, stream: i64) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(COUNT_PAYLOADS)?.query_row([stream], |row| row.get(0))?;
    conn.prepare_cached(DROP_OF_STREAM)?.execute([stream])?;
    let aside = conn.prepare_cached(BLANK_OF_STREAM)?.execute([stream])?;
    Ok(count.cast_unsigned() + aside as u64)
}

pub(super) fn drop_one(conn: &Connection, entry: i64, id: &EntryId) -> Result<u64, StoreError> {
    conn.prepare_cached(DROP_ONE)?.execute([entry])?;
    blank_one(conn, id)
}

/// Empties what was set aside under this name; answers whether there was anything.
pub(super) fn blank_one(conn: &Connection, id: &EntryId) -> Result<u64, StoreError> {
    Ok(conn.prepare_cached(BLANK_ONE)?.execute([id.0])? as u64)
}

/// Empties frames that were set aside whole, and are not in the ledger, where `covers` says so.
pub(super) fn blank_frames(
    conn: &Connection,
    covers: impl Fn(&[u8]) -> bool,
) -> Result<u64, StoreError> {
    let mut statement = conn.prepare_cached(ASIDE)?;
    let mut rows = statement.query([])?;
    let mut found: Vec<i64> = Vec::new();
    while let Some(row) = rows.next()? {
        if covers(row.get_ref(1)?.as_blob().unwrap_or_default()) {
            found.push(row.get(0)?);
        }
    }
    for no in &found {
        conn.prepare_cached(BLANK_ROW)?.execute([no])?;
    }
    Ok(found.len() as u64)
}

/// Puts tombstones in the place of a stream's chain keys.
pub(super) fn bury_keys(conn: &Connection, stream: i64) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(CHAINS)?;
    let chains = statement
        .query_map([stream], |row| Ok((row.get(0)?, ChainKey(row.get(1)?), row.get(2)?)))?
        .collect::<Result<Vec<(i64, ChainKey, i64)>, _>>()?;
    for (no, key, count) in chains {
        if count == 0 {
            conn.prepare_cached(DROP_CHAIN)?.execute([no])?;
        } else {
            conn.prepare_cached(BURY_KEY)?.execute(params![no, tombstone::of(&key).0])?;
        }
    }
    Ok(())
}

/// An order without this node's receipt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unanswered {
    pub(super) no: i64,
    pub(super) id: OrderId,
    pub(super) erased: u64,
    pub(super) entry: EntryId,
}

pub(super) fn unanswered(conn: &Connection) -> Result<Vec<Unanswered>, StoreError> {
    let mut statement = conn.prepare_cached(UNANSWERED)?;
    let orders = statement.query_map([], |row| {
        Ok(Unanswered {
            no: row.get(0)?,
            id: OrderId(row.get(1)?),
            erased: row.get::<_, i64>(2)?.cast_unsigned(),
            entry: EntryId(row.get(3)?),
        })
    })?;
    Ok(orders.collect::<Result<_, _>>()?)
}

pub(super) fn answer(conn: &Connection, order: i64) -> Result<(), StoreError> {
    conn.prepare_cached(ANSWER)?.execute([order])?;
    Ok(())
}

/// The patients of whom the order with this number erased a stream.
pub(super) fn patients_of(conn: &Connection, order: i64) -> Result<Vec<PatientId>, StoreError> {
    patients(conn, ERASED_BY, order)
}

pub(super) fn erased_since(conn: &Connection, before: u64) -> Result<Vec<PatientId>, StoreError> {
    patients(conn, ERASED_SINCE, before.cast_signed())
}

fn patients(conn: &Connection, sql: &str, number: i64) -> Result<Vec<PatientId>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let streams = statement
        .query_map([number], |row| Ok(StreamId::from_bytes(&row.get(0)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    let patient = |stream: &StreamId| match topic(stream) {
        Topic::Patient(patient, _) => Some(patient),
        Topic::Policy | Topic::Emergencies(_) | Topic::Site(_) | Topic::Unknown => None,
    };
    Ok(streams.iter().filter_map(patient).collect())
}

pub(super) fn orders(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(ORDERS)?.query_row([], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

pub(super) fn payloads_left(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(LEFT)?.query_row([], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// Orders whose entry this hub lost.
pub(super) fn lost(conn: &Connection) -> Result<Vec<(OrderId, Vec<u8>)>, StoreError> {
    let mut statement = conn.prepare_cached(LOST)?;
    let orders = statement.query_map([], |row| Ok((OrderId(row.get(0)?), row.get(1)?)))?;
    Ok(orders.collect::<Result<_, _>>()?)
}
