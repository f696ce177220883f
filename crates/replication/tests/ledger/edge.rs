//! A clinic with nothing but its ledger.

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

pub(crate) struct Anything;

impl Materialize for Anything {
    fn apply(&mut self, _: &Connection, _: &Arrived<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }

    fn founds(&self, _: &Arrived<'_>) -> bool {
        true
    }

    fn let_go(&mut self, _: &Connection, _: &StreamId) -> Result<(), StoreError> {
        Ok(())
    }

    fn erase_stream(&mut self, _: &Connection, _: &StreamId) -> Result<(), StoreError> {
        Ok(())
    }

    fn erase_entry(&mut self, _: &Connection, _: &Arrived<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl KnownNodes for Anything {
    fn is_known(&self, _: &Connection, _: &NodeId) -> Result<bool, StoreError> {
        Ok(true)
    }
}

/// A clinic with nothing but its ledger.
pub(crate) struct Edge {
    pub(crate) conn: Connection,
    pub(crate) author: Author,
    signer: Signer,
}

impl Edge {
    pub(crate) fn new(seed: u8) -> Self {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[replication::LEDGER, replication::EDGE]).unwrap();
        let fill = Box::new(move |bytes: &mut [u8]| bytes.fill(seed));
        let author = Author::start(&conn, Signer::from_seed(&[seed; 32]), fill).unwrap();
        Self { conn, author, signer: Signer::from_seed(&[seed; 32]) }
    }

    pub(crate) fn write(&mut self) {
        let draft = Draft {
            stream: stream(),
            kind: FactKind::DocumentChange,
            payload: b"a change".to_vec(),
            own_salt: true,
            urgent: false,
        };
        self.author.write(&self.conn, now(), draft).unwrap();
    }

    pub(crate) fn perform(&self, op: EdgeOp) -> EdgeReply {
        EdgeDesk::perform(&self.conn, now(), op, &mut Anything, &Anything, &self.signer).unwrap()
    }

    /// What this clinic wrote and the hub has not acknowledged.
    pub(crate) fn outbox(&self) -> Vec<OutboxEntry> {
        let (class, after, skip) = (Class::Records, None, Vec::new());
        match self.perform(EdgeOp::ReadOutbox { class, after, skip, bytes_max: 1 << 20 }) {
            EdgeReply::Outbox(page) => page.entries,
            other => panic!("{other:?}"),
        }
    }

    /// The hub's stream, of which entries `from + 1` to the last of `held` are sent without our own.
    pub(crate) fn apply(&self, held: &[OutboxEntry], from: usize) -> Applied {
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
    pub(crate) fn acknowledge(&self, own: &[OutboxEntry], held: &[OutboxEntry]) {
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

pub(crate) fn stream() -> StreamId {
    patient_stream(PatientId::from_bytes([7; 16]), Compartment::Identity)
}

pub(crate) fn now() -> Timestamp {
    "2026-06-12T17:22:00Z".parse().unwrap()
}
