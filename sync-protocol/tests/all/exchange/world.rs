//! A hub and its edges over unreliable links, in virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sync_protocol::exchange::{EdgeExchange, EdgeOp, EdgeReply, HubExchange, HubOp, HubReply, Now};
use sync_protocol::signature::node_id;
use sync_protocol::{Class, EntryId, Epoch, NodeId, StreamId};

use super::edge_store::{Copy, EdgeStore, State};
use super::hub_store::HubStore;
use super::link::{Link, Weather};
use crate::dice::Dice;

/// What storage was asked. Reads are answered from how things stood then, writes are done and
/// committed when their time comes; answers keep the order of the questions.
#[derive(Debug)]
enum Asked<Op, Reply> {
    Write(Op),
    Read(Reply),
}

/// One conversation.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) edge: EdgeExchange,
    pub(crate) hub: HubExchange,
    pub(crate) up: Link,
    pub(crate) down: Link,
    edge_asked: VecDeque<(Now, Asked<EdgeOp, EdgeReply>)>,
    hub_asked: VecDeque<(Now, Asked<HubOp, HubReply>)>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: Now,
    pub(crate) weather: Weather,
    pub(crate) hub_id: NodeId,
    pub(crate) hub: HubStore,
    pub(crate) edges: Vec<EdgeStore>,
    pub(crate) talks: Vec<Talk>,
    /// Sums of what conversations that are over counted.
    pub(crate) divergences: u64,
    pub(crate) pushed_again: u64,
}

impl World {
    pub(crate) fn new(seed: u64, edges: usize) -> Self {
        let mut dice = Dice::new(seed);
        let hub_id = node_id(&dice.bytes());
        let edges: Vec<EdgeStore> =
            (0..edges).map(|_| EdgeStore::new(dice.bytes(), Epoch(dice.next()))).collect();
        let talks = edges.iter().map(|edge| Talk::new(edge.node(), hub_id)).collect();
        Self {
            dice,
            now: 1_000,
            weather: Weather::FAIR,
            hub_id,
            hub: HubStore::default(),
            edges,
            talks,
            divergences: 0,
            pushed_again: 0,
        }
    }

    /// The connection of `edge` breaks and a new one is made.
    pub(crate) fn cut(&mut self, edge: usize) {
        let talk = &mut self.talks[edge];
        self.divergences += talk.edge.tally().divergences;
        self.pushed_again += talk.edge.tally().resent;
        *talk = Talk::new(self.edges[edge].node(), self.hub_id);
    }

    pub(crate) fn allow(&mut self, edge: usize, stream: StreamId) {
        self.hub.subscriptions.entry((self.edges[edge].node(), stream)).or_default();
        self.talks[edge].hub.wake();
    }

    pub(crate) fn author(&mut self, edge: usize, stream: StreamId, payload: Vec<u8>) -> EntryId {
        let id = self.edges[edge].author(stream, payload);
        let now = self.now;
        self.talks[edge].edge.local_change(now);
        id
    }

    /// Moves frames and questions until nothing more happens at this instant.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            for edge in 0..self.edges.len() {
                moved |= self.step(edge);
            }
            if !moved {
                return;
            }
        }
        panic!("an instant without end");
    }

    fn step(&mut self, at: usize) -> bool {
        let now = self.now;
        let mut grew = false;
        let Self { dice, weather, hub, edges, talks, .. } = self;
        let (Some(talk), Some(store)) = (talks.get_mut(at), edges.get_mut(at)) else {
            return false;
        };
        let peer = store.node();
        let mut moved = false;
        while let Some(op) = talk.edge.poll_store() {
            moved = true;
            let when = now + dice.below(4);
            let asked = if EdgeStore::is_read(&op) {
                Asked::Read(store.perform(op))
            } else {
                Asked::Write(op)
            };
            talk.edge_asked.push_back((when, asked));
        }
        while let Some(op) = talk.hub.poll_store() {
            moved = true;
            let when = now + dice.below(4);
            let asked = if HubStore::is_read(&op) {
                Asked::Read(hub.perform(peer, op).0.unwrap())
            } else {
                Asked::Write(op)
            };
            talk.hub_asked.push_back((when, asked));
        }
        if talk.edge_asked.front().is_some_and(|(when, _)| *when <= now) {
            moved = true;
            let reply = match talk.edge_asked.pop_front().unwrap().1 {
                Asked::Read(reply) => reply,
                Asked::Write(op) => store.perform(op),
            };
            talk.edge.stored(now, reply);
        }
        if talk.hub_asked.front().is_some_and(|(when, _)| *when <= now) {
            moved = true;
            let reply = match talk.hub_asked.pop_front().unwrap().1 {
                Asked::Read(reply) => Some(reply),
                Asked::Write(op) => {
                    let (reply, changed) = hub.perform(peer, op);
                    grew = changed;
                    reply
                }
            };
            if let Some(reply) = reply {
                talk.hub.stored(now, reply);
            }
        }
        while let Some(frame) = talk.edge.poll_transmit(|_| true) {
            moved = true;
            talk.up.send(dice, *weather, now, frame);
        }
        while let Some(frame) = talk.hub.poll_transmit(|_| true) {
            moved = true;
            talk.down.send(dice, *weather, now, frame);
        }
        while let Some((class, frame)) = talk.up.arrived(now) {
            moved = true;
            talk.hub.receive(now, class, &frame);
        }
        while let Some((class, frame)) = talk.down.arrived(now) {
            moved = true;
            talk.edge.receive(now, class, &frame);
        }
        if talk.edge.poll_timeout().is_some_and(|due| due <= now) {
            moved = true;
            talk.edge.timeout(now);
        }
        if talk.hub.poll_timeout().is_some_and(|due| due <= now) {
            moved = true;
            talk.hub.timeout(now);
        }
        if talk.edge.closed().is_some() || talk.hub.closed().is_some() {
            let why = (talk.edge.closed().copied(), talk.hub.closed().copied());
            use sync_protocol::exchange::Closed;
            assert!(
                why.0.is_none_or(|c| c == Closed::NoAnswer)
                    && why.1.is_none_or(|c| c == Closed::NoAnswer),
                "honest sides only give up waiting for a greeting: {why:?}"
            );
            self.cut(at);
        }
        if grew {
            // What one conversation stored is news to the others.
            self.talks.iter_mut().for_each(|talk| talk.hub.wake());
        }
        moved
    }

    /// The next instant at which something is due.
    fn next_instant(&self) -> Option<Now> {
        let of = |talk: &Talk| {
            let due = [
                talk.edge_asked.front().map(|(when, _)| *when),
                talk.hub_asked.front().map(|(when, _)| *when),
                talk.up.next_arrival(),
                talk.down.next_arrival(),
                talk.edge.poll_timeout(),
                talk.hub.poll_timeout(),
            ];
            due.into_iter().flatten().min()
        };
        self.talks.iter().filter_map(of).min()
    }

    /// Runs for at most `ms`; stops early when every conversation is idle. Answers whether it is.
    pub(crate) fn run(&mut self, ms: Now) -> bool {
        let end = self.now + ms;
        loop {
            self.settle();
            if self.is_idle() {
                return true;
            }
            match self.next_instant() {
                Some(next) if next <= end => self.now = next.max(self.now + 1),
                _ => {
                    self.now = end;
                    return false;
                }
            }
        }
    }

    /// Runs for `ms` whether idle or not.
    pub(crate) fn pass(&mut self, ms: Now) {
        let end = self.now + ms;
        self.run(ms);
        self.now = end;
    }

    pub(crate) fn is_idle(&self) -> bool {
        let quiet = |talk: &Talk| {
            talk.edge.is_idle()
                && talk.hub.is_idle()
                && talk.up.next_arrival().is_none()
                && talk.down.next_arrival().is_none()
        };
        self.talks.iter().all(quiet)
    }

    /// What keeps each conversation from being idle, for a test that fails.
    pub(crate) fn who_waits(&self) -> String {
        let line = |talk: &Talk| {
            let edge = format!("{:?}", talk.edge);
            let hub = format!("{:?}", talk.hub);
            let from = |text: &str, at: &str| text[text.find(at).unwrap_or(0)..].to_owned();
            let states = [
                (talk.edge.is_idle(), from(&edge, "ops:")),
                (talk.hub.is_idle(), from(&hub, "ops:")),
            ];
            let busy = states.into_iter().filter(|(idle, _)| !idle);
            busy.map(|(_, state)| format!("{state}\n")).collect::<String>()
        };
        self.talks.iter().map(line).collect()
    }

    /// Everything that must hold once all is quiet.
    pub(crate) fn check(&self, seed: u64) {
        for edge in &self.edges {
            let me = edge.node();
            let mut own: BTreeMap<StreamId, Vec<EntryId>> = BTreeMap::new();
            for entry in edge.log.values() {
                assert_eq!(entry.state, State::Received, "seed {seed}: own entry not confirmed");
                own.entry(entry.entry.header.stream).or_default().push(entry.id);
            }
            for (stream, ids) in own {
                let at_hub = self.hub.ids(&stream, |origin| origin == me);
                assert_eq!(at_hub, ids, "seed {seed}: each own entry once and in order at the hub");
            }
            assert!(edge.unconfirmed.is_empty(), "seed {seed}: acknowledgements left over");
            let allowed = self.hub.subscriptions.keys().filter(|key| key.0 == me);
            let allowed: BTreeSet<StreamId> = allowed.map(|key| key.1).collect();
            for stream in &allowed {
                let expected = self.hub.ids(stream, |origin| origin != me);
                let held = edge.foreign.get(stream).map_or(&[][..], |copy: &Copy| &copy.ids);
                assert_eq!(held, expected, "seed {seed}: each foreign entry once and in order");
            }
            let stray = edge.foreign.keys().find(|stream| !allowed.contains(stream));
            assert_eq!(stray, None, "seed {seed}: a stream that was never allowed");
        }
    }
}

impl Talk {
    pub(crate) fn new(edge: NodeId, hub: NodeId) -> Self {
        Self {
            edge: EdgeExchange::new(edge, hub, 1_750_000_000_000),
            hub: HubExchange::new(hub, edge, 1_750_000_000_123),
            up: Link::default(),
            down: Link::default(),
            edge_asked: VecDeque::new(),
            hub_asked: VecDeque::new(),
        }
    }
}

impl HubStore {
    /// Ids in a stream, in the hub's order, by authors that `by` names.
    pub(crate) fn ids(&self, stream: &StreamId, by: impl Fn(NodeId) -> bool) -> Vec<EntryId> {
        let rows = self.streams.get(stream).map_or(&[][..], |stream| &stream.rows);
        rows.iter().filter(|row| by(row.origin())).map(|row| row.id).collect()
    }
}

/// A stream of `class` about subject number `subject`.
pub(crate) fn stream(class: Class, subject: u8) -> StreamId {
    StreamId { scope: class.number(), subject: [subject; 16], compartment: 1, generation: 0 }
}
