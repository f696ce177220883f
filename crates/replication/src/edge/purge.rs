//! Letting a stream go that this node may no longer have.
//!
//! What others wrote is deleted, with what the rooms made of it. Own entries and their chain stay:
//! the clinic that wrote a record keeps its copy, what the hub does not have yet still goes there,
//! and a chain that began anew would look like a fork.

mod store;

use ::store::Connection;
use sync_protocol::message::Purge;
use sync_protocol::purge::{PurgeReceipt, Purged};
use sync_protocol::signature::Signer;

use crate::ledger::store as ledger;
use crate::{LedgerError, Materialize};

/// Lets the stream go and signs for it; the same again when asked again, and nothing when a later
/// subscription has begun.
pub(super) fn purge(
    conn: &Connection,
    purge: &Purge,
    rooms: &mut dyn Materialize,
    me: &Signer,
) -> Result<Option<PurgeReceipt>, LedgerError> {
    let Purge { stream, version } = *purge;
    let (row, _) = ledger::open_stream(conn, &stream)?;
    let standing = store::standing(conn, row.no)?;
    let gone = if standing.purged_version == version {
        standing.purged
    } else if version <= standing.version {
        return Ok(None);
    } else {
        store::let_go(conn, row.no, &me.node())?;
        store::end(conn, row.no, version, &standing.held)?;
        super::lease::forget(conn, row.no)?;
        rooms.let_go(conn, &stream)?;
        standing.held
    };
    Ok(Some(PurgeReceipt::sign(Purged::new(stream, version, &gone), me)))
}
