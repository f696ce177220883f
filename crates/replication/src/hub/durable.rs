//! How far the entries of each process start of a node are on a second medium.
//!
//! What a backup covers is read from the backup itself: what was received while it was made is not in
//! it. A node is told a position up to which everything is covered, so a start of which a position is
//! missing is covered up to there.

mod store;

use ::store::{Connection, StoreError};
use sync_protocol::{Epoch, NodeId};

/// One start of a node, and the position up to which all of its entries are covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Whose.
    pub node: NodeId,
    /// Which start.
    pub epoch: Epoch,
    /// All positions from 1 up to this one.
    pub upto: u64,
}

/// What a copy of a hub's database covers.
///
/// # Errors
///
/// The database's.
pub fn covered(copy: &Connection) -> Result<Vec<Mark>, StoreError> {
    let mut marks = Vec::new();
    for (node, epoch, received) in store::received(copy)? {
        if let Some((1, upto)) = received.runs().next() {
            marks.push(Mark { node, epoch, upto });
        }
    }
    Ok(marks)
}

/// Records what is covered; answers the marks that moved. None ever moves back.
///
/// # Errors
///
/// The database's.
pub fn mark(conn: &Connection, marks: &[Mark]) -> Result<Vec<Mark>, StoreError> {
    let round = store::next_round(conn)?;
    let mut moved = Vec::new();
    for mark in marks {
        if store::mark(conn, mark, round)? {
            moved.push(*mark);
        }
    }
    Ok(moved)
}

/// What a node is told when it greets.
pub(super) fn of_node(conn: &Connection, node: i64) -> Result<Vec<(Epoch, u64)>, StoreError> {
    store::of_node(conn, node)
}

/// Entries that are covered, of all nodes.
///
/// # Errors
///
/// The database's.
pub fn count(conn: &Connection) -> Result<u64, StoreError> {
    store::count(conn)
}
