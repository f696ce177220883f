//! What is asked of a database that a power cut left, beyond what the programs themselves ask.

use std::collections::{BTreeMap, BTreeSet};

use ::store::{Connection, StoreError};

/// Own entries that the hub acknowledged, in whatever way.
const ACKNOWLEDGED: &str = "
    SELECT entry.id FROM outbox JOIN entry ON entry.no = outbox.entry
    WHERE outbox.state IN (1, 2, 4)";
const ENTRIES: &str = "SELECT id FROM entry";

/// How far a clinic told the hub that it holds each stream.
const TOLD: &str = "
    SELECT stream.id, sub.version, sub.acked_idx FROM sub
    JOIN stream ON stream.no = sub.stream JOIN enrolled_node ON enrolled_node.no = sub.node
    WHERE enrolled_node.site_name = ?1 AND sub.state = 1 AND sub.acked_idx > 0";
const HOLDS: &str = "
    SELECT stream.id, subscription.version, subscription.idx FROM subscription
    JOIN stream ON stream.no = subscription.stream";

/// What a clinic told the hub that it let go.
const TOLD_GONE: &str = "
    SELECT stream.id, purge_receipt.version, purge_receipt.count FROM purge_receipt
    JOIN stream ON stream.no = purge_receipt.stream
    JOIN enrolled_node ON enrolled_node.no = purge_receipt.node
    WHERE enrolled_node.site_name = ?1";
const GONE: &str = "
    SELECT stream.id, subscription.purged_version, subscription.purged_count FROM subscription
    JOIN stream ON stream.no = subscription.stream";

/// Facts that came with an entry, and what the rooms made of them: equal, whatever happened.
const HALVES: [(&str, &str); 3] = [
    (
        "alerts",
        "SELECT (SELECT count(*) FROM entry WHERE kind = 2 AND payload_state = 0),
                (SELECT count(*) FROM alert_fact)",
    ),
    (
        "consent events",
        "SELECT (SELECT count(*) FROM entry WHERE kind IN (4, 5) AND payload_state = 0),
                (SELECT count(*) FROM consent_event)",
    ),
    (
        "patients",
        "SELECT (SELECT count(DISTINCT stream) FROM entry WHERE kind = 3 AND payload_state = 0),
                (SELECT count(*) FROM patient_document)",
    ),
];

/// Tables of receipts and readings at a clinic: counted and summed, they agree.
const RECEIPTS: &str = "
    SELECT (SELECT count(*) FROM vitals_batch), batches, accepted FROM vitals_total";

/// A stream's id.
pub(crate) type StreamKey = [u8; 20];

/// Positions by stream, each with the version that it belongs to.
pub(crate) type Positions = BTreeMap<StreamKey, (i64, i64)>;

pub(crate) fn entries(conn: &Connection) -> Result<BTreeSet<[u8; 32]>, StoreError> {
    ids(conn, ENTRIES)
}

pub(crate) fn acknowledged(conn: &Connection) -> Result<BTreeSet<[u8; 32]>, StoreError> {
    ids(conn, ACKNOWLEDGED)
}

fn ids(conn: &Connection, question: &str) -> Result<BTreeSet<[u8; 32]>, StoreError> {
    let mut statement = conn.prepare(question)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the clinic of this name told the hub: held and let go.
pub(crate) fn told(conn: &Connection, site: &str) -> Result<(Positions, Positions), StoreError> {
    Ok((positions(conn, TOLD, &[site])?, positions(conn, TOLD_GONE, &[site])?))
}

/// What a clinic holds and let go.
pub(crate) fn holds(conn: &Connection) -> Result<(Positions, Positions), StoreError> {
    Ok((positions(conn, HOLDS, &[])?, positions(conn, GONE, &[])?))
}

fn positions(conn: &Connection, question: &str, of: &[&str]) -> Result<Positions, StoreError> {
    let mut statement = conn.prepare(question)?;
    let rows = statement.query_map(rusqlite::params_from_iter(of), |row| {
        Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first kind of fact that is there only by half.
pub(crate) fn half_applied(conn: &Connection) -> Result<Option<String>, StoreError> {
    for (what, question) in HALVES {
        let (signed, applied): (i64, i64) =
            conn.query_row(question, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if signed != applied {
            return Ok(Some(format!("{signed} {what} are signed and {applied} applied")));
        }
    }
    Ok(None)
}

/// Receipts counted, receipts on record, and readings that they accepted.
pub(crate) fn receipts(conn: &Connection) -> Result<(u64, u64, u64), StoreError> {
    let number = |value: i64| value.cast_unsigned();
    Ok(conn.query_row(RECEIPTS, [], |row| {
        Ok((number(row.get(0)?), number(row.get(1)?), number(row.get(2)?)))
    })?)
}
