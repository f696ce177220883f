//! What a clinic in the box has carried, and takes from who carries.

use envelope::{Identity, Recipient};
use replication::bundle::{BundleError, Reader, Seal, Way, Writer, check};
use replication::edge::bundle::{self, Stored, Unpacker};
use store::Group;
use sync_protocol::signature::Signer;
use workflows::apply_fact::Rooms;

use super::{Clinic, NO_LIMIT};

impl Clinic {
    /// What the hub is not known to have, as a file.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn export_bundle(&mut self, now_ms: u64, also: &[Recipient]) -> Vec<u8> {
        self.flush(now_ms);
        let now = self.wall(now_ms);
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        let header = bundle::begin(&self.conn, now, self.key, self.hub).expect(NO_LIMIT);
        group.commit().expect(NO_LIMIT);
        let me = Signer::from_seed(&self.seed);
        let to = Recipient::of_signing_key(&self.hub.0).expect("a sound key");
        // Not what everything else is drawn from: exporting must not change what follows.
        let random = host::Random::seeded(header.number);
        let fill = &mut |bytes: &mut [u8]| random.fill(bytes);
        let mut seal = Seal { to, also, me: &me, fill };
        let mut out = Writer::new(Vec::new(), &header, &mut seal).expect("memory");
        bundle::pack(&self.conn, &header, &me, &mut out, &mut |_| {}).expect(NO_LIMIT);
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
        let identity = Identity::of_signing_seed(&self.seed);
        let life = bundle::life(&self.conn)?;
        let (me, hub) = (self.key, self.hub);
        let expect = |header: &_| bundle::expect(header, me, hub, life);
        let checked = check(file, &identity, Way::Down, expect, |_| {})?;
        if bundle::imported(&self.conn, &checked)?.is_some() {
            return Ok(None);
        }
        let now = self.wall(now_ms);
        let mut rooms = Rooms { hub, site: self.site, now };
        let (known, signer) = (rooms, Signer::from_seed(&self.seed));
        let mut reader = Reader::again(file, &identity, &checked)?;
        let mut unpacker = Unpacker::new(hub);
        let mut stored = Stored::default();
        let mut frames = 0;
        while let Some((class, frame)) = reader.next_frame()? {
            if frames == frames_max {
                return Ok(Some(stored));
            }
            frames += 1;
            let steps: Vec<_> = unpacker.step(class, frame)?.into_iter().collect();
            let group = Group::begin(&self.conn)?;
            bundle::store(&self.conn, now, steps, &mut rooms, &known, &signer, &mut stored)?;
            group.commit()?;
        }
        let group = Group::begin(&self.conn)?;
        bundle::finish(&self.conn, now, &checked, &stored)?;
        group.commit()?;
        Ok(Some(stored))
    }

    /// The secret that opens what is sealed to this clinic.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::of_signing_seed(&self.seed)
    }
}
