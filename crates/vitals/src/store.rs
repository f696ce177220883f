//! The tables of answered batches, the way into quarantine, and the numbers that stand for names.
//!
//! Readings themselves are stored by [`crate::tail`].

use rusqlite::{OptionalExtension as _, Row, params};
use store::{Connection, Room, StoreError};
use vocab::{DeviceName, PatientId, PatientRef, Timestamp};

use crate::batch::Candidate;
use crate::batch_id::BatchId;
use crate::cache::{IngestCache, No};
use crate::checksum::BodyDigest;
use crate::reason::Reason;
use crate::receipt::{Outcomes, Receipt, Tally};

/// The tables of this room.
pub const ROOM: Room = Room {
    name: "vitals",
    scripts: &[
        ("V1__vitals", include_str!("../migrations/001_vitals.sql")),
        ("V2__vitals_quarantine", include_str!("../migrations/002_vitals_quarantine.sql")),
    ],
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

const TOTAL: &str = "
    SELECT batches, accepted, duplicate, quarantined, rejected, discarded, taken_again
    FROM vitals_total WHERE one = 1";

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

/// Sums over every batch that was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many batches.
    pub batches: u64,
    /// What their readings are now: one that was set aside and taken again counts as accepted.
    pub readings: Tally,
    /// Readings that a person gave up.
    pub discarded: u64,
    /// Of those accepted, how many were set aside before.
    pub taken_again: u64,
}

impl Totals {
    /// Readings that devices sent: each is in exactly one of the sums.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        let Tally { accepted, duplicate, quarantined, rejected } = self.readings;
        accepted + duplicate + quarantined + rejected + self.discarded
    }
}

/// Sums over every batch that was answered.
///
/// # Errors
///
/// The database's own.
pub fn totals(conn: &Connection) -> Result<Totals, StoreError> {
    let count = |row: &Row<'_>, at| row.get(at).map(i64::cast_unsigned);
    Ok(conn.prepare_cached(TOTAL)?.query_row([], |row| {
        let readings = Tally {
            accepted: count(row, 1)?,
            duplicate: count(row, 2)?,
            quarantined: count(row, 3)?,
            rejected: count(row, 4)?,
        };
        let (discarded, taken_again) = (count(row, 5)?, count(row, 6)?);
        Ok(Totals { batches: count(row, 0)?, readings, discarded, taken_again })
    })?)
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
        let totals = totals(&conn).unwrap();
        assert_eq!((totals.batches, totals.readings, totals.sent()), (2, sums, 5));
    }
}
