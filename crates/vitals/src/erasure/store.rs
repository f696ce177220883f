//! SQL of readings that are erased.

use rusqlite::params;
use store::{Connection, StoreError};
use vocab::PatientId;

const TAIL: &str = "
    DELETE FROM vitals_tail
    WHERE patient_no = (SELECT no FROM vitals_patient WHERE id = ?1)";
const SPANS: &str = "
    DELETE FROM vitals_span
    WHERE patient_no = (SELECT no FROM vitals_patient WHERE id = ?1)";
const QUARANTINE: &str = "DELETE FROM vitals_quarantine WHERE patient IN (?1, ?2)";

/// Forgets the readings of a patient that are not sealed, where sealed ones are, and those that were
/// set aside under the patient's id or `number`, which is what devices call the patient here.
///
/// Receipts stay: they hold no reading, and a device that missed one would have its readings stored
/// again. Caches beside the tables have to be emptied.
///
/// # Errors
///
/// The database's.
pub fn forget(
    conn: &Connection,
    patient: PatientId,
    number: Option<&str>,
) -> Result<(), StoreError> {
    for sql in [TAIL, SPANS] {
        conn.prepare_cached(sql)?.execute([patient.bytes()])?;
    }
    let id = patient.to_string();
    conn.prepare_cached(QUARANTINE)?.execute(params![id, number.unwrap_or(&id)])?;
    Ok(())
}
