//! What the models of both storages answer when something is put right.

use std::collections::BTreeMap;

use sync_protocol::chain::NotFresh;
use sync_protocol::exchange::{EdgeOp, EdgeReply, HubOp, HubReply, RunEntry};
use sync_protocol::message::StreamState;
use sync_protocol::reconcile::{Claim, Mark};
use sync_protocol::{ChainKey, Entry, EntryId, NodeId, ReplayGuard, StreamId, Verified};

use super::edge_store::EdgeStore;
use super::hub_store::HubStore;

impl EdgeStore {
    pub(crate) fn mend(&mut self, op: EdgeOp) -> EdgeReply {
        match op {
            EdgeOp::ReadReturned => {
                let mut streams: Vec<StreamId> =
                    self.returned.values().map(|(entry, _)| entry.header.stream).collect();
                streams.dedup();
                EdgeReply::Returned(streams)
            }
            EdgeOp::NoteReturnedOffered => {
                self.returned.clear();
                EdgeReply::Noted
            }
            EdgeOp::ReadIds { streams, after, ids_max } => {
                let (mut ids, mut done, mut after) = (Vec::new(), 0, after);
                for wanted in &streams {
                    let foreign = self.foreign.get(&wanted.stream).into_iter();
                    let foreign = foreign.flat_map(|copy| copy.ids.iter().copied());
                    let own = self.returned.iter().filter(|(_, (entry, _))| {
                        wanted.own && entry.header.stream == wanted.stream
                    });
                    let all: Vec<EntryId> = foreign.chain(own.map(|(id, _)| *id)).collect();
                    let from = usize::try_from(after).unwrap();
                    let room = ids_max - ids.len();
                    let part: Vec<EntryId> = all.iter().skip(from).take(room).copied().collect();
                    ids.extend(&part);
                    if from + part.len() < all.len() {
                        after += part.len() as u64;
                        return EdgeReply::Ids { ids, streams: done, after };
                    }
                    after = 0;
                    done += 1;
                }
                EdgeReply::Ids { ids, streams: done, after }
            }
            EdgeOp::ReadHeld { ids, .. } => {
                // One at a time, so that there are several messages.
                let held = ids.first().and_then(|id| self.held(id));
                EdgeReply::Held { entries: held.into_iter().collect(), of: 1 }
            }
            _ => unreachable!("no question of mending"),
        }
    }

    fn held(&self, id: &EntryId) -> Option<RunEntry> {
        let foreign = self.foreign.values().find_map(|copy| copy.entries.get(id));
        let (entry, key) = foreign.or_else(|| self.returned.get(id))?.clone();
        Some(RunEntry { id: *id, entry, key })
    }
}

impl HubStore {
    pub(crate) fn mend(&mut self, peer: NodeId, op: HubOp) -> (HubReply, bool) {
        let reply = match op {
            HubOp::ReadHeld => HubReply::Held(self.on_record(peer)),
            HubOp::Settle(claims) => self.settle(peer, &claims),
            HubOp::Lacking(ids) => {
                let held = |short: &[u8; 16]| {
                    let mut rows = self.streams.values().flat_map(|stream| &stream.rows);
                    rows.any(|row| row.id.0.starts_with(short))
                };
                let places = (0..).zip(&ids).filter(|(_, id)| !held(id)).map(|(place, _)| place);
                HubReply::Lacking(places.collect())
            }
            HubOp::TakeIn(entries) => {
                let (fresh, put_off) = self.take_in(entries);
                return (HubReply::TakenIn { fresh, put_off }, fresh > 0);
            }
            _ => unreachable!("no question of mending"),
        };
        (reply, false)
    }

    fn on_record(&self, peer: NodeId) -> Vec<StreamState> {
        let of_peer = self.subscriptions.iter().filter(|((node, _), _)| *node == peer);
        let states = of_peer.map(|((_, stream), acked)| {
            let held = self.foreign(peer, stream, *acked);
            StreamState { stream: *stream, count: held.count, sum: held.short() }
        });
        states.filter(|state| state.count > 0).collect()
    }

    fn settle(&mut self, peer: NodeId, claims: &[Claim]) -> HubReply {
        let record: BTreeMap<StreamId, Mark> =
            self.on_record(peer).iter().map(|state| (state.stream, Mark::of(state))).collect();
        let differs = |claim: &&Claim| record.get(&claim.stream) != claim.mark.as_ref();
        let restarted: Vec<StreamId> =
            claims.iter().filter(differs).map(|claim| claim.stream).collect();
        self.restarted.extend(&restarted);
        for stream in &restarted {
            if let Some(acked) = self.subscriptions.get_mut(&(peer, *stream)) {
                *acked = 0;
            }
        }
        HubReply::Settled { restarted }
    }

    /// All entries of a stream after the first `count` are gone.
    pub(crate) fn lose_after(&mut self, stream: &StreamId, count: usize) {
        let before = self.streams.remove(stream).unwrap_or_default();
        let left = self.streams.entry(*stream).or_default();
        for row in before.rows.into_iter().take(count) {
            let RunEntry { id, entry, key } = row.run_entry();
            left.push(&entry.header.clone(), id, entry, key);
        }
    }

    fn take_in(&mut self, entries: Vec<(Verified<Entry>, EntryId, ChainKey)>) -> (u32, u32) {
        let (mut fresh, mut put_off) = (0, 0);
        for (entry, id, key) in entries {
            let header = entry.get().header;
            let stream = self.streams.entry(header.stream).or_default();
            match ReplayGuard::admit(entry, &stream.chains.past(&header)) {
                Ok(entry) => {
                    stream.push(&header, id, entry.into_inner(), key);
                    fresh += 1;
                }
                Err((NotFresh::Known, _)) => {}
                Err(_) => put_off += 1,
            }
        }
        (fresh, put_off)
    }
}
