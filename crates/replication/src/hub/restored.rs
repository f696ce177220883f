//! A hub whose database came back from a backup.
//!
//! What patients took back after the backup is missing in it until the clinics where they did so have
//! sent it again. Until then, in *safe mode*, it takes everything and gives each clinic only what that
//! clinic keeps itself, and the directory; and it orders nothing to be let go, because what it gave
//! after the backup may be all that is left of it.

mod store;

use ::store::{Connection, StoreError};
use vocab::{SiteId, Timestamp};

use super::Node;
use crate::streams::{self, Topic};

pub use store::{awaited, begin_again, is_in_safe_mode, overridden};

/// A node says that all it wrote is here. When every node has, safe mode ends; answers whether it just
/// did.
pub(super) fn report(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    incarnation: u64,
) -> Result<bool, StoreError> {
    store::report(conn, node.no, incarnation)?;
    Ok(awaited(conn)?.is_empty() && store::leave(conn, now, "")?)
}

/// An operator ends safe mode, for a written reason; answers whether it held.
///
/// # Errors
///
/// The database's.
pub fn leave_safe_mode(
    conn: &Connection,
    now: Timestamp,
    because: &str,
) -> Result<bool, StoreError> {
    store::leave(conn, now, because)
}

/// Whether a stream goes to a site in safe mode.
pub(super) fn goes_in_safe_mode(
    stream: &sync_protocol::StreamId,
    author_site: Option<SiteId>,
    site: SiteId,
) -> bool {
    author_site == Some(site) || streams::topic(stream) == Topic::Policy
}
