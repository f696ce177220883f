//! What the hub in the box has carried, and takes from who carries.

use envelope::{Identity, Recipient};
use replication::bundle::{BundleError, Reader, Seal, Way, Writer, check};
use replication::hub::bundle::{self, Stored, Unpacker};
use store::Group;
use sync_protocol::NodeId;
use sync_protocol::signature::Signer;
use workflows::apply_fact::{NO_SITE, Rooms};

use super::{BoxHub, NO_LIMIT};

impl BoxHub {
    /// What a clinic may have and is not known to have, as a file.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn export_bundle(&self, now_ms: u64, peer: NodeId) -> Vec<u8> {
        let node = self.nodes.get(&peer).expect("enrolled");
        let now = Self::wall(now_ms);
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        let header = bundle::begin(&self.conn, now, self.key, node).expect(NO_LIMIT);
        group.commit().expect(NO_LIMIT);
        let me = Signer::from_seed(&self.seed);
        let to = Recipient::of_signing_key(&peer.0).expect("a sound key");
        // Not what everything else is drawn from: exporting must not change what follows.
        let random = host::Random::seeded(header.number);
        let fill = &mut |bytes: &mut [u8]| random.fill(bytes);
        let mut seal = Seal { to, also: &[], me: &me, fill };
        let mut out = Writer::new(Vec::new(), &header, &mut seal).expect("memory");
        bundle::pack(&self.conn, now, self.key, node, &mut out, &mut |_| {}).expect(NO_LIMIT);
        out.finish(&me).expect("memory").0
    }

    /// Takes a bundle in; `None` when it was taken before. Stops after `frames_max` frames, as when the
    /// process is killed.
    ///
    /// # Errors
    ///
    /// [`BundleError`], as the program says it.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn import_bundle(
        &mut self,
        now_ms: u64,
        file: &[u8],
        frames_max: usize,
    ) -> Result<Option<Stored>, BundleError> {
        let identity = self.identity();
        let mut node = None;
        let expect = |header: &replication::bundle::Header| {
            node = bundle::node_of_key(&self.conn, &header.from)?;
            bundle::expect(header, self.key, node.as_ref())
        };
        let checked = check(file, &identity, Way::Up, expect, |_| {})?;
        let node = node.ok_or(BundleError::Stranger)?;
        if bundle::imported(&self.conn, &node, &checked)?.is_some() {
            return Ok(None);
        }
        let now = Self::wall(now_ms);
        let mut rooms = Rooms { hub: self.key, site: NO_SITE, now };
        let mut reader = Reader::again(file, &identity, &checked)?;
        let mut unpacker = Unpacker::begin(&self.conn, &checked.header)?;
        let mut stored = Stored::default();
        let mut frames = 0;
        while let Some((class, frame)) = reader.next_frame()? {
            if frames == frames_max {
                return Ok(Some(stored));
            }
            frames += 1;
            let ops: Vec<_> = unpacker.step(class, frame)?.into_iter().collect();
            let group = Group::begin(&self.conn)?;
            bundle::store(&self.conn, now, &node, ops, &mut rooms, &mut stored)?;
            group.commit()?;
        }
        let group = Group::begin(&self.conn)?;
        bundle::finish(&self.conn, now, &node, &checked)?;
        group.commit()?;
        Ok(Some(stored))
    }

    /// The secret that opens what is sealed to the hub.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::of_signing_seed(&self.seed)
    }
}
