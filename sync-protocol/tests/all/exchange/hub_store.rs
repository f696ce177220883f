//! The hub's storage as a model.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::chain::NotFresh;
use sync_protocol::exchange::{
    Greeting, HelloState, HubOp, HubReply, IngestEntry, Ingested, Run, RunEntry,
};
use sync_protocol::lease::Grant;
use sync_protocol::limits::{FRAME_BYTES_TARGET, FRAME_ENTRIES_MAX};
use sync_protocol::message::{Purge, StreamPosition, StreamState, Verdict};
use sync_protocol::purge::PurgeReceipt;
use sync_protocol::ranges::Ranges;
use sync_protocol::standing::{Fit, ReceivedOf};
use sync_protocol::{
    ChainKey, Entry, EntryId, Epoch, Header, NodeId, ReplayGuard, SetDigest, StreamId,
};

use super::chains::Chains;
use super::edge_store::class_of;

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: EntryId,
    entry: Entry,
    key: ChainKey,
}

impl Row {
    pub(crate) fn run_entry(&self) -> RunEntry {
        RunEntry { id: self.id, entry: self.entry.clone(), key: self.key }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Position 1 comes first.
    pub(crate) rows: Vec<Row>,
    digest: SetDigest,
    pub(crate) chains: Chains,
}

impl Stream {
    pub(crate) fn push(&mut self, header: &Header, id: EntryId, entry: Entry, key: ChainKey) {
        self.chains.insert(header, id);
        self.digest.insert(&id);
        self.rows.push(Row { id, entry, key });
    }
}

#[derive(Debug, Default)]
pub(crate) struct HubStore {
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    /// What each edge may have, and up to where it acknowledged it.
    pub(crate) subscriptions: BTreeMap<(NodeId, StreamId), u64>,
    /// Versions of subscriptions, where not 1.
    versions: BTreeMap<(NodeId, StreamId), u32>,
    /// Subscriptions that ended, by the version that ends them.
    pub(crate) ended: BTreeMap<(NodeId, StreamId), u32>,
    pub(crate) receipts: Vec<PurgeReceipt>,
    received: BTreeMap<(NodeId, Epoch), Ranges>,
    /// Kept aside, with the reason.
    pub(crate) aside: Vec<(NodeId, u64, Verdict)>,
    /// Copies of a node that were turned away.
    pub(crate) copies: BTreeSet<NodeId>,
    /// Streams that a reconciliation started over.
    pub(crate) restarted: Vec<StreamId>,
    /// It came back from a backup.
    pub(crate) wants_report: bool,
    /// Terms that edges do not have yet, in the order in which they are read.
    pub(crate) untold: Vec<(NodeId, Grant)>,
}

impl HubStore {
    pub(crate) const fn is_read(op: &HubOp) -> bool {
        matches!(op, HubOp::NextRuns { .. } | HubOp::ReadPurges | HubOp::ReadGrants)
    }

    /// Answers `op` of the conversation with `peer`; the second value says whether streams grew.
    pub(crate) fn perform(&mut self, peer: NodeId, op: HubOp) -> (Option<HubReply>, bool) {
        let reply = match op {
            HubOp::Greet(hello) => HubReply::Greeted(self.greet(peer, &hello)),
            HubOp::Ingest(batch) => {
                let ingested = self.ingest(peer, batch);
                let grew = ingested.fresh > 0;
                return (Some(HubReply::Ingested(ingested)), grew);
            }
            HubOp::SetAside { oseq, verdict, .. } => {
                self.aside.push((peer, oseq, verdict));
                HubReply::SetAside
            }
            HubOp::NextRuns { sent, bytes_max } => {
                HubReply::Runs(self.runs(peer, &sent, bytes_max))
            }
            HubOp::Ack(positions) => {
                positions.iter().for_each(|position| self.ack(peer, position));
                HubReply::Acked
            }
            HubOp::Rewind(position) => {
                if let Some(acked) = self.subscriptions.get_mut(&(peer, position.stream)) {
                    *acked = position.to_idx.min(*acked);
                }
                HubReply::Rewound
            }
            HubOp::Compare(states) => HubReply::Compared { restarted: self.compare(peer, &states) },
            HubOp::Report { .. } => {
                self.wants_report = false;
                HubReply::Reported
            }
            HubOp::ReadGrants => {
                let untold = self.untold.iter().filter(|(node, _)| *node == peer);
                // One at a time, so that there are several messages.
                HubReply::Grants(untold.map(|(_, grant)| *grant).take(1).collect())
            }
            HubOp::Granted(grants) => {
                self.untold.retain(|(node, grant)| *node != peer || !grants.contains(grant));
                HubReply::Granted
            }
            HubOp::CompareOwn(streams) => {
                let differs = |id: &StreamId, rows: &[(u64, &Row)]| {
                    let mut digest = SetDigest::EMPTY;
                    rows.iter().for_each(|(_, row)| digest.insert(&row.id));
                    let said = streams.iter().find(|state| state.stream == *id);
                    digest.count > 0
                        && said.map(|said| (said.count, said.sum))
                            != Some((digest.count, digest.short()))
                };
                let own = self.own(peer).filter(|(id, rows)| differs(id, rows));
                HubReply::OwnStreams(own.map(|(id, _)| id).collect())
            }
            HubOp::ReadOwn { stream, after, .. } => {
                // One at a time, so that there are several messages.
                let own = self.own(peer).find(|(id, _)| *id == stream).map(|(_, rows)| rows);
                let mut rest = own.into_iter().flatten().filter(|(idx, _)| *idx > after);
                let first = rest.next();
                HubReply::Own {
                    entries: first.iter().map(|(_, row)| row.run_entry()).collect(),
                    next: rest.next().and(first).map(|(idx, _)| idx),
                }
            }
            HubOp::ReadPurges => {
                let ended = self.ended.iter().filter(|((node, _), _)| *node == peer);
                let order = |(key, version): (&(NodeId, StreamId), &u32)| Purge {
                    stream: key.1,
                    version: *version,
                };
                HubReply::Purges {
                    orders: ended.map(order).collect(),
                    safe_mode: self.wants_report,
                }
            }
            HubOp::Purged(receipt) => {
                let key = (peer, receipt.purged.stream);
                if self.ended.get(&key) == Some(&receipt.purged.version) {
                    self.ended.remove(&key);
                    self.receipts.push(receipt);
                }
                HubReply::PurgeSettled(receipt.purged.stream)
            }
            HubOp::ReadHeld | HubOp::Settle(_) | HubOp::Lacking(_) | HubOp::TakeIn(_) => {
                let (reply, grew) = self.mend(peer, op);
                return (Some(reply), grew);
            }
            HubOp::Live { .. } => return (None, false),
        };
        (Some(reply), false)
    }

    /// Ends a subscription of `peer`.
    pub(crate) fn end(&mut self, peer: NodeId, stream: StreamId) {
        self.subscriptions.remove(&(peer, stream)).unwrap();
        let version = self.versions.entry((peer, stream)).or_insert(1);
        *version += 1;
        self.ended.insert((peer, stream), *version);
    }

    /// Begins it anew.
    pub(crate) fn begin(&mut self, peer: NodeId, stream: StreamId) {
        self.ended.remove(&(peer, stream));
        *self.versions.entry((peer, stream)).or_insert(1) += 1;
        self.subscriptions.insert((peer, stream), 0);
    }

    fn greet(&mut self, peer: NodeId, hello: &HelloState) -> Greeting {
        let other: Vec<Epoch> = hello
            .history
            .iter()
            .filter(|start| start.fit(&self.received_of(peer, start.epoch)) == Fit::Other)
            .map(|start| start.epoch)
            .collect();
        let second_copy = self.copies.contains(&peer) || !other.is_empty();
        if !second_copy {
            hello.unconfirmed.iter().for_each(|position| self.ack(peer, position));
        }
        let held = |epoch: Epoch| Some((epoch, self.received.get(&(peer, epoch))?.clone()));
        let claimed = hello.claims.iter().filter(|claim| !other.contains(&claim.epoch));
        let received = claimed.filter_map(|claim| held(claim.epoch)).collect();
        let subscribed = self.subscriptions.iter().filter(|((edge, _), _)| *edge == peer);
        let feed = subscribed.fold(SetDigest::EMPTY, |sum, ((_, stream), acked)| {
            sum.plus(&self.foreign(peer, stream, *acked))
        });
        let incarnation = 0xfedc_ba98_7654_3210;
        let own_entries = self.own(peer).map(|(_, rows)| rows.len() as u64).sum();
        Greeting {
            incarnation,
            received,
            durable: Vec::new(),
            feed,
            second_copy,
            own_entries,
            wants_report: self.wants_report,
        }
    }

    /// What `peer` wrote, stream by stream.
    fn own(&self, peer: NodeId) -> impl Iterator<Item = (StreamId, Vec<(u64, &Row)>)> {
        self.streams.iter().map(move |(id, stream)| {
            let numbered = (1..).zip(&stream.rows);
            (*id, numbered.filter(|(_, row)| row.entry.header.origin == peer).collect())
        })
    }

    fn received_of(&self, peer: NodeId, epoch: Epoch) -> ReceivedOf {
        let ranges = self.received.get(&(peer, epoch));
        let mut digest = SetDigest::EMPTY;
        for row in self.streams.values().flat_map(|stream| &stream.rows) {
            if row.entry.header.origin == peer && row.entry.header.epoch == epoch {
                digest.insert(&row.id);
            }
        }
        let highest = ranges.and_then(|ranges| ranges.runs().last()).map_or(0, |(_, high)| high);
        ReceivedOf { highest, digest: Some(digest) }
    }

    /// What others than `peer` wrote, up to a position.
    pub(crate) fn foreign(&self, peer: NodeId, stream: &StreamId, up_to: u64) -> SetDigest {
        let mut digest = SetDigest::EMPTY;
        let rows = self.streams.get(stream).map_or(&[][..], |stream| &stream.rows);
        let rows = rows.iter().take(usize::try_from(up_to).unwrap());
        rows.filter(|row| row.entry.header.origin != peer).for_each(|row| digest.insert(&row.id));
        digest
    }

    fn ingest(&mut self, peer: NodeId, batch: Vec<IngestEntry>) -> Ingested {
        let mut out = Ingested::default();
        let mut grown = BTreeSet::new();
        for IngestEntry { epoch, oseq, entry, id, key } in batch {
            let header = entry.get().header;
            assert_eq!(header.origin, peer);
            let stream = self.streams.entry(header.stream).or_default();
            match ReplayGuard::admit(entry, &stream.chains.past(&header)) {
                Ok(fresh) => {
                    let before = stream.rows.len() as u64;
                    stream.push(&header, id, fresh.into_inner(), key);
                    // The author needs nothing back: at the head before, it counts as at the head now.
                    if let Some(acked) = self.subscriptions.get_mut(&(peer, header.stream))
                        && *acked == before
                    {
                        *acked += 1;
                    }
                    out.fresh += 1;
                    out.received.push((epoch, oseq));
                    grown.insert(header.stream);
                    self.received.entry((peer, epoch)).or_default().insert(oseq);
                }
                Err((NotFresh::Known, _)) => out.received.push((epoch, oseq)),
                Err((NotFresh::Gap { have }, _)) => {
                    out.verdicts.push((epoch, oseq, Verdict::Gap(have)));
                }
                Err((NotFresh::Fork, _)) => out.verdicts.push((epoch, oseq, Verdict::Fork)),
            }
        }
        out.streams = grown.into_iter().map(|stream| self.state(stream)).collect();
        out
    }

    fn state(&self, stream: StreamId) -> StreamState {
        let digest = self.streams[&stream].digest;
        StreamState { stream, count: digest.count, sum: digest.short() }
    }

    fn runs(&self, peer: NodeId, sent: &[(StreamId, u64)], bytes_max: usize) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut bytes = 0;
        for ((_, id), acked) in self.subscriptions.iter().filter(|((edge, _), _)| *edge == peer) {
            let Some(stream) = self.streams.get(id) else { continue };
            let on_way = sent.iter().find(|(stream, _)| stream == id).map_or(0, |(_, idx)| *idx);
            let mut from_idx = on_way.max(*acked);
            let head = stream.rows.len() as u64;
            while from_idx < head && bytes < bytes_max {
                let run = self.run(peer, *id, stream, from_idx);
                let payload = |entry: &RunEntry| entry.entry.payload.bytes().unwrap().len() + 200;
                bytes += 64 + run.entries.iter().map(payload).sum::<usize>();
                from_idx = run.to_idx;
                runs.push(run);
            }
        }
        runs
    }

    fn run(&self, peer: NodeId, id: StreamId, stream: &Stream, from_idx: u64) -> Run {
        let (mut entries, mut bytes, mut to_idx) = (Vec::new(), 0, from_idx);
        for row in stream.rows.iter().skip(usize::try_from(from_idx).unwrap()) {
            let size = row.entry.payload.bytes().unwrap().len() + 200;
            let full = entries.len() == FRAME_ENTRIES_MAX || bytes + size > FRAME_BYTES_TARGET;
            if full && !entries.is_empty() {
                break;
            }
            to_idx += 1;
            if row.entry.header.origin != peer {
                bytes += size;
                let Row { id, entry, key } = row.clone();
                entries.push(RunEntry { id, entry, key });
            }
        }
        let at_head = to_idx == stream.rows.len() as u64;
        let head_sum = at_head.then(|| stream.digest.short());
        let version = self.versions.get(&(peer, id)).copied().unwrap_or(1);
        Run { stream: id, class: class_of(&id), version, from_idx, to_idx, head_sum, entries }
    }

    fn ack(&mut self, peer: NodeId, position: &StreamPosition) {
        if let Some(acked) = self.subscriptions.get_mut(&(peer, position.stream)) {
            *acked = position.to_idx.max(*acked);
        }
    }

    fn compare(&mut self, peer: NodeId, states: &[StreamState]) -> u32 {
        let mut restarted = 0;
        let keys: Vec<_> = self.subscriptions.keys().filter(|k| k.0 == peer).copied().collect();
        for key in keys {
            let ours = self.foreign(peer, &key.1, self.subscriptions[&key]);
            let theirs = states.iter().find(|state| state.stream == key.1);
            let same = theirs.map_or(ours.count == 0, |theirs| {
                theirs.count == ours.count && theirs.sum == ours.short()
            });
            if !same {
                self.subscriptions.insert(key, 0);
                restarted += 1;
            }
        }
        restarted
    }
}

impl Row {
    /// A byte of the disk turned.
    pub(crate) const fn spoil(&mut self) {
        self.entry.signature[0] ^= 1;
    }

    pub(crate) const fn origin(&self) -> NodeId {
        self.entry.header.origin
    }
}
