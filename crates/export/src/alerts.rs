//! Alerts, in the order they were stored.

use std::io::Write;

use store::Connection;
use vocab::{Compartment, PatientId};

use crate::refs::Refs;
use crate::{Csv, ExportError, Reader};

/// Writes `patient_ref,code,time,level` for every alert held that may be opened, or those of one
/// patient; the level is the severity.
///
/// # Errors
///
/// [`ExportError`].
pub fn alerts<W: Write>(
    conn: &Connection,
    reader: Reader<'_>,
    only: Option<PatientId>,
    out: &mut Csv<W>,
) -> Result<(), ExportError> {
    out.row(["patient_ref", "code", "time", "level"])?;
    let mut refs = Refs::new(reader.site);
    ::alerts::store::for_each(conn, |alert| {
        if only.is_some_and(|only| only != alert.patient)
            || !reader.may_open_part(alert.patient, Compartment::Alerts, alert.author)
        {
            return Ok(());
        }
        let number = refs.of(conn, alert.patient)?;
        out.row([number, &alert.code.to_string(), &alert.time.to_string(), alert.severity.word()])
    })
}
