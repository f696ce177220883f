//! A clinic in the box goes over to new keys.

use replication::ledger::signing_keys;
use store::Group;
use sync_protocol::NodeId;
use sync_protocol::signature::Signer;

use super::{Clinic, NO_LIMIT, start};

impl Clinic {
    /// Draws another key, which the hub has not heard of; answers its public half.
    #[must_use]
    pub fn draw_key(&self) -> ([u8; 32], NodeId) {
        let seed = self.random.bytes();
        (seed, Signer::from_seed(&seed).node())
    }

    /// Signs with the key of this seed from now on, as after the hub's yes.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn take_up(&mut self, seed: [u8; 32]) {
        let me = Signer::from_seed(&seed);
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        signing_keys::succeed(&self.conn, &self.key, &me.node()).expect(NO_LIMIT);
        group.commit().expect(NO_LIMIT);
        self.exchange = None;
        (self.key, self.seed, self.me) = (me.node(), seed, me);
        self.state = start(&self.conn, &self.seed, &self.random, self.site);
    }
}
