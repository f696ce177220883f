//! Records that clinics opened in an emergency, for whoever reviews them.

use std::io::Write;

use store::Connection;

use crate::{Csv, ExportError};

/// Writes a row for each, the last that was heard of first. The reasons are what people wrote.
///
/// # Errors
///
/// [`ExportError`].
pub fn emergencies<W: Write>(conn: &Connection, out: &mut Csv<W>) -> Result<(), ExportError> {
    out.row([
        "site",
        "opened_at",
        "time_confirmed",
        "patient_id",
        "parts",
        "reason",
        "because",
        "further",
    ])?;
    for opened in consent::emergency::all(conn)? {
        let access = &opened.access;
        let name = directory::store::sites::site_name(conn, opened.site)?;
        let parts: Vec<&str> = access.parts.iter().map(|part| part.name()).collect();
        out.row([
            name.map_or_else(|| opened.site.to_string(), |name| name.to_string()).as_str(),
            &access.opened_at.to_string(),
            if access.is_time_confirmed { "yes" } else { "no" },
            &access.patient.to_string(),
            &parts.join("+"),
            access.reason.word(),
            access.text.reveal(),
            access.further.as_ref().map_or("", |text| text.reveal()),
        ])?;
    }
    Ok(())
}
