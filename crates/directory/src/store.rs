//! The tables of sites, invitations, and the one hub of a clinic.

use store::Room;

pub mod hub_link;
pub mod invitations;
pub mod sites;

/// Tables of both sides.
pub const SITES: Room = Room {
    name: "directory",
    scripts: &[
        ("V1__node", include_str!("../migrations/001_node.sql")),
        ("V2__succession", include_str!("../migrations/002_succession.sql")),
    ],
};

/// Tables of a hub, beside [`SITES`].
pub const HUB: Room = Room {
    name: "directory_hub",
    scripts: &[("V1__invitation", include_str!("../migrations/001_invitation.sql"))],
};

/// Tables of an edge, beside [`SITES`].
pub const EDGE: Room = Room {
    name: "directory_edge",
    scripts: &[("V1__hub_link", include_str!("../migrations/001_hub_link.sql"))],
};

#[cfg(test)]
mod tests {
    use store::Connection;
    use vocab::{SiteId, Timestamp};

    use super::*;
    use crate::NodeCertificate;

    pub(super) fn database() -> Connection {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[SITES, HUB, EDGE]).unwrap();
        conn
    }

    pub(super) fn site(byte: u8) -> SiteId {
        SiteId::from_bytes([byte; 16])
    }

    pub(super) fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    /// A certificate of the site with this number; its keys are made of `key` and `key + 100`.
    pub(super) fn certificate(number: u8, name: &str, key: u8, seconds: i64) -> NodeCertificate {
        NodeCertificate {
            site: site(number),
            site_name: name.parse().unwrap(),
            node_key: [key; 32],
            tls_key: [key + 100; 32],
            issued_at: at(seconds),
            succeeds: None,
        }
    }
}
