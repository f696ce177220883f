//! A hub that came back from a backup learned of orders to erase that it had lost.

use replication::Author;
use replication::erasure::{erased_since, orders, write_lost};
use replication::hub::SqliteHub;
use replication::streams::policy_stream;
use store::Connection;
use sync_protocol::NodeId;
use vocab::Timestamp;

use crate::WorkflowError;

/// Writes anew what has no place in the directory, and offers all that came since there were `before`
/// orders; answers who has news to fetch.
///
/// # Errors
///
/// [`WorkflowError`]; it is tried again with the next receipt.
pub fn tend_orders(
    conn: &Connection,
    author: &mut Author,
    now: Timestamp,
    before: u64,
) -> Result<Vec<NodeId>, WorkflowError> {
    let written = write_lost(conn, author, now)?;
    if written == 0 && orders(conn)? == before {
        return Ok(Vec::new());
    }
    let hub = SqliteHub::new(conn);
    let mut wake = hub.offer(now, &policy_stream())?;
    // Permissions may have gone with what was erased.
    for patient in erased_since(conn, before)? {
        wake.extend(hub.close_unallowed(now, patient)?);
    }
    Ok(wake)
}
