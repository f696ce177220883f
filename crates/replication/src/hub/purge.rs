//! Subscriptions that ended: what a node is told to let go, and its receipts.

mod store;

use ::store::{Connection, StoreError};
use sync_protocol::message::{Purge, StreamPosition};
use sync_protocol::purge::PurgeReceipt;
use vocab::Timestamp;

use self::store::Found;
use super::{Node, store as subs};

pub use store::{OutstandingCopy, outstanding};

/// What `node` is to let go and has not signed for.
pub(super) fn ended(conn: &Connection, node: &Node) -> Result<Vec<Purge>, StoreError> {
    store::ended(conn, node.no)
}

/// The node says in its greeting that it holds nothing of a stream under this version of its
/// subscription: it let it go. The order stays until its receipt is here.
pub(super) fn emptied(
    conn: &Connection,
    node: &Node,
    position: &StreamPosition,
) -> Result<(), StoreError> {
    let Some(found) = store::find(conn, node.no, &position.stream)? else { return Ok(()) };
    if holds(&found, position.version).is_some() {
        nothing_held(conn, node, &found, found.state, position.version)?;
    }
    Ok(())
}

/// Stores what `node` signed. A receipt for a subscription that has begun anew since says that the
/// node holds nothing of it: it is sent from the start.
pub(super) fn purged(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    receipt: &PurgeReceipt,
) -> Result<(), StoreError> {
    let Some(found) = store::find(conn, node.no, &receipt.purged.stream)? else { return Ok(()) };
    let Some(state) = holds(&found, receipt.purged.version) else {
        if receipt.purged.version <= found.floor {
            // That it let go is known; what it signed is evidence all the same.
            store::keep_receipt(conn, node.no, found.stream, receipt, now)?;
        }
        return Ok(());
    };
    store::keep_receipt(conn, node.no, found.stream, receipt, now)?;
    nothing_held(conn, node, &found, state, receipt.purged.version)
}

/// In which state a subscription is after the node let go of what it had under `version`; `None`
/// when that says nothing about it.
fn holds(found: &Found, version: u32) -> Option<i64> {
    match found.state {
        store::ENDING if version == found.version => Some(store::GONE),
        // It began anew since, and may have ended again. What was heard of that before, as from a
        // bundle that comes late, says nothing of what the node has been given since.
        state @ (store::ACTIVE | store::ENDING)
            if version < found.version && found.floor < version =>
        {
            Some(state)
        }
        _ => None,
    }
}

fn nothing_held(
    conn: &Connection,
    node: &Node,
    found: &Found,
    state: i64,
    version: u32,
) -> Result<(), StoreError> {
    store::settle(conn, node.no, found.stream, state, version)?;
    let feed = subs::node_feed(conn, node.no)?;
    subs::set_node_feed(conn, node.no, &feed.minus(&found.held))
}
