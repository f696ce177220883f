//! The tables of answered batches and quarantined readings, and the numbers that stand for names.
//!
//! Readings themselves are stored by [`crate::tail`].

use rusqlite::{OptionalExtension as _, Row, params};
use store::{Connection, Room, StoreError};
use vocab::{DeviceName, PatientId, PatientRef, Timestamp};

use crate::batch::Candidate;
use crate::batch_id::BatchId;
use crate::cache::{IngestCache, No};
use crate::checksum::BodyDigest;
use crate::code::LoincCode;
use crate::reason::Reason;
use crate::receipt::{Outcomes, Receipt, Tally};
use crate::unit_text::UnitText;
use crate::value::SentValue;

/// The tables of this room.
pub const ROOM: Room = Room {
    name: "vitals",
    scripts: &[("V1__vitals", include_str!("../migrations/001_vitals.sql"))],
};

const DEVICE_NO: &str = "SELECT no FROM vitals_device WHERE name = ?1";
const INSERT_DEVICE: &str = "INSERT INTO vitals_device (name) VALUES (?1)";
const PATIENT_NO: &str = "SELECT no FROM vitals_patient WHERE id = ?1";
const INSERT_PATIENT: &str = "INSERT INTO vitals_patient (id) VALUES (?1)";

const BATCH: &str = "SELECT body_sha256, received_at_ns, outcomes FROM vitals_batch WHERE key = ?1";

const INSERT_BATCH: &str = "
    INSERT INTO vitals_batch (key, body_sha256, received_at_ns, outcomes) VALUES (?1, ?2, ?3, ?4)";

const ADD_TOTAL: &str = "
    UPDATE vitals_total SET
        batches = batches + 1, accepted = accepted + ?1, duplicate = duplicate + ?2,
        quarantined = quarantined + ?3, rejected = rejected + ?4
    WHERE one = 1";

const INSERT_QUARANTINED: &str = "
    INSERT INTO vitals_quarantine (device_no, batch_id, position, reason, received_at_ns,
        patient, code, unit, time_ns, value, sequence)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const QUARANTINED: &str = "
    SELECT d.name, q.batch_id, q.position, q.reason, q.received_at_ns,
        q.patient, q.code, q.unit, q.time_ns, q.value, q.sequence
    FROM vitals_quarantine AS q JOIN vitals_device AS d ON d.no = q.device_no
    ORDER BY q.no DESC LIMIT ?1";

const TOTAL: &str = "
    SELECT batches, accepted, duplicate, quarantined, rejected FROM vitals_total WHERE one = 1";

/// The number of a device, given to it now if it has none.
pub(crate) fn intern_device(
    conn: &Connection,
    cache: &mut IngestCache,
    device: &DeviceName,
) -> Result<No, StoreError> {
    if let Some(no) = cache.devices.get(device) {
        return Ok(*no);
    }
    let no = match device_no(conn, device)? {
        Some(no) => no,
        None => conn.prepare_cached(INSERT_DEVICE)?.insert([device.as_str()])?,
    };
    cache.devices.insert(device.clone(), no);
    Ok(no)
}

/// The number of a patient, given to them now if they have none.
pub(crate) fn intern_patient(
    conn: &Connection,
    cache: &mut IngestCache,
    patient: PatientId,
) -> Result<No, StoreError> {
    if let Some(no) = cache.patients.get(&patient) {
        return Ok(*no);
    }
    let no = match patient_no(conn, patient)? {
        Some(no) => no,
        None => conn.prepare_cached(INSERT_PATIENT)?.insert([patient.bytes()])?,
    };
    cache.patients.insert(patient, no);
    Ok(no)
}

fn device_no(conn: &Connection, device: &DeviceName) -> Result<Option<No>, StoreError> {
    let mut statement = conn.prepare_cached(DEVICE_NO)?;
    Ok(statement.query_row([device.as_str()], |row| row.get(0)).optional()?)
}

/// The number of a patient of whom there are readings.
pub(crate) fn patient_no(conn: &Connection, patient: PatientId) -> Result<Option<No>, StoreError> {
    let mut statement = conn.prepare_cached(PATIENT_NO)?;
    Ok(statement.query_row([patient.bytes()], |row| row.get(0)).optional()?)
}

/// The key of a batch: the first 16 bytes of a BLAKE3 hash over device and name, each with its
/// length in front. Two batches of one clinic meet in it once in 2^64.
fn batch_key(device: &DeviceName, batch: &BatchId) -> [u8; 16] {
    let mut hash = blake3::Hasher::new();
    for text in [device.as_str(), batch.as_str()] {
        // Names have at most 64 bytes.
        hash.update(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        hash.update(text.as_bytes());
    }
    let mut key = [0; 16];
    hash.finalize_xof().fill(&mut key);
    key
}

/// The answer that a batch of this name got, with the digest of the body that got it.
///
/// # Errors
///
/// [`StoreError::Damaged`] when what is stored is no receipt.
pub fn find_receipt(
    conn: &Connection,
    device: &DeviceName,
    batch: &BatchId,
) -> Result<Option<(BodyDigest, Receipt)>, StoreError> {
    let mut statement = conn.prepare_cached(BATCH)?;
    let stored = statement.query_row([batch_key(device, batch)], |row| {
        let digest = BodyDigest::from_bytes(row.get(0)?);
        let received_at = Timestamp::from_nanos(row.get(1)?);
        Ok((digest, received_at, Outcomes::unpack(row.get_ref(2)?.as_blob()?)))
    });
    let Some((digest, received_at, outcomes)) = stored.optional()? else { return Ok(None) };
    let outcomes = outcomes.ok_or(StoreError::Damaged { what: "receipt" })?;
    let (batch_id, device) = (batch.clone(), device.clone());
    Ok(Some((digest, Receipt { batch_id, device, received_at, outcomes })))
}

/// Keeps the answer to a batch and adds it to the sums.
///
/// # Errors
///
/// A receipt for the same batch is refused; look with [`find_receipt`] first.
pub fn record_receipt(
    conn: &Connection,
    body: BodyDigest,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    let key = batch_key(&receipt.device, &receipt.batch_id);
    let received = receipt.received_at.nanos();
    let outcomes = receipt.outcomes.pack();
    conn.prepare_cached(INSERT_BATCH)?.execute(params![key, body.bytes(), received, outcomes])?;
    let tally = receipt.outcomes.tally();
    let counts = [tally.accepted, tally.duplicate, tally.quarantined, tally.rejected];
    conn.prepare_cached(ADD_TOTAL)?.execute(counts.map(u64::cast_signed))?;
    Ok(())
}

/// Sums over every batch that was answered: the number of batches, and what became of readings.
///
/// # Errors
///
/// The database's own.
pub fn totals(conn: &Connection) -> Result<(u64, Tally), StoreError> {
    let count = |row: &Row<'_>, at| row.get(at).map(i64::cast_unsigned);
    Ok(conn.prepare_cached(TOTAL)?.query_row([], |row| {
        let tally = Tally {
            accepted: count(row, 1)?,
            duplicate: count(row, 2)?,
            quarantined: count(row, 3)?,
            rejected: count(row, 4)?,
        };
        Ok((count(row, 0)?, tally))
    })?)
}

/// A reading that lies in quarantine, for somebody who may see readings.
#[derive(Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Who sent it.
    pub device: DeviceName,
    /// In which batch.
    pub batch_id: BatchId,
    /// At which place in it, counted from 0.
    pub position: u32,
    /// Why it is not trusted.
    pub reason: Reason,
    /// When it arrived.
    pub received: Timestamp,
    /// Whom it names.
    pub patient: PatientRef,
    /// What was measured.
    pub code: LoincCode,
    /// The unit as sent.
    pub unit: UnitText,
    /// When, by the device's clock.
    pub time: Timestamp,
    /// The number as sent.
    pub value: SentValue,
    /// The device's own count.
    pub sequence: Option<u64>,
}

/// A reading on its way into quarantine.
pub(crate) struct Suspect<'a> {
    pub(crate) position: usize,
    pub(crate) reason: Reason,
    pub(crate) patient: &'a PatientRef,
    pub(crate) reading: &'a Candidate,
}

/// Keeps a reading aside.
pub(crate) fn quarantine(
    conn: &Connection,
    device_no: No,
    batch: &BatchId,
    received: Timestamp,
    suspect: &Suspect<'_>,
) -> Result<(), StoreError> {
    let reading = suspect.reading;
    conn.prepare_cached(INSERT_QUARANTINED)?.execute(params![
        device_no,
        batch.as_str(),
        u32::try_from(suspect.position).unwrap_or(u32::MAX),
        suspect.reason.number(),
        received.nanos(),
        suspect.patient.as_str(),
        reading.code.number(),
        reading.unit.as_str(),
        reading.time.nanos(),
        reading.value.to_string(),
        reading.sequence.map(|sequence| sequence.to_string()).unwrap_or_default(),
    ])?;
    Ok(())
}

/// The readings that were quarantined last, the newest first.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn quarantined(conn: &Connection, limit: u32) -> Result<Vec<Quarantined>, StoreError> {
    let mut statement = conn.prepare_cached(QUARANTINED)?;
    let mut rows = statement.query([limit])?;
    let mut readings = Vec::new();
    while let Some(row) = rows.next()? {
        let reading = read_quarantined(row)?;
        readings.push(reading.ok_or(StoreError::Damaged { what: "quarantined reading" })?);
    }
    Ok(readings)
}

fn read_quarantined(row: &Row<'_>) -> rusqlite::Result<Option<Quarantined>> {
    let text = |at| row.get::<_, String>(at);
    let (device, batch_id, patient) = (text(0)?, text(1)?, text(5)?);
    let (unit, value, sequence) = (text(7)?, text(9)?, text(10)?);
    let (position, received, time) = (row.get(2)?, row.get(4)?, row.get(8)?);
    let (reason, code): (u8, u32) = (row.get(3)?, row.get(6)?);
    let parse = || {
        Some(Quarantined {
            device: device.parse().ok()?,
            batch_id: batch_id.parse().ok()?,
            position,
            reason: Reason::from_number(reason)?,
            received: Timestamp::from_nanos(received),
            patient: patient.parse().ok()?,
            code: LoincCode::from_number(code)?,
            unit: UnitText::new(&unit).ok()?,
            time: Timestamp::from_nanos(time),
            value: SentValue::parse(&value).ok()?,
            sequence: if sequence.is_empty() { None } else { Some(sequence.parse().ok()?) },
        })
    };
    Ok(parse())
}

impl std::fmt::Debug for Quarantined {
    /// The reading stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantined")
            .field("device", &self.device)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Outcome;

    fn database() -> Connection {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[ROOM]).unwrap();
        conn
    }

    fn receipt(batch: &str, outcomes: &[Outcome]) -> Receipt {
        Receipt {
            batch_id: batch.parse().unwrap(),
            device: "ward-06-mon".parse().unwrap(),
            received_at: "2026-06-12T17:22:01.123456789Z".parse().unwrap(),
            outcomes: outcomes.iter().copied().collect(),
        }
    }

    #[test]
    fn a_receipt_is_found_again_byte_for_byte_and_only_for_its_device() {
        let conn = database();
        let receipt = receipt("b-1", &[Outcome::Accepted, Outcome::Rejected(Reason::BadTime)]);
        let digest = BodyDigest::of(b"body");
        record_receipt(&conn, digest, &receipt).unwrap();
        let (body, found) =
            find_receipt(&conn, &receipt.device, &receipt.batch_id).unwrap().unwrap();
        assert_eq!((body, found.to_json()), (digest, receipt.to_json()));
        let other = "ward-07-mon".parse().unwrap();
        assert_eq!(find_receipt(&conn, &other, &receipt.batch_id).unwrap(), None);
        let other = "b-2".parse().unwrap();
        assert_eq!(find_receipt(&conn, &receipt.device, &other).unwrap(), None);
    }

    #[test]
    fn a_batch_is_answered_once() {
        let conn = database();
        let receipt = receipt("b-1", &[Outcome::Accepted]);
        record_receipt(&conn, BodyDigest::of(b"body"), &receipt).unwrap();
        assert!(record_receipt(&conn, BodyDigest::of(b"body"), &receipt).is_err());
    }

    #[test]
    fn sums_are_kept_over_all_batches() {
        let conn = database();
        let unknown = Outcome::Quarantined(Reason::UnknownPatient);
        for (batch, outcomes) in [
            ("b-1", vec![Outcome::Accepted, Outcome::Accepted, unknown]),
            ("b-2", vec![Outcome::Duplicate, Outcome::Rejected(Reason::BadCode)]),
        ] {
            record_receipt(&conn, BodyDigest::of(b"body"), &receipt(batch, &outcomes)).unwrap();
        }
        let sums = Tally { accepted: 2, duplicate: 1, quarantined: 1, rejected: 1 };
        assert_eq!(totals(&conn).unwrap(), (2, sums));
    }

    #[test]
    fn a_quarantined_reading_keeps_what_was_sent() {
        let conn = database();
        let mut cache = IngestCache::default();
        let device: DeviceName = "ward-06-mon".parse().unwrap();
        let no = intern_device(&conn, &mut cache, &device).unwrap();
        let (patient, batch): (PatientRef, BatchId) =
            ("p-1".parse().unwrap(), "b-1".parse().unwrap());
        for sequence in [None, Some(u64::MAX)] {
            let reading = Candidate {
                patient: 0,
                code: "8867-4".parse().unwrap(),
                unit: UnitText::new("bpm").unwrap(),
                time: "2026-06-12T17:22:00.5Z".parse().unwrap(),
                value: SentValue::parse("72.0").unwrap(),
                sequence,
            };
            let received = "2026-06-12T17:22:01Z".parse().unwrap();
            let reason = Reason::UnknownUnit;
            let suspect = Suspect { position: 7, reason, patient: &patient, reading: &reading };
            quarantine(&conn, no, &batch, received, &suspect).unwrap();
            let found = quarantined(&conn, 1).unwrap();
            let expected = Quarantined {
                device: device.clone(),
                batch_id: batch.clone(),
                position: 7,
                reason,
                received,
                patient: patient.clone(),
                code: reading.code,
                unit: reading.unit,
                time: reading.time,
                value: reading.value,
                sequence,
            };
            assert_eq!(found, [expected]);
        }
    }
}
