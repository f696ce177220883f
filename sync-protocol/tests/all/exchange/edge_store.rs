//! The edge's storage as a model: plain maps, every rule of the contract in the open.

use std::collections::BTreeMap;

use sync_protocol::chain::NotFresh;
use sync_protocol::exchange::{
    Applied, EdgeOp, EdgeReply, HelloState, OutboxCursor, OutboxEntry, OutboxPage, StoredRun,
};
use sync_protocol::hlc::Hlc;
use sync_protocol::lease::Grant;
use sync_protocol::message::{EpochClaim, Purge, StreamPosition, StreamState, Verdict};
use sync_protocol::purge::{PurgeReceipt, Purged};
use sync_protocol::signature::Signer;
use sync_protocol::standing::StartRecord;
use sync_protocol::{
    ChainHead, ChainKey, Class, Entry, EntryId, Epoch, Flags, Header, NodeId, ReplayGuard, SeqNo,
    SetDigest, StreamId,
};

use super::chains::Chains;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Received,
    Refused(Verdict),
}

#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) cursor: OutboxCursor,
    pub(crate) epoch: Epoch,
    pub(crate) id: EntryId,
    pub(crate) entry: Entry,
    pub(crate) key: ChainKey,
    pub(crate) state: State,
}

/// What is held of one stream of what others wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copy {
    pub(crate) ids: Vec<EntryId>,
    pub(crate) digest: SetDigest,
    pub(crate) entries: BTreeMap<EntryId, (Entry, ChainKey)>,
    chains: Chains,
    idx: u64,
    version: u32,
    /// What was let go when that version began.
    purged: SetDigest,
}

#[derive(Debug)]
pub(crate) struct EdgeStore {
    signer: Signer,
    start: u64,
    pub(crate) epoch: Epoch,
    parent: Option<Epoch>,
    oseq: u64,
    own_heads: BTreeMap<StreamId, ChainHead>,
    pub(crate) log: BTreeMap<OutboxCursor, Own>,
    pub(crate) foreign: BTreeMap<StreamId, Copy>,
    pub(crate) unconfirmed: BTreeMap<StreamId, StreamPosition>,
    /// Own entries that came back and that the hub may have lost since.
    pub(crate) returned: BTreeMap<EntryId, (Entry, ChainKey)>,
    incarnation: Option<u64>,
    /// What the hub said is on a second medium, in the order in which it said so.
    pub(crate) durable: Vec<(Epoch, u64)>,
    /// No author is known until something in the policy class is stored.
    pub(crate) knows_nobody: bool,
    /// Terms as they were stored, the last one last.
    pub(crate) granted: Vec<Grant>,
}

/// In the model a stream's class is its scope.
pub(crate) fn class_of(stream: &StreamId) -> Class {
    Class::from_number(stream.scope).unwrap()
}

pub(crate) fn chain_key(node: &NodeId, stream: &StreamId) -> ChainKey {
    ChainKey(*blake3::keyed_hash(&node.0, &stream.bytes()).as_bytes())
}

impl EdgeStore {
    pub(crate) fn new(seed: [u8; 32], epoch: Epoch) -> Self {
        Self {
            signer: Signer::from_seed(&seed),
            start: 1,
            epoch,
            parent: None,
            oseq: 0,
            own_heads: BTreeMap::new(),
            log: BTreeMap::new(),
            foreign: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            returned: BTreeMap::new(),
            incarnation: None,
            durable: Vec::new(),
            knows_nobody: false,
            granted: Vec::new(),
        }
    }

    pub(crate) fn node(&self) -> NodeId {
        self.signer.node()
    }

    /// The process starts again.
    pub(crate) fn restart(&mut self, epoch: Epoch) {
        self.parent = Some(self.epoch);
        self.epoch = epoch;
        self.start += 1;
        self.oseq = 0;
    }

    /// Writes an own entry.
    pub(crate) fn author(&mut self, stream: StreamId, payload: Vec<u8>) -> EntryId {
        let head = self.own_heads.get(&stream).copied();
        let header = Header {
            origin: self.node(),
            epoch: self.epoch,
            stream,
            sseq: head.map_or(SeqNo(1), |head| head.sseq.next().unwrap()),
            sprev: head.map_or(EntryId::NONE, |head| head.id),
            hlc: Hlc(self.log.len() as u64),
            kind: 7,
            schema: 1,
            actor: [0; 16],
            flags: Flags::default(),
            payload_len: 0,
            commitment: [0; 32],
        };
        let key = chain_key(&self.node(), &stream);
        let verified = self.signer.sign(header, &key, payload).unwrap();
        let id = verified.id();
        self.own_heads.insert(stream, ChainHead { sseq: header.sseq, id });
        self.oseq += 1;
        let cursor = OutboxCursor { start: self.start, oseq: self.oseq };
        let (epoch, entry) = (self.epoch, verified.into_inner());
        self.log.insert(cursor, Own { cursor, epoch, id, entry, key, state: State::Pending });
        id
    }

    pub(crate) const fn is_read(op: &EdgeOp) -> bool {
        matches!(
            op,
            EdgeOp::LoadHello
                | EdgeOp::ReadOwnHoldings
                | EdgeOp::ReadOutbox { .. }
                | EdgeOp::ReadOne { .. }
                | EdgeOp::ReadFeed { .. }
        )
    }

    pub(crate) fn perform(&mut self, op: EdgeOp) -> EdgeReply {
        match op {
            EdgeOp::LoadHello => EdgeReply::Hello(self.hello()),
            EdgeOp::ReadOwnHoldings => {
                let mut own: BTreeMap<StreamId, SetDigest> = BTreeMap::new();
                for entry in self.log.values() {
                    own.entry(entry.entry.header.stream).or_default().insert(&entry.id);
                }
                let state = |(stream, sum): (StreamId, SetDigest)| StreamState {
                    stream,
                    count: sum.count,
                    sum: sum.short(),
                };
                EdgeReply::OwnHoldings(own.into_iter().map(state).collect())
            }
            EdgeOp::TakeBack { number, entries } => {
                let mut fresh = 0;
                for (entry, key) in entries {
                    let id = entry.id();
                    if self.log.values().all(|own| own.id != id) {
                        let header = entry.get().header;
                        // Before everything this process wrote.
                        let cursor = OutboxCursor { start: 0, oseq: self.log.len() as u64 + 1 };
                        let entry = entry.into_inner();
                        let state = State::Received;
                        let own = Own { cursor, epoch: header.epoch, id, entry, key, state };
                        self.log.insert(cursor, own);
                        fresh += 1;
                    }
                }
                EdgeReply::TakenBack { number, fresh: Some(fresh) }
            }
            EdgeOp::MarkReceived { received, durable, incarnation, verdicts, streams } => {
                self.durable.extend(durable);
                for own in self.log.values_mut() {
                    let held = |(epoch, ranges): &(Epoch, sync_protocol::ranges::Ranges)| {
                        *epoch == own.epoch && ranges.contains(own.cursor.oseq)
                    };
                    if received.iter().any(held) {
                        own.state = State::Received;
                    }
                    let verdict =
                        verdicts.iter().find(|v| v.0 == own.epoch && v.1 == own.cursor.oseq);
                    if let Some((_, _, verdict)) = verdict
                        && own.state == State::Pending
                    {
                        own.state = State::Refused(*verdict);
                    }
                }
                self.incarnation = incarnation.or(self.incarnation);
                let differs = |state: &&StreamState| {
                    let whole = self.whole(&state.stream);
                    whole.count == state.count && whole.short() != state.sum
                };
                let diverged = streams.iter().filter(differs).count();
                let at_hub = self.log.values().filter(|own| own.state == State::Received).count();
                let (diverged, own_at_hub) = (u32::try_from(diverged).unwrap(), at_hub as u64);
                EdgeReply::Received { diverged, own_at_hub, reoffered: false }
            }
            EdgeOp::ReadOutbox { class, after, skip, bytes_max } => {
                EdgeReply::Outbox(self.outbox(class, after, &skip, bytes_max))
            }
            EdgeOp::ReadOne { epoch, oseq } => EdgeReply::One(
                self.log
                    .values()
                    .find(|own| own.epoch == epoch && own.cursor.oseq == oseq)
                    .map(|own| Box::new(outbox_entry(own))),
            ),
            EdgeOp::Apply(run) => self.apply(run),
            EdgeOp::Purge(purge) => self.purge(purge),
            EdgeOp::StoreGrants { number, grants } => {
                self.granted.extend(grants);
                EdgeReply::StoredGrants { number }
            }
            EdgeOp::ReadReturned
            | EdgeOp::NoteReturnedOffered
            | EdgeOp::ReadIds { .. }
            | EdgeOp::ReadHeld { .. } => self.mend(op),
            EdgeOp::ForgetAcks(positions) => {
                for position in positions {
                    let known = self.unconfirmed.get(&position.stream);
                    if known.is_some_and(|known| known.to_idx <= position.to_idx) {
                        self.unconfirmed.remove(&position.stream);
                    }
                }
                EdgeReply::Forgot
            }
            EdgeOp::ReadFeed { by_stream } => {
                let total = self.foreign.values().map(|copy| copy.digest);
                let state = |(stream, copy): (&StreamId, &Copy)| StreamState {
                    stream: *stream,
                    count: copy.digest.count,
                    sum: copy.digest.short(),
                };
                EdgeReply::Feed {
                    total: total.fold(SetDigest::EMPTY, |all, one| all.plus(&one)),
                    streams: if by_stream {
                        self.foreign.iter().map(state).collect()
                    } else {
                        Vec::new()
                    },
                }
            }
        }
    }

    fn hello(&self) -> HelloState {
        let mut claims: BTreeMap<u64, EpochClaim> = BTreeMap::new();
        for own in self.log.values().filter(|own| own.state == State::Pending) {
            let claim = EpochClaim { epoch: own.epoch, head: own.cursor.oseq };
            claims.insert(own.cursor.start, claim);
        }
        let mut digest = SetDigest::EMPTY;
        let of_start = self.log.values().filter(|own| own.epoch == self.epoch);
        of_start.for_each(|own| digest.insert(&own.id));
        let now = StartRecord { epoch: self.epoch, head: digest.count, sum: digest.short() };
        HelloState {
            history: vec![now],
            epoch: self.epoch,
            parent: self.parent,
            claims: claims.into_values().collect(),
            incarnation: self.incarnation,
            unconfirmed: self.unconfirmed.values().copied().collect(),
        }
    }

    fn outbox(
        &self,
        class: Class,
        after: Option<OutboxCursor>,
        skip: &[OutboxCursor],
        bytes_max: usize,
    ) -> OutboxPage {
        let mut wanted = self.log.values().filter(|own| {
            own.state == State::Pending
                && class_of(&own.entry.header.stream) == class
                && after.is_none_or(|after| own.cursor > after)
                && !skip.contains(&own.cursor)
        });
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while bytes < bytes_max
            && let Some(own) = wanted.next()
        {
            bytes += own.entry.payload.bytes().unwrap().len() + 200;
            entries.push(outbox_entry(own));
        }
        OutboxPage { class, entries, end: wanted.next().is_none() }
    }

    fn purge(&mut self, purge: Purge) -> EdgeReply {
        let held = self.foreign.get(&purge.stream).cloned().unwrap_or_default();
        if purge.version < held.version {
            return EdgeReply::Purged(None);
        }
        let dropped = if held.version == purge.version { held.purged } else { held.digest };
        let Purge { stream, version } = purge;
        self.unconfirmed.remove(&stream);
        self.foreign.insert(stream, Copy { version, purged: dropped, ..Copy::default() });
        let purged = Purged::new(stream, version, &dropped);
        EdgeReply::Purged(Some(PurgeReceipt::sign(purged, &self.signer)))
    }

    fn apply(&mut self, run: StoredRun) -> EdgeReply {
        let position =
            StreamPosition { stream: run.stream, version: run.version, to_idx: run.to_idx };
        let me = self.node();
        // One transaction: worked out on the side, kept only if all of it holds.
        let mut copy = self.foreign.get(&run.stream).cloned().unwrap_or_default();
        if run.from_idx > copy.idx {
            return EdgeReply::Applied(position, Applied::Behind { have: copy.idx });
        }
        let admits = self.knows_nobody && class_of(&run.stream) == Class::Policy;
        self.knows_nobody &= !admits;
        if self.knows_nobody {
            return EdgeReply::Applied(position, Applied::NotYet { have: copy.idx });
        }
        if run.version < copy.version {
            return EdgeReply::Applied(position, Applied::Ended);
        }
        let mut fresh_count = 0;
        for (entry, key) in run.entries {
            let header = entry.get().header;
            assert_ne!(header.origin, me, "own entries do not come back");
            assert_eq!(key, chain_key(&header.origin, &header.stream));
            match ReplayGuard::admit(entry, &copy.chains.past(&header)) {
                Ok(fresh) => {
                    let id = fresh.get().id();
                    copy.entries.insert(id, (fresh.into_inner(), key));
                    copy.chains.insert(&header, id);
                    copy.ids.push(id);
                    copy.digest.insert(&id);
                    fresh_count += 1;
                }
                Err((NotFresh::Known, _)) => {}
                Err((NotFresh::Gap { .. }, _)) => {
                    return EdgeReply::Applied(position, Applied::NotYet { have: copy.idx });
                }
                Err((NotFresh::Fork, _)) => panic!("no author forks in the model"),
            }
        }
        copy.idx = copy.idx.max(run.to_idx);
        copy.version = run.version;
        self.foreign.insert(run.stream, copy);
        self.unconfirmed
            .entry(run.stream)
            .and_modify(|known| known.to_idx = known.to_idx.max(position.to_idx))
            .or_insert(position);
        let whole = self.whole(&run.stream);
        let diverged =
            run.head_sum.is_some_and(|sum| whole.count == run.to_idx && whole.short() != sum);
        EdgeReply::Applied(position, Applied::Stored { fresh: fresh_count, diverged, admits })
    }

    /// The stream as the hub has it: what others wrote and what the hub received of us.
    fn whole(&self, stream: &StreamId) -> SetDigest {
        let mut digest = self.foreign.get(stream).map_or(SetDigest::EMPTY, |copy| copy.digest);
        let own = self.log.values().filter(|own| own.entry.header.stream == *stream);
        own.filter(|own| own.state == State::Received).for_each(|own| digest.insert(&own.id));
        digest
    }
}

fn outbox_entry(own: &Own) -> OutboxEntry {
    OutboxEntry {
        cursor: own.cursor,
        epoch: own.epoch,
        oseq: own.cursor.oseq,
        id: own.id,
        entry: own.entry.clone(),
        key: own.key,
    }
}
