//! Alerts, in the order they were stored.

use std::io::Write;

use store::Connection;
use vocab::SiteId;

use crate::refs::Refs;
use crate::{Csv, ExportError};

/// Writes `patient_ref,code,time,level` for every alert held; the level is the severity.
///
/// # Errors
///
/// [`ExportError`].
pub fn alerts<W: Write>(
    conn: &Connection,
    site: SiteId,
    out: &mut Csv<W>,
) -> Result<(), ExportError> {
    out.row(["patient_ref", "code", "time", "level"])?;
    let mut refs = Refs::new(site);
    ::alerts::store::for_each(conn, |alert| {
        let number = refs.of(conn, alert.patient)?;
        out.row([number, &alert.code.to_string(), &alert.time.to_string(), alert.severity.word()])
    })
}
