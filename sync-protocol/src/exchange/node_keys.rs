//! The keys of one node: the one it signs with now, and those that it signed with before.

use std::collections::BTreeSet;

use crate::NodeId;

/// Which entries are a node's own. What a key signed before the node got another stays the node's, and
/// what of it is still on its way is delivered under the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeKeys {
    current: NodeId,
    former: BTreeSet<NodeId>,
}

impl NodeKeys {
    /// The keys of a node that signs with `current`.
    #[must_use]
    pub fn new(current: NodeId, former: impl IntoIterator<Item = NodeId>) -> Self {
        Self { current, former: former.into_iter().collect() }
    }

    /// The key it signs with.
    #[must_use]
    pub const fn current(&self) -> NodeId {
        self.current
    }

    /// Whether the node signs, or signed, with `key`.
    #[must_use]
    pub fn owns(&self, key: &NodeId) -> bool {
        self.current == *key || self.former.contains(key)
    }
}

impl From<NodeId> for NodeKeys {
    fn from(current: NodeId) -> Self {
        Self { current, former: BTreeSet::new() }
    }
}
