//! Readings that wait for a person.

use std::io::Write;

use store::Connection;
use vocab::Decision;

use crate::{Csv, ExportError};

/// Rows of one export; the oldest beyond it stay in the database.
const ROWS_MAX: u32 = 100_000;

/// Writes the readings set aside at this clinic with the reason, the newest first; also those that are
/// settled, without what they said and of whom, if `all`.
///
/// # Errors
///
/// [`ExportError`].
pub fn quarantine<W: Write>(
    conn: &Connection,
    all: bool,
    out: &mut Csv<W>,
) -> Result<(), ExportError> {
    out.row([
        "device_id",
        "patient_ref",
        "code",
        "unit",
        "time",
        "value",
        "reason",
        "received",
        "id",
        "state",
        "settled",
        "by",
        "why",
    ])?;
    for aside in ::vitals::quarantine::list(conn, all, ROWS_MAX)? {
        let contents = aside.contents.as_ref();
        let decision = aside.decision.as_ref();
        out.row([
            aside.device.as_str(),
            contents.map_or("", |contents| contents.patient.as_str()),
            &aside.code.to_string(),
            aside.unit.as_str(),
            &aside.time.to_string(),
            &contents.map(|contents| contents.value.to_string()).unwrap_or_default(),
            aside.reason.word(),
            &aside.received.to_string(),
            &format!("r{}", aside.no),
            aside.standing.word(),
            &aside.settled_at.map(|at| at.to_string()).unwrap_or_default(),
            decision.map_or("", Decision::by),
            decision.map_or("", Decision::why),
        ])?;
    }
    Ok(())
}

/// Writes the entries and frames that were set aside here, with the reason, the newest first; also those
/// that were taken again or discarded since, if `all`. `prefix` goes before a number to make its id. The entry's name is the same in the list of the
/// clinic that wrote it.
///
/// # Errors
///
/// [`ExportError`].
pub fn set_aside<W: Write>(
    conn: &Connection,
    all: bool,
    prefix: &str,
    out: &mut Csv<W>,
) -> Result<(), ExportError> {
    out.row([
        "at", "node", "site", "epoch", "position", "entry_id", "reason", "bytes", "id", "state",
        "settled", "by", "why",
    ])?;
    let found = if all {
        replication::ledger::ever_quarantined(conn, ROWS_MAX)?
    } else {
        replication::ledger::quarantined(conn, ROWS_MAX)?
    };
    for aside in found {
        let site = directory::store::sites::site_of_node(conn, &aside.origin.0)?;
        let name = match site {
            Some(site) => directory::store::sites::site_name(conn, site)?,
            None => None,
        };
        out.row([
            aside.at.to_string().as_str(),
            &aside.origin.short(),
            name.as_ref().map_or("", |name| name.as_str()),
            &format!("{:?}", aside.epoch),
            &aside.oseq.to_string(),
            &aside.id.map(|id| id.to_string()).unwrap_or_default(),
            &aside.reason,
            &aside.bytes.to_string(),
            &format!("{prefix}{}", aside.no),
            aside.standing.word(),
            &aside.settled_at.map(|at| at.to_string()).unwrap_or_default(),
            &aside.settled_by,
            &aside.settled_why,
        ])?;
    }
    Ok(())
}

/// Writes the entries of this node that its hub refused or set aside, with the hub's reason.
///
/// # Errors
///
/// [`ExportError`].
pub fn not_taken<W: Write>(conn: &Connection, out: &mut Csv<W>) -> Result<(), ExportError> {
    out.row(["epoch", "position", "kind", "entry_id", "state", "reason"])?;
    for entry in replication::edge::not_taken(conn, ROWS_MAX)? {
        out.row([
            format!("{:?}", entry.epoch).as_str(),
            &entry.oseq.to_string(),
            vocab::FactKind::from_number(entry.kind).map_or("unknown", vocab::FactKind::name),
            &entry.id.to_string(),
            if entry.is_held { "set aside" } else { "refused" },
            &entry.reason,
        ])?;
    }
    Ok(())
}
