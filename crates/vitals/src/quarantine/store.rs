//! SQL of readings that were set aside.

use ::store::{Connection, StoreError};
use rusqlite::{OptionalExtension as _, Params, Row, params};
use vocab::{Decision, Timestamp};

use super::{Contents, Quarantined, Standing};
use crate::code::LoincCode;
use crate::reason::Reason;
use crate::unit_text::UnitText;
use crate::value::SentValue;

/// Columns that [`read`] reads, in its order.
macro_rules! columns {
    () => {
        "SELECT q.no, d.name, q.batch_id, q.position, q.reason, q.received_at_ns, q.patient, q.code, \
         q.unit, q.time_ns, q.value, q.sequence, q.state, q.settled_at_ns, q.settled_by, q.settled_why
         FROM vitals_quarantine AS q JOIN vitals_device AS d ON d.no = q.device_no "
    };
}

const OPEN: &str = concat!(columns!(), "WHERE q.state = 0 ORDER BY q.no DESC LIMIT ?1");
const ALL: &str = concat!(columns!(), "ORDER BY q.no DESC LIMIT ?1");
const ONE: &str = concat!(columns!(), "WHERE q.no = ?1");
const OPEN_AFTER: &str =
    concat!(columns!(), "WHERE q.state = 0 AND q.no > ?1 ORDER BY q.no LIMIT ?2");
const SETTLE: &str = "
    UPDATE vitals_quarantine SET state = ?2, settled_at_ns = ?3, settled_by = ?4, settled_why = ?5,
        patient = '', value = ''
    WHERE no = ?1 AND state = 0";
/// From one sum to another; `?1` is the standing's number.
const MOVE_IN_TOTAL: &str = "
    UPDATE vitals_total SET
        quarantined = quarantined - 1,
        accepted = accepted + (?1 = 1), taken_again = taken_again + (?1 = 1),
        duplicate = duplicate + (?1 = 2), found_repeated = found_repeated + (?1 = 2),
        discarded = discarded + (?1 = 3)
    WHERE one = 1";
const ADDS_UP: &str = "
    SELECT (quarantined, taken_again, found_repeated, discarded) = (
        SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
               count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3)
        FROM vitals_quarantine)
    FROM vitals_total WHERE one = 1";

/// Readings that wait for a person, the newest first; also those that are settled, if `all`.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn list(conn: &Connection, all: bool, limit: u32) -> Result<Vec<Quarantined>, StoreError> {
    rows(conn, if all { ALL } else { OPEN }, [i64::from(limit)])
}

/// Readings that wait, in the order in which they came, after this number.
///
/// # Errors
///
/// As [`list`].
pub fn open_after(
    conn: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<Quarantined>, StoreError> {
    rows(conn, OPEN_AFTER, [after, i64::from(limit)])
}

/// Whether the sums say what the rows say.
///
/// # Errors
///
/// The database's own.
pub fn adds_up(conn: &Connection) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(ADDS_UP)?.query_row([], |row| row.get(0))?)
}

pub(super) fn find(conn: &Connection, no: i64) -> Result<Option<Quarantined>, StoreError> {
    let found = conn.prepare_cached(ONE)?.query_row([no], read).optional()?;
    found.map(|found| found.ok_or(DAMAGED)).transpose()
}

/// Settles what is open: what is about a person goes, and it moves from one sum to another.
pub(super) fn settle(
    conn: &Connection,
    no: i64,
    standing: Standing,
    now: Timestamp,
    decision: Option<&Decision>,
) -> Result<(), StoreError> {
    let settled = conn.prepare_cached(SETTLE)?.execute(params![
        no,
        standing.number(),
        now.nanos(),
        decision.map_or("", Decision::by),
        decision.map_or("", Decision::why),
    ])?;
    if settled == 1 {
        conn.prepare_cached(MOVE_IN_TOTAL)?.execute([standing.number()])?;
    }
    Ok(())
}

const DAMAGED: StoreError = StoreError::Damaged { what: "quarantined reading" };

fn rows(
    conn: &Connection,
    query: &str,
    params: impl Params,
) -> Result<Vec<Quarantined>, StoreError> {
    let mut statement = conn.prepare_cached(query)?;
    let found = statement.query_map(params, read)?;
    found.map(|found| found?.ok_or(DAMAGED)).collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Quarantined>> {
    let text = |at| row.get::<_, String>(at);
    let (device, batch_id, patient) = (text(1)?, text(2)?, text(6)?);
    let (unit, value, sequence) = (text(8)?, text(10)?, text(11)?);
    let (by, why) = (text(14)?, text(15)?);
    let (no, position, received, time) = (row.get(0)?, row.get(3)?, row.get(5)?, row.get(9)?);
    let (reason, code, state): (u8, u32, u8) = (row.get(4)?, row.get(7)?, row.get(12)?);
    let settled_at = row.get(13)?;
    let parse = || {
        let standing = Standing::from_number(state)?;
        let is_open = standing == Standing::Open;
        let contents = if is_open {
            Some(Contents { patient: patient.parse().ok()?, value: SentValue::parse(&value).ok()? })
        } else {
            None
        };
        let decision = match standing {
            Standing::Discarded => Some(Decision::new(&by, &why).ok()?),
            Standing::Open | Standing::Taken | Standing::Repeat => None,
        };
        Some(Quarantined {
            no,
            device: device.parse().ok()?,
            batch_id: batch_id.parse().ok()?,
            position,
            reason: Reason::from_number(reason)?,
            received: Timestamp::from_nanos(received),
            contents,
            code: LoincCode::from_number(code)?,
            unit: UnitText::new(&unit).ok()?,
            time: Timestamp::from_nanos(time),
            sequence: if sequence.is_empty() { None } else { Some(sequence.parse().ok()?) },
            standing,
            settled_at: (!is_open).then(|| Timestamp::from_nanos(settled_at)),
            decision,
        })
    };
    Ok(parse())
}
