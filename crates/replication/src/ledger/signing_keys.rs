//! Which keys are of one node: it may go over to new ones and keeps what it wrote with the old.

pub(crate) mod store;

use ::store::{Connection, StoreError};
use sync_protocol::NodeId;
use sync_protocol::exchange::NodeKeys;

/// The keys of the node that signs with `current`, for a conversation.
///
/// # Errors
///
/// The database's.
pub fn of_node(conn: &Connection, current: NodeId) -> Result<NodeKeys, StoreError> {
    Ok(NodeKeys::new(current, store::line(conn, &current)?))
}

/// Notes that the node that signed with `old` signs with `new` from now on. Said again, or later than
/// what came after, it changes nothing.
///
/// # Errors
///
/// The database's.
pub fn succeed(conn: &Connection, old: &NodeId, new: &NodeId) -> Result<(), StoreError> {
    store::join(conn, old, new)
}
