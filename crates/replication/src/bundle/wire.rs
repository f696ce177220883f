//! What stands first in a bundle.

use serde::{Deserialize, Serialize};
use sync_protocol::NodeId;
use sync_protocol::hlc::Hlc;

/// What a bundle says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The form of what follows.
    pub format: u16,
    /// Who wrote and signed it.
    pub from: NodeId,
    /// For whom it is.
    pub to: NodeId,
    /// Counts the bundles of the one to the other, from 1.
    pub number: u64,
    /// When it was made, by the writer's clock.
    pub created: Hlc,
    /// The life of the hub's database: the hub's own, or the one that the clinic last heard of.
    pub life: Option<u64>,
    /// How many entries of the hub's directory the writer holds.
    pub policy: u64,
}

impl Header {
    /// When it was made, milliseconds since 1970.
    #[must_use]
    pub const fn created_ms(&self) -> u64 {
        self.created.millis()
    }
}
