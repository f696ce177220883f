//! The tables of open readings and of the spans of sealed ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};
use store::{Connection, StoreError};
use vocab::{DeviceName, PatientId, Timestamp};

use crate::batch::BATCH_READINGS_MAX;
use crate::cache::{Group, GroupState, IngestCache, KnownRun, RunId};
use crate::columns;
use crate::reading::SealedReading;
use crate::store::{intern_device, intern_patient, patient_no};

const INSERT_ROW: &str = "
    INSERT INTO vitals_tail (device_no, patient_no, min_time_ns, max_time_ns, received_at_ns,
        readings, columns)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const OPEN: &str = "
    SELECT total(readings), min(received_at_ns), max(max_time_ns) FROM vitals_tail
    WHERE device_no = ?1 AND patient_no = ?2";

const LATEST_SPAN: &str = "
    SELECT max_time_ns FROM vitals_span WHERE device_no = ?1 AND patient_no = ?2
    ORDER BY max_time_ns DESC LIMIT 1";

const ROWS_MEETING: &str = "
    SELECT no FROM vitals_tail
    WHERE device_no = ?1 AND patient_no = ?2 AND max_time_ns >= ?3 AND min_time_ns <= ?4";

const ROW: &str = "SELECT columns FROM vitals_tail WHERE no = ?1";

const SPANS_MEETING: &str = "
    SELECT entry FROM vitals_span
    WHERE device_no = ?1 AND patient_no = ?2 AND max_time_ns >= ?3 AND min_time_ns <= ?4";

const ROWS_OF_GROUP: &str = "
    SELECT columns FROM vitals_tail WHERE device_no = ?1 AND patient_no = ?2 ORDER BY no";

const GROUP_MEETING: &str = "
    SELECT no, columns FROM vitals_tail
    WHERE device_no = ?1 AND patient_no = ?2 AND max_time_ns >= ?3 AND min_time_ns <= ?4";

const DELETE_ROW: &str = "DELETE FROM vitals_tail WHERE no = ?1";

const SHRINK_ROW: &str = "
    UPDATE vitals_tail SET min_time_ns = ?2, max_time_ns = ?3, readings = ?4, columns = ?5
    WHERE no = ?1";

const DELETE_GROUP: &str = "DELETE FROM vitals_tail WHERE device_no = ?1 AND patient_no = ?2";

const INSERT_SPAN: &str = "
    INSERT INTO vitals_span (device_no, patient_no, max_time_ns, min_time_ns, entry, readings)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (device_no, patient_no, max_time_ns, entry) DO NOTHING";

const DUE: &str = "
    SELECT d.name, p.id FROM (
        SELECT device_no, patient_no, min(received_at_ns) AS since FROM vitals_tail
        GROUP BY device_no, patient_no HAVING since <= ?1 OR since > ?2
    ) JOIN vitals_device AS d ON d.no = device_no JOIN vitals_patient AS p ON p.no = patient_no
    ORDER BY since, d.no, p.no";

const EVERY_ROW: &str = "
    SELECT d.name, p.id, t.columns FROM vitals_tail AS t
    JOIN vitals_device AS d ON d.no = t.device_no JOIN vitals_patient AS p ON p.no = t.patient_no
    ORDER BY t.no";

const ROWS_OF_PATIENT: &str = "
    SELECT d.name, t.columns FROM vitals_tail AS t JOIN vitals_device AS d ON d.no = t.device_no
    WHERE t.patient_no = ?1 ORDER BY t.no";

const COUNTS: &str = "
    SELECT (SELECT count(*) FROM vitals_tail), (SELECT total(readings) FROM vitals_tail),
        (SELECT count(*) FROM vitals_span), (SELECT total(readings) FROM vitals_span)";

/// A row of the tail holds what one batch brought.
fn read_row(columns: &[u8]) -> Result<Vec<SealedReading>, StoreError> {
    columns::read(columns, BATCH_READINGS_MAX)
        .ok_or(StoreError::Damaged { what: "tail of readings" })
}

/// Brings what is known of a group into the cache.
pub(crate) fn load_group(
    conn: &Connection,
    cache: &mut IngestCache,
    group: Group,
) -> Result<(), StoreError> {
    if cache.group(group).is_some() {
        return Ok(());
    }
    let key = params![group.0, group.1];
    let (open, since, latest_open) = conn.prepare_cached(OPEN)?.query_row(key, |row| {
        Ok((whole(row.get(0)?), row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    let latest_sealed: Option<i64> =
        conn.prepare_cached(LATEST_SPAN)?.query_row(key, |row| row.get(0)).optional()?;
    let state = GroupState {
        open,
        since: since.map(Timestamp::from_nanos),
        latest: latest_open.max(latest_sealed).map(Timestamp::from_nanos),
        at_latest: None,
    };
    cache.remember_group(group, state);
    Ok(())
}

/// A sum of counts. SQLite's `total` answers a real, so that no rows give 0; every count that can
/// occur is exact in it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of counts is a whole number far below 2^53"
)]
const fn whole(total: f64) -> u64 {
    total as u64
}

/// Stores one batch's fresh readings of one group, sorted by identity; answers what is open now.
pub(super) fn insert_row(
    conn: &Connection,
    cache: &mut IngestCache,
    group: Group,
    readings: &[SealedReading],
) -> Result<(u64, Timestamp), StoreError> {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else {
        return Ok(cache.group(group).map_or((0, Timestamp::default()), |state| {
            (state.open, state.since.unwrap_or_default())
        }));
    };
    let count = u64::try_from(readings.len()).unwrap_or(u64::MAX);
    let received = first.received;
    conn.prepare_cached(INSERT_ROW)?.execute(params![
        group.0,
        group.1,
        first.time.nanos(),
        last.time.nanos(),
        received.nanos(),
        count.cast_signed(),
        columns::write(readings),
    ])?;
    let mut now = (count, received);
    if let Some(state) = cache.group_mut(group) {
        state.open += count;
        let since = state.since.map_or(received, |since| since.min(received));
        state.since = Some(since);
        state.note(readings);
        now = (state.open, since);
    }
    Ok(now)
}

/// Answers the payload of an entry, or `None` when this node no longer holds it.
pub type Fetch<'f> = dyn FnMut(&[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> + 'f;

/// Every stored run of a group that has a reading from `first` to `last`, or may have.
pub(crate) fn overlapping(
    conn: &Connection,
    cache: &mut IngestCache,
    group: Group,
    (first, last): (Timestamp, Timestamp),
    fetch: &mut Fetch<'_>,
) -> Result<Vec<KnownRun>, StoreError> {
    let key = params![group.0, group.1, first.nanos(), last.nanos()];
    let mut ids = Vec::new();
    let mut rows = conn.prepare_cached(ROWS_MEETING)?;
    for no in rows.query_map(key, |row| row.get(0))? {
        ids.push(RunId::Tail(group, no?));
    }
    let mut spans = conn.prepare_cached(SPANS_MEETING)?;
    for entry in spans.query_map(key, |row| row.get(0))? {
        ids.push(RunId::Entry(entry?));
    }
    let mut runs = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(run) = cache.known(id) {
            runs.push(run);
            continue;
        }
        let mut readings = match id {
            RunId::Tail(_, no) => conn
                .prepare_cached(ROW)?
                .query_row([no], |row| Ok(read_row(row.get_ref(0)?.as_blob()?)))??,
            RunId::Entry(entry) => match fetch(&entry)? {
                Some(payload) => {
                    crate::segment::decode(&payload)
                        .map_err(|_| StoreError::Damaged { what: "segment of readings" })?
                        .readings
                }
                None => Vec::new(),
            },
        };
        // Columns are sorted runs, which a stable sort only merges.
        readings.sort_by(|a, b| a.identity().cmp(&b.identity()));
        let run: KnownRun = Arc::new(readings);
        cache.remember_run(id, Arc::clone(&run));
        runs.push(run);
    }
    Ok(runs)
}

/// Takes out the open readings of a device for a patient, to be sealed in the same transaction.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn take_tail(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    patient: PatientId,
) -> Result<Vec<SealedReading>, StoreError> {
    let group = (intern_device(conn, cache, device)?, intern_patient(conn, cache, patient)?);
    let mut readings = Vec::new();
    let mut statement = conn.prepare_cached(ROWS_OF_GROUP)?;
    let mut rows = statement.query(params![group.0, group.1])?;
    while let Some(row) = rows.next()? {
        readings.append(&mut read_row(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
    }
    conn.prepare_cached(DELETE_GROUP)?.execute(params![group.0, group.1])?;
    cache.forget_tail(group);
    if let Some(state) = cache.group_mut(group) {
        (state.open, state.since) = (0, None);
    }
    Ok(readings)
}

/// Takes readings that are sealed elsewhere out of the open ones.
pub(super) fn leave_out(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    patient: PatientId,
    sealed: &[SealedReading],
) -> Result<(), StoreError> {
    let times = || sealed.iter().map(|reading| reading.time.nanos());
    let (Some(min), Some(max)) = (times().min(), times().max()) else { return Ok(()) };
    let known: BTreeSet<_> = sealed.iter().map(SealedReading::identity).collect();
    let group = (intern_device(conn, cache, device)?, intern_patient(conn, cache, patient)?);
    let rows: Vec<(i64, Vec<u8>)> = conn
        .prepare_cached(GROUP_MEETING)?
        .query_map(params![group.0, group.1, min, max], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (no, columns) in rows {
        let mut readings = read_row(&columns)?;
        let before = readings.len();
        readings.retain(|reading| !known.contains(&reading.identity()));
        readings.sort_by(|a, b| a.identity().cmp(&b.identity()));
        match (readings.first(), readings.last()) {
            _ if readings.len() == before => {}
            (Some(first), Some(last)) => {
                conn.prepare_cached(SHRINK_ROW)?.execute(params![
                    no,
                    first.time.nanos(),
                    last.time.nanos(),
                    u64::try_from(readings.len()).unwrap_or(u64::MAX).cast_signed(),
                    columns::write(&readings),
                ])?;
            }
            _ => {
                conn.prepare_cached(DELETE_ROW)?.execute([no])?;
            }
        }
    }
    Ok(())
}

/// Remembers that an entry holds these readings, so that repeats of them are found. Does nothing
/// the second time.
///
/// # Errors
///
/// The database's own.
pub fn record_span(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
    patient: PatientId,
    entry: &[u8; 32],
    readings: &[SealedReading],
) -> Result<(), StoreError> {
    let times = || readings.iter().map(|reading| reading.time);
    let (Some(min), Some(max)) = (times().min(), times().max()) else { return Ok(()) };
    let group = (intern_device(conn, cache, device)?, intern_patient(conn, cache, patient)?);
    conn.prepare_cached(INSERT_SPAN)?.execute(params![
        group.0,
        group.1,
        max.nanos(),
        min.nanos(),
        entry,
        u64::try_from(readings.len()).unwrap_or(u64::MAX).cast_signed(),
    ])?;
    if let Some(state) = cache.group_mut(group) {
        state.note_again(readings);
    }
    Ok(())
}

/// The devices and patients whose first open reading arrived at `received_until` or before, or after
/// `now`: then the clock was put back, and nobody knows how long they have been open.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a name does not read back.
pub fn tails_due(
    conn: &Connection,
    received_until: Timestamp,
    now: Timestamp,
) -> Result<Vec<(DeviceName, PatientId)>, StoreError> {
    let mut statement = conn.prepare_cached(DUE)?;
    let mut rows = statement.query([received_until.nanos(), now.nanos()])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        due.push((device_name(row.get(0)?)?, PatientId::from_bytes(row.get(1)?)));
    }
    Ok(due)
}

fn device_name(text: String) -> Result<DeviceName, StoreError> {
    text.try_into().map_err(|_| StoreError::Damaged { what: "device name" })
}

/// Shows every open reading, in the order of arrival of their batches.
///
/// # Errors
///
/// What `see` answers, or [`StoreError::Damaged`] when a row does not read back.
pub fn for_each_open<E: From<StoreError>>(
    conn: &Connection,
    mut see: impl FnMut(&DeviceName, PatientId, &SealedReading) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = conn.prepare_cached(EVERY_ROW).map_err(StoreError::from)?;
    let mut rows = statement.query([]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        let read = || -> rusqlite::Result<_> {
            Ok((row.get(0)?, row.get(1)?, read_row(row.get_ref(2)?.as_blob()?)))
        };
        let (device, patient, readings) = read().map_err(StoreError::from)?;
        let (device, patient) = (device_name(device)?, PatientId::from_bytes(patient));
        for reading in &readings? {
            see(&device, patient, reading)?;
        }
    }
    Ok(())
}

/// The open readings of one patient with their devices, in the order of arrival of their batches.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn open_of(
    conn: &Connection,
    patient: PatientId,
) -> Result<Vec<(DeviceName, SealedReading)>, StoreError> {
    let Some(no) = patient_no(conn, patient)? else { return Ok(Vec::new()) };
    let mut statement = conn.prepare_cached(ROWS_OF_PATIENT)?;
    let mut rows = statement.query([no])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        let device = device_name(row.get(0)?)?;
        let readings = read_row(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        open.extend(readings.into_iter().map(|reading| (device.clone(), reading)));
    }
    Ok(open)
}

/// What this room holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows of open readings.
    pub open_rows: u64,
    /// Open readings.
    pub open_readings: u64,
    /// Segments sealed here.
    pub segments: u64,
    /// Readings in them.
    pub sealed_readings: u64,
}

/// Counts what this room holds.
///
/// # Errors
///
/// The database's own.
pub fn counts(conn: &Connection) -> Result<Counts, StoreError> {
    Ok(conn.prepare_cached(COUNTS)?.query_row([], |row| {
        Ok(Counts {
            open_rows: row.get::<_, i64>(0)?.cast_unsigned(),
            open_readings: whole(row.get(1)?),
            segments: row.get::<_, i64>(2)?.cast_unsigned(),
            sealed_readings: whole(row.get(3)?),
        })
    })?)
}
