//! Exports: long answers, sent piece by piece from one state of the database.

use std::sync::Arc;

use export::{Csv, ExportError};
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

/// Every reading or alert held here.
pub(super) fn export(node: Arc<Node>, what: What) -> Answer {
    let site = node.site_or_none();
    pieces(node, move |conn, out| match what {
        What::Vitals => export::vitals(conn, site, export::Tails::Included, out),
        What::Alerts => export::alerts(conn, site, out),
    })
}

/// Readings that wait for a person.
pub(super) fn quarantine(node: Arc<Node>) -> Answer {
    pieces(node, export::quarantine)
}

/// Entries that the hub refused or set aside, with its reasons.
pub(super) fn refused(node: Arc<Node>) -> Answer {
    pieces(node, export::not_taken)
}

/// Runs `write` on one state of the database and sends what it writes in pieces.
pub(super) fn pieces(
    node: Arc<Node>,
    write: impl FnOnce(&Connection, &mut CsvPieces) -> Result<(), ExportError> + Send + 'static,
) -> Answer {
    let (out, answer, break_off) = PieceWriter::new();
    tokio::spawn(async move {
        let written = node
            .readers
            .read(move |conn| {
                let mut csv = Csv::new(out);
                write(conn, &mut csv)?;
                csv.finish()
            })
            .await;
        if let Err(error) = written {
            break_off.because(super::refuse(error)).await;
        }
    });
    answer
}
