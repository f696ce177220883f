//! SQL of who asked for an erasure, and who carried it out.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::NodeId;
use vocab::{Compartment, PatientId, SiteName, Timestamp};

use crate::erasure::OrderId;
use crate::ledger::signing_keys::store::keys_of_node;
use crate::streams::patient_stream;

const NOTE: &str = "
    INSERT INTO erase_request (id, what, reason, asked_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (id) DO NOTHING";
const KEEP: &str = concat!(
    "INSERT INTO erase_receipt (id, node, erased, stored_at)
     SELECT ?1, no, ?3, ?4 FROM enrolled_node WHERE key IN ",
    keys_of_node!("?2"),
    " ON CONFLICT (id, node) DO UPDATE SET erased = max(erased, excluded.erased)"
);
const HAS_RECORD: &str = "SELECT 1 FROM stream WHERE substr(id, 1, 17) = ?1 AND count > 0";
/// A node that was replaced before the order had nothing to do with it; one that was shut out may.
const STANDINGS: &str = "
    SELECT erase_order.id, coalesce(erase_request.what, ''), coalesce(erase_request.reason, ''),
        coalesce(erase_request.asked_at, erase_order.heard_at), erase_order.erased,
        node.site_name, node.revoked_at IS NOT NULL, erase_receipt.erased, erase_receipt.stored_at
    FROM erase_order
    LEFT JOIN erase_request ON erase_request.id = erase_order.id
    JOIN enrolled_node AS node
        ON node.revoked_at IS NULL
        OR node.revoked_at >= coalesce(erase_request.asked_at, erase_order.heard_at)
        OR EXISTS (SELECT 1 FROM sub WHERE sub.node = node.no AND sub.foreign_count > 0)
    LEFT JOIN erase_receipt
        ON erase_receipt.id = erase_order.id AND erase_receipt.node = node.no
    ORDER BY erase_order.no, node.site_name, node.no";

/// How one order stands at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStanding {
    /// The order.
    pub order: OrderId,
    /// What it erases; nothing for one that this hub learned from a receipt.
    pub what: String,
    /// Why.
    pub reason: String,
    /// When.
    pub asked_at: Timestamp,
    /// Payloads that went at the hub.
    pub erased_here: u64,
    /// The clinic.
    pub site_name: SiteName,
    /// Whether its node is shut out: nobody can ask it any more.
    pub shut_out: bool,
    /// Payloads that went there and when its receipt came; nothing while that is outstanding.
    pub receipt: Option<(u64, Timestamp)>,
}

/// Whether any clinic has sent anything about a patient.
///
/// # Errors
///
/// The database's.
pub fn has_record(conn: &Connection, patient: PatientId) -> Result<bool, StoreError> {
    let any = patient_stream(patient, Compartment::Identity).bytes();
    let subject = any.first_chunk::<17>().copied().unwrap_or_default();
    Ok(conn.prepare_cached(HAS_RECORD)?.exists([subject])?)
}

/// Keeps what was asked for, and why.
///
/// # Errors
///
/// The database's.
pub fn note_request(
    conn: &Connection,
    now: Timestamp,
    order: OrderId,
    what: &str,
    reason: &str,
) -> Result<(), StoreError> {
    conn.prepare_cached(NOTE)?.execute(params![order.0, what, reason, now.millis()])?;
    Ok(())
}

pub(super) fn keep_receipt(
    conn: &Connection,
    now: Timestamp,
    order: OrderId,
    node: &NodeId,
    erased: u64,
) -> Result<(), StoreError> {
    conn.prepare_cached(KEEP)?.execute(params![
        order.0,
        node.0,
        erased.cast_signed(),
        now.millis()
    ])?;
    Ok(())
}

/// Every order at every node that has to carry it out.
///
/// # Errors
///
/// The database's.
pub fn standings(conn: &Connection) -> Result<Vec<OrderStanding>, StoreError> {
    let mut statement = conn.prepare(STANDINGS)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(5)?;
        let erased: Option<i64> = row.get(7)?;
        let at: Option<i64> = row.get(8)?;
        all.push(OrderStanding {
            order: OrderId(row.get(0)?),
            what: row.get(1)?,
            reason: row.get(2)?,
            asked_at: Timestamp::from_millis(row.get(3)?),
            erased_here: row.get::<_, i64>(4)?.cast_unsigned(),
            site_name: name.parse().map_err(|_| StoreError::Damaged { what: "site name" })?,
            shut_out: row.get(6)?,
            receipt: erased
                .zip(at)
                .map(|(erased, at)| (erased.cast_unsigned(), Timestamp::from_millis(at))),
        });
    }
    Ok(all)
}
