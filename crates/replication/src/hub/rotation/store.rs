//! SQL of a node's change of keys.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::NodeId;

const ROTATE: &str = "
    UPDATE enrolled_node SET key = ?2, tls_key = ?3 WHERE key = ?1 AND revoked_at IS NULL";

pub(super) fn rotate(
    conn: &Connection,
    old: &NodeId,
    new: &NodeId,
    new_tls_key: &[u8; 32],
) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(ROTATE)?.execute(params![old.0, new.0, new_tls_key])? == 1)
}
