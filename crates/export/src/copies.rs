//! Copies whose access has ended.

use std::io::Write;

use replication::streams::{Topic, topic};
use store::Connection;
use vocab::Timestamp;

use crate::{Csv, ExportError};

/// Writes the copies that clinics may still hold although nobody allows it any more, by clinic. A node
/// that is shut out can no longer be asked to let go of what it holds.
///
/// # Errors
///
/// [`ExportError`].
pub fn copies<W: Write>(conn: &Connection, out: &mut Csv<W>) -> Result<(), ExportError> {
    out.row([
        "site",
        "patient_id",
        "compartment",
        "entries",
        "since",
        "last_contact",
        "lease_ends",
        "node",
    ])?;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    for copy in replication::hub::outstanding(conn)? {
        let (patient, compartment) = match topic(&copy.stream) {
            Topic::Patient(patient, compartment) => (patient.to_string(), compartment.name()),
            Topic::Policy => (String::new(), "directory"),
            Topic::Emergencies(_) => (String::new(), "emergencies"),
            Topic::Site(_) => (String::new(), "site"),
            Topic::Unknown => (String::new(), "unknown"),
        };
        out.row([
            copy.site_name.as_str(),
            &patient,
            compartment,
            &copy.entries.to_string(),
            &time(copy.since),
            &time(copy.last_contact),
            &time(copy.lease_ends),
            if copy.shut_out { "shut out" } else { "asked" },
        ])?;
    }
    Ok(())
}
