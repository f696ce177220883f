//! Exports: long answers, sent piece by piece from one state of the database.

use std::sync::Arc;

use export::{Csv, ExportError, Reader};
use host::control::{Answer, PieceWriter};
use serde::{Deserialize, Serialize};
use store::Connection;

use crate::node::Node;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Readings: `device_id,patient_ref,code,unit,time,value`, as they were sent.
    Vitals,
    /// Alerts: `patient_ref,code,time,level`.
    Alerts,
}

/// A CSV on its way to whoever asked.
type CsvPieces = Csv<PieceWriter>;

/// Every reading or alert held here, or those of one patient.
pub(super) fn export(node: &Node, what: What, patient: Option<String>) -> Answer {
    let (site, time) = (node.site_or_none(), Arc::clone(&node.time));
    pieces(node, move |conn, out| {
        let locks = time.locks(conn, site)?;
        let reader = Reader { site, locks: Some(&locks) };
        let only = match patient {
            Some(number) => Some(
                patients::store::resolve(conn, site, &number)?
                    .ok_or(ExportError::UnknownPatient)?,
            ),
            None => None,
        };
        match what {
            What::Vitals => export::vitals(conn, reader, export::Tails::Included, only, out),
            What::Alerts => export::alerts(conn, reader, only, out),
        }
    })
}

/// Readings that wait for a person; also those that are settled, if `all`.
pub(super) fn quarantine(node: &Node, all: bool) -> Answer {
    pieces(node, move |conn, out| export::quarantine(conn, all, out))
}

/// Entries of others that were set aside here; also those that are settled, if `all`.
pub(super) fn set_aside(node: &Node, all: bool) -> Answer {
    pieces(node, move |conn, out| export::set_aside(conn, all, "e", out))
}

/// Entries that the hub refused or set aside, with its reasons.
pub(super) fn refused(node: &Node) -> Answer {
    pieces(node, export::not_taken)
}

/// What `write` writes as CSV about one state of the database.
pub(super) fn pieces(
    node: &Node,
    write: impl FnOnce(&Connection, &mut CsvPieces) -> Result<(), ExportError> + Send + 'static,
) -> Answer {
    Answer::streamed(&node.readers, |conn, out| Csv::write_with(out, |csv| write(conn, csv)))
}
