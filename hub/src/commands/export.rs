//! Exports: long answers, sent piece by piece from one state of the database.

use export::{Csv, ExportError, Tails};
use host::control::{Answer, PieceWriter};
use serde::{Deserialize, Serialize};
use store::Connection;
use vocab::SiteId;

use crate::node::Hub;

/// The hub has no patient numbers of its own: each patient is called as their clinic does.
const NO_SITE: SiteId = SiteId::from_bytes([0; 16]);

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Readings: `device_id,patient_ref,code,unit,time,value`, as they were sent.
    Vitals,
    /// Alerts: `patient_ref,code,time,level`.
    Alerts,
}

/// Every reading or alert held here.
pub(super) fn export(hub: &Hub, what: What) -> Answer {
    pieces(hub, move |conn, out| match what {
        What::Vitals => {
            export::vitals(conn, export::Reader::of_all(NO_SITE), Tails::None, None, out)
        }
        What::Alerts => export::alerts(conn, export::Reader::of_all(NO_SITE), None, out),
    })
}

/// Entries and frames that were set aside, with their reasons; also those that are settled, if `all`.
pub(super) fn quarantine(hub: &Hub, all: bool) -> Answer {
    pieces(hub, move |conn, out| export::set_aside(conn, all, "", out))
}

/// Copies that clinics may still hold although access has ended.
pub(super) fn copies(hub: &Hub) -> Answer {
    pieces(hub, export::copies)
}

/// Records that clinics opened in an emergency.
pub(super) fn emergencies(hub: &Hub) -> Answer {
    pieces(hub, export::emergencies)
}

/// Orders to erase and who has carried them out.
pub(super) fn erasures(hub: &Hub) -> Answer {
    pieces(hub, export::erasures)
}

/// What `write` writes as CSV about one state of the database.
fn pieces(
    hub: &Hub,
    write: impl FnOnce(&Connection, &mut Csv<PieceWriter>) -> Result<(), ExportError> + Send + 'static,
) -> Answer {
    Answer::streamed(&hub.readers, |conn, out| Csv::write_with(out, |csv| write(conn, csv)))
}
