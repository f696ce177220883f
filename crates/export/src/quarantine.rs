//! Readings that wait for a person.

use std::io::Write;

use store::Connection;

use crate::{Csv, ExportError};

/// Rows of one export; the oldest beyond it stay in the database.
const ROWS_MAX: u32 = 100_000;

/// Writes the readings set aside at this clinic with the reason, the newest first.
///
/// # Errors
///
/// [`ExportError`].
pub fn quarantine<W: Write>(conn: &Connection, out: &mut Csv<W>) -> Result<(), ExportError> {
    out.row(["device_id", "patient_ref", "code", "unit", "time", "value", "reason", "received"])?;
    for waiting in ::vitals::store::quarantined(conn, ROWS_MAX)? {
        out.row([
            waiting.device.as_str(),
            waiting.patient.as_str(),
            &waiting.code.to_string(),
            waiting.unit.as_str(),
            &waiting.time.to_string(),
            &waiting.value.to_string(),
            waiting.reason.word(),
            &waiting.received.to_string(),
        ])?;
    }
    Ok(())
}
