//! A clinic signs for what it erased by order.

use replication::erasure::{Signed, sign_receipts};
use store::Connection;
use vocab::Timestamp;

use crate::{EdgeState, WorkflowError};

/// Writes the receipts that are due; what is cached of readings is read anew where something went. Call
/// it in the transaction that took the orders in.
///
/// # Errors
///
/// [`WorkflowError`]; the receipts are due still.
pub fn answer_orders(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
) -> Result<Signed, WorkflowError> {
    let Some(site) = state.site else { return Ok(Signed::default()) };
    let signed = sign_receipts(conn, &mut state.author, site, now)?;
    if signed.receipts > 0 {
        state.forget();
    }
    Ok(signed)
}
