//! Alerts, in the order they were stored.

use std::io::Write;

use store::Connection;
use vocab::{PatientId, SiteId};

use crate::refs::Refs;
use crate::{Csv, ExportError};

/// Writes `patient_ref,code,time,level` for every alert held, or those of one patient; the level is
/// the severity.
///
/// # Errors
///
/// [`ExportError`].
pub fn alerts<W: Write>(
    conn: &Connection,
    site: SiteId,
    only: Option<PatientId>,
    out: &mut Csv<W>,
) -> Result<(), ExportError> {
    out.row(["patient_ref", "code", "time", "level"])?;
    let mut refs = Refs::new(site);
    ::alerts::store::for_each(conn, |alert| {
        if only.is_some_and(|only| only != alert.patient) {
            return Ok(());
        }
        let number = refs.of(conn, alert.patient)?;
        out.row([number, &alert.code.to_string(), &alert.time.to_string(), alert.severity.word()])
    })
}
