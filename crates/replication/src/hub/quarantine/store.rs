//! SQL of who wrote what was set aside.

use ::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _};
use sync_protocol::NodeId;
use vocab::SiteId;

/// Also of a node that is let in no more: what it wrote before stays its clinic's.
const SITE_OF: &str = "SELECT site FROM enrolled_node AS node WHERE key = ?1";

pub(super) fn site_of(conn: &Connection, node: &NodeId) -> Result<Option<SiteId>, StoreError> {
    let site: Option<[u8; 16]> =
        conn.prepare_cached(SITE_OF)?.query_row([node.0], |row| row.get(0)).optional()?;
    Ok(site.map(SiteId::from_bytes))
}
