//! What a hub keeps of erasures beside the orders: who asked and why, and who has carried them out.

mod store;

use ::store::{Connection, StoreError};
use sync_protocol::{NodeId, StreamId};
use vocab::{Compartment, PatientId, Timestamp};

use crate::erasure::OrderId;
use crate::ledger::store as ledger;
use crate::streams;

pub use store::{OrderStanding, has_record, note_request, standings};

/// The streams that the next entries of these parts of a patient's record go into: every earlier
/// generation was erased. Those parts are left out of which nothing was ever written, or nothing since
/// they were erased.
///
/// # Errors
///
/// The database's.
pub fn open_streams(
    conn: &Connection,
    patient: PatientId,
    parts: &[Compartment],
) -> Result<Vec<StreamId>, StoreError> {
    let mut open = Vec::new();
    for part in parts {
        let mut stream = streams::patient_stream(patient, *part);
        while let Some(row) = ledger::find_stream(conn, &stream)? {
            if row.erased.is_none() {
                open.push(stream);
                break;
            }
            let Some(next) = stream.generation.checked_add(1) else { break };
            stream.generation = next;
        }
    }
    Ok(open)
}

/// A node signed that it carried an order out.
///
/// # Errors
///
/// The database's.
pub fn receipt_arrived(
    conn: &Connection,
    now: Timestamp,
    order: OrderId,
    node: &NodeId,
    erased: u64,
) -> Result<(), StoreError> {
    store::keep_receipt(conn, now, order, node, erased)
}
