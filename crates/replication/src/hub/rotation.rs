//! A node goes over to new keys and stays the node that it is: its row, and with it everything that is
//! on record of it, stays; only its keys change.

mod store;

use ::store::{Connection, StoreError};
use sync_protocol::NodeId;

use crate::ledger::signing_keys;

/// Lets the node that signs with `old` in under `new` and `new_tls_key`, and no more under its keys so
/// far; answers whether a node that is let in signs with `old`.
///
/// # Errors
///
/// The database's; keys that were enrolled before are refused by it.
pub fn rotate(
    conn: &Connection,
    old: &NodeId,
    new: &NodeId,
    new_tls_key: &[u8; 32],
) -> Result<bool, StoreError> {
    let rotated = store::rotate(conn, old, new, new_tls_key)?;
    if rotated {
        signing_keys::succeed(conn, old, new)?;
    }
    Ok(rotated)
}
