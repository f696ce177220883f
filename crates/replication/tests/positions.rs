//! How far an edge believes to hold a stream that others write into as well.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "what a test did not expect ends it, in its helpers too"
)]

use replication::edge::{EdgeDesk, KnownNodes};
use replication::materialize::MaterializeError;
use replication::streams::patient_stream;
use replication::{Arrived, Author, Draft, Materialize};
use store::{Connection, StoreError};
use sync_protocol::exchange::{Applied, EdgeOp, EdgeReply, OutboxEntry, StoredRun};
use sync_protocol::message::{StreamPosition, StreamState};
use sync_protocol::signature::{Signed, Signer};
use sync_protocol::{Class, NodeId, SetDigest, StreamId};
use vocab::{Compartment, FactKind, PatientId, Timestamp};

struct Anything;

impl Materialize for Anything {
    fn apply(&mut self, _: &Connection, _: &Arrived<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }
}

impl KnownNodes for Anything {
    fn is_known(&self, _: &Connection, _: &NodeId) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// A clinic with nothing but its ledger.
struct Edge {
    conn: Connection,
    author: Author,
}

impl Edge {
    fn new(seed: u8) -> Self {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[replication::LEDGER, replication::EDGE]).unwrap();
        let fill = Box::new(move |bytes: &mut [u8]| bytes.fill(seed));
        let author = Author::start(&conn, Signer::from_seed(&[seed; 32]), fill).unwrap();
        Self { conn, author }
    }

    fn write(&mut self) {
        let draft = Draft {
            stream: stream(),
            kind: FactKind::DocumentChange,
            payload: b"a change".to_vec(),
            own_salt: true,
            urgent: false,
        };
        self.author.write(&self.conn, now(), draft).unwrap();
    }

    fn perform(&self, op: EdgeOp) -> EdgeReply {
        EdgeDesk::perform(&self.conn, now(), op, &mut Anything, &Anything).unwrap()
    }

    /// What this clinic wrote and the hub has not acknowledged.
    fn outbox(&self) -> Vec<OutboxEntry> {
        let (class, after, skip) = (Class::Records, None, Vec::new());
        match self.perform(EdgeOp::ReadOutbox { class, after, skip, bytes_max: 1 << 20 }) {
            EdgeReply::Outbox(page) => page.entries,
            other => panic!("{other:?}"),
        }
    }

    /// The hub's stream, of which entries `from + 1` to the last of `held` are sent without our own.
    fn apply(&self, held: &[OutboxEntry], from: usize) -> Applied {
        let foreign = |one: &&OutboxEntry| one.entry.header.origin != self.author.node();
        let entries = held[from..].iter().filter(foreign).map(|one| {
            let entry = Signed::new(one.entry.clone()).verify(&one.key).unwrap();
            (entry, one.key)
        });
        let run = StoredRun {
            stream: stream(),
            version: 1,
            from_idx: from as u64,
            to_idx: held.len() as u64,
            head_sum: None,
            entries: entries.collect(),
        };
        match self.perform(EdgeOp::Apply(run)) {
            EdgeReply::Applied(StreamPosition { .. }, applied) => applied,
            other => panic!("{other:?}"),
        }
    }

    /// The hub acknowledges `own`, at a moment when its stream is `held`.
    fn acknowledge(&self, own: &[OutboxEntry], held: &[OutboxEntry]) {
        let mut digest = SetDigest::EMPTY;
        held.iter().for_each(|one| digest.insert(&one.id));
        let received = own.iter().map(|one| (one.epoch, [one.oseq].into_iter().collect()));
        self.perform(EdgeOp::MarkReceived {
            received: received.collect(),
            durable: Vec::new(),
            incarnation: None,
            verdicts: Vec::new(),
            streams: vec![StreamState {
                stream: stream(),
                count: digest.count,
                sum: digest.short(),
            }],
        });
    }
}

fn stream() -> StreamId {
    patient_stream(PatientId::from_bytes([7; 16]), Compartment::Identity)
}

fn now() -> Timestamp {
    "2026-06-12T17:22:00Z".parse().unwrap()
}

fn stored(fresh: u32) -> Applied {
    Applied::Stored { fresh, diverged: false, admits: false }
}

#[test]
fn own_entries_count_as_held_once_nothing_of_others_is_between_them() {
    let (mut north, mut south) = (Edge::new(1), Edge::new(2));
    north.write();
    north.write();
    south.write();
    let held = [north.outbox(), south.outbox()].concat();
    north.acknowledge(&held[..2], &held[..2]);
    assert_eq!(north.apply(&held, 2), stored(1), "what follows them can be taken at once");
}

/// North's first entry is acknowledged late: South wrote behind it, and North has that already.
/// Two acknowledgements at once and two positions more are then no proof that the two are its own.
#[test]
fn what_others_wrote_between_own_entries_is_not_skipped() {
    let (mut north, mut south) = (Edge::new(1), Edge::new(2));
    north.write();
    south.write();
    south.write();
    south.write();
    let [first] = north.outbox().try_into().unwrap();
    let [s1, s2, s3] = south.outbox().try_into().unwrap();
    let held = vec![first.clone(), s1];
    assert_eq!(north.apply(&held, 0), stored(1));
    north.write();
    let second = north.outbox().pop().unwrap();
    let held = [held, vec![s2, second.clone()]].concat();
    north.acknowledge(&[first, second], &held);
    let held = [held, vec![s3]].concat();
    assert_eq!(north.apply(&held, 4), Applied::Behind { have: 2 });
    assert_eq!(north.apply(&held, 2), stored(2));
}
