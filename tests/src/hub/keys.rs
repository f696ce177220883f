//! The hub in the box lets a node in under new keys.

use replication::hub::{HubStore as _, SqliteHub};
use store::Group;
use sync_protocol::NodeId;
use workflows::rotate_node::{Rotation, Succession, rotate_node};

use super::{BoxHub, NO_LIMIT};

impl BoxHub {
    /// The node that signed with `old` signs with `new` from now on.
    ///
    /// # Panics
    ///
    /// When the hub refuses it, or storage fails, which it does not in the box.
    pub fn rotate(&mut self, now_ms: u64, old: NodeId, new: NodeId) {
        let now = Self::wall(now_ms);
        let tls_key = new.0.map(|byte| !byte);
        let succession =
            Succession { old_node_key: old.0, new_node_key: new.0, new_tls_key: tls_key };
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        let done = rotate_node(&self.conn, &mut self.author, now, &succession).expect(NO_LIMIT);
        assert!(matches!(done, Rotation::Rotated(..)), "{done:?}");
        let node = SqliteHub::new(&self.conn).node_by_tls_key(&tls_key).expect(NO_LIMIT);
        group.commit().expect(NO_LIMIT);
        self.exchanges.remove(&old);
        self.nodes.remove(&old);
        self.nodes.insert(new, node.expect("just let in"));
    }
}
