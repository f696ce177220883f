//! What the hub says about one node.

use vocab::{SiteId, SiteName, Timestamp};

/// A node and the site it stands for. Said by the hub, in an entry that the hub signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCertificate {
    /// The site.
    pub site: SiteId,
    /// What the hub's operator calls it.
    pub site_name: SiteName,
    /// The ed25519 key that signs the node's entries.
    pub node_key: [u8; 32],
    /// The ed25519 key that the node proves when it connects.
    pub tls_key: [u8; 32],
    /// When the hub said so. Of two certificates for one site, the later one names its node.
    pub issued_at: Timestamp,
    /// The key that signed the node's entries until then, if the node rotated its keys: that key's own
    /// certificate ended with this one, and what it had signed stays the node's.
    pub succeeds: Option<[u8; 32]>,
}
