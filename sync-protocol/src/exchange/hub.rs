//! The hub's side of a conversation with one edge.

mod mending;

use std::collections::VecDeque;

use super::acks::TakenAcks;
use super::answering::Answering;
use super::compare::Gathered;
use super::feed::Feed;
use super::give_back::GiveBack;
use super::lanes::Lanes;
use super::leases::Leases;
use super::node_keys::NodeKeys;
use super::ops::{Greeting, HelloState, HubOp, HubReply, IngestEntry, Ingested, Run};
use super::places::Places;
use super::purges::Purges;
use super::{Closed, Now, Tally, Violation};
use crate::lane::{Expanded, unfold};
use crate::message::{
    AcksStored, Bye, ByeReason, Compare, Compared, Frame, Full, Hello, HelloAck, Live, Message,
    NeedFull, PROTOCOL_VERSIONS, PurgeDone, Push, PushAck, Resync, StreamAck, StreamData, Verdict,
};
use crate::ranges::Ranges;
use crate::standing::{OwnHoldings, Placed, Reported, StartRecord};
use crate::{Class, Epoch, NodeId, StreamId, canonical, codec, limits};

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the greeting.
    Waiting { since: Option<Now> },
    /// Storage settles the greeting.
    Greeting,
    /// Everything flows.
    Steady,
    /// Over.
    Closed(Closed),
}

/// The hub's side. The peer's key is known from the transport; only its own entries are taken.
#[derive(Debug)]
pub struct HubExchange {
    me: NodeId,
    peer: NodeKeys,
    phase: Phase,
    wall_ms: u64,
    answer: Option<HelloAck>,
    /// How far entries of the edge got onto a second medium while its greeting was being settled.
    durable: Vec<(Epoch, u64)>,
    lanes: Lanes,
    ops: VecDeque<HubOp>,
    /// Questions that storage was given and has not answered.
    asked: usize,
    feed: Feed,
    purges: Purges,
    leases: Leases,
    compared: Gathered,
    /// Storage is working on a comparison; an edge compares once.
    comparing: bool,
    comparing_own: bool,
    held: Gathered,
    answering: Answering,
    /// What else is said of the node when it opened with its starts: whether it is a second copy, how
    /// many of its own entries are held, and whether it is to report.
    placed: Option<(bool, u64, bool)>,
    with_starts: bool,
    give_back: GiveBack,
    acks: TakenAcks,
    /// Streams that storage is putting back to where the edge holds them.
    rewinds: VecDeque<StreamId>,
    tally: Tally,
}

impl HubExchange {
    /// A conversation of the hub `me` with the enrolled node `peer`; `wall_ms` is our wall clock.
    #[must_use]
    pub fn new(me: NodeId, peer: impl Into<NodeKeys>, wall_ms: u64) -> Self {
        let peer = peer.into();
        Self {
            me,
            answering: Answering::new(peer.current(), Places::default()),
            peer,
            phase: Phase::Waiting { since: None },
            wall_ms,
            answer: None,
            durable: Vec::new(),
            lanes: Lanes::default(),
            ops: VecDeque::new(),
            asked: 0,
            feed: Feed::default(),
            purges: Purges::default(),
            leases: Leases::default(),
            compared: Gathered::default(),
            comparing: false,
            comparing_own: false,
            held: Gathered::default(),
            placed: None,
            with_starts: false,
            give_back: GiveBack::default(),
            acks: TakenAcks::default(),
            rewinds: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Feeds a frame that arrived on `class`'s lane.
    pub fn receive(&mut self, now: Now, class: Class, bytes: &[u8]) {
        if self.closed().is_some() {
            return;
        }
        let Ok(frame) = Frame::decode(bytes) else { return self.violation(Violation::Frame) };
        if !self.lanes.place(now, class, &frame) {
            return;
        }
        let Some(message) = frame.message else { return };
        if !Lanes::carries(class, &message) {
            return self.violation(Violation::OutOfTurn);
        }
        match message {
            Message::Hello(hello) => self.hello(hello, Vec::new()),
            Message::Opening(opening) => {
                self.with_starts = true;
                self.hello(opening.hello, opening.starts);
            }
            Message::Bye(bye) => {
                self.close(Closed::ByPeer {
                    reason: bye.reason,
                    retry_after_ms: bye.retry_after_ms,
                });
            }
            Message::Resync(resync) => self.resync(now, resync),
            _ if self.phase != Phase::Steady => self.violation(Violation::OutOfTurn),
            Message::Push(push) => self.push(class, push),
            Message::Full(full) => self.full(full),
            // A second copy delivers what it wrote; whatever else it says is of no consequence.
            _ if !self.serves() => {}
            Message::StreamAck(ack) => self.stream_ack(ack),
            Message::Compare(compare) => self.compare(compare),
            // It answers a run: where none is on its way, it is a repeat from before the run was stored.
            Message::Behind(behind) if !self.feed.is_sending(&behind.position.stream) => {}
            Message::Behind(behind) => {
                self.rewinds.push_back(behind.position.stream);
                self.ops.push_back(HubOp::Rewind(behind.position));
            }
            Message::OwnHoldings(holdings) => self.own_holdings(holdings),
            Message::OwnStored(stored) => {
                self.give_back.stored(stored.number);
                self.end_give_back(now);
            }
            Message::Reported(Reported { incarnation }) => {
                self.ops.push_back(HubOp::Report { incarnation });
            }
            Message::Reconcile(said) => self.hear_reconcile(now, &said),
            Message::Resupply(said) => self.hear_resupply(said),
            Message::PurgeDone(done) => self.purge_done(done),
            Message::Granted(granted) => {
                self.ops.extend(self.leases.granted(granted).map(HubOp::Granted));
            }
            Message::Live(live) => self.live_from_peer(live),
            Message::HelloAck(_)
            | Message::PushAck(_)
            | Message::StreamData(_)
            | Message::AcksStored(_)
            | Message::Purge(_)
            | Message::Grants(_)
            | Message::Placed(_)
            | Message::OwnEntries(_)
            | Message::Compared(_)
            | Message::Resupplied(_)
            | Message::NeedFull(_) => self.violation(Violation::OutOfTurn),
        }
        self.pump();
    }

    /// Feeds storage's answer.
    pub fn stored(&mut self, now: Now, reply: HubReply) {
        self.asked = self.asked.saturating_sub(1);
        if self.closed().is_some() {
            return;
        }
        match reply {
            HubReply::Greeted(greeting) => self.greeted(greeting),
            HubReply::Ingested(ingested) => self.ingested(ingested),
            HubReply::SetAside => {}
            HubReply::Runs(runs) => self.runs(now, runs),
            HubReply::Acked => {
                let Some((positions, confirmed)) = self.acks.recorded() else { return };
                positions.iter().for_each(|position| self.feed.acknowledged(position));
                if let Some(number) = confirmed {
                    self.lanes.send(Class::Control, &AcksStored { number }.into());
                }
            }
            HubReply::Rewound => {
                if let Some(stream) = self.rewinds.pop_front() {
                    self.feed.rewind_stream(stream);
                }
            }
            HubReply::Purges { safe_mode: false, .. } if self.began_in_safe_mode() => {
                // What the edge holds is compared anew, with all that is known now.
                self.finish(ByeReason::Busy, Some(0));
                return self.close(Closed::SafeModeEnded);
            }
            HubReply::Purges { orders, .. } => {
                for order in self.purges.found(now, self.feed.bytes(), orders) {
                    // What is in flight of it is of no use to the edge.
                    self.feed.rewind_stream(order.stream);
                    self.lanes.send(Class::Policy, &order.into());
                }
            }
            HubReply::PurgeSettled(stream) => {
                self.purges.settled(&stream);
                // Where access began anew meanwhile, the stream is sent from the start.
                self.feed.rewind_stream(stream);
            }
            HubReply::Grants(grants) => {
                if let Some(message) = self.leases.found(now, self.feed.bytes(), grants) {
                    self.lanes.send(Class::Backfill, &message.into());
                }
            }
            HubReply::Granted => self.leases.noted(),
            HubReply::Reported => {}
            HubReply::OwnStreams(streams) => {
                self.comparing_own = false;
                self.give_back.start(streams);
                self.end_give_back(now);
            }
            HubReply::Own { entries, next } => {
                if let Some(message) = self.give_back.found(now, &entries, next) {
                    self.tally.entries_sent += message.entries.len() as u64;
                    self.lanes.send(Class::Backfill, &message.into());
                }
                self.end_give_back(now);
            }
            HubReply::Compared { restarted } => {
                self.comparing = false;
                self.tally.divergences += u64::from(restarted > 0);
                self.lanes.send(Class::Control, &Compared { restarted }.into());
                // What it holds again after a restore may be to be let go again.
                self.purges.wake();
                self.leases.wake();
                self.feed.rewind();
            }
            HubReply::Held(_)
            | HubReply::Settled { .. }
            | HubReply::Lacking(_)
            | HubReply::TakenIn { .. } => self.mended(reply),
            HubReply::Failed => self.close(Closed::Storage),
        }
        self.pump();
    }

    /// Something was committed that this edge may have to be told.
    pub fn wake(&mut self) {
        self.feed.wake();
        self.purges.wake();
        self.leases.wake();
        self.pump();
    }

    /// Entries of this edge are now on a second medium, in each epoch up to a position.
    pub fn durable(&mut self, marks: Vec<(Epoch, u64)>) {
        self.durable.extend(marks);
        self.tell_durable();
    }

    /// Sends latest values of another site that this edge may see, if nothing waits before them and
    /// they are not longer than [`LIVE_BYTES_MAX`](limits::LIVE_BYTES_MAX).
    pub fn live(&mut self, live: Live) {
        let small = live.values.len() <= limits::LIVE_BYTES_MAX;
        if self.phase == Phase::Steady && self.serves() && small && self.lanes.has_room_for_live() {
            self.lanes.send(Class::Fresh, &live.into());
        }
    }

    /// Time passed.
    pub fn timeout(&mut self, now: Now) {
        match &mut self.phase {
            Phase::Waiting { since: since @ None } => *since = Some(now),
            Phase::Waiting { since: Some(since) }
                if now.saturating_sub(*since) >= limits::GREETING_TIMEOUT_MS =>
            {
                return self.close(Closed::NoAnswer);
            }
            Phase::Waiting { .. } | Phase::Greeting | Phase::Steady | Phase::Closed(_) => {}
        }
        if let Some(message) = self.give_back.overdue(now) {
            self.tally.resent += 1;
            self.lanes.send(Class::Backfill, &message.into());
        }
        if let Some(message) = self.leases.overdue(now, self.feed.bytes()) {
            self.lanes.send(Class::Backfill, &message.into());
        }
        self.answering.expire(now);
        self.feed.expire(now);
        for order in self.purges.overdue(now, self.feed.bytes()) {
            self.lanes.send(Class::Policy, &order.into());
        }
        self.pump();
    }

    /// Asks the edge to go away and come back after `retry_after_ms`.
    pub fn finish(&mut self, reason: ByeReason, retry_after_ms: Option<u32>) {
        self.lanes.send(Class::Control, &Bye { reason, retry_after_ms }.into());
    }

    /// The next thing to ask of storage.
    pub fn poll_store(&mut self) -> Option<HubOp> {
        let op = self.ops.pop_front()?;
        // Latest values are passed on without an answer.
        self.asked += usize::from(!matches!(op, HubOp::Live { .. }));
        Some(op)
    }

    /// Whether storage keeps up and the edge takes its answers. While they do not, take no frame
    /// from the link: what waits here stays bounded, and the peer is slowed down by the link.
    #[must_use]
    pub fn takes_frames(&self) -> bool {
        self.asked + self.ops.len() < limits::OPS_OPEN_MAX
            && self.lanes.answers_bytes() < limits::HUB_ANSWERS_WAITING_MAX
    }

    /// The next frame for a lane that is `ready`.
    pub fn poll_transmit(&mut self, ready: impl Fn(Class) -> bool) -> Option<(Class, Vec<u8>)> {
        self.lanes.pop(ready)
    }

    /// When to call [`timeout`](Self::timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Now> {
        match self.phase {
            Phase::Waiting { since } => {
                Some(since.map_or(0, |since| since.saturating_add(limits::GREETING_TIMEOUT_MS)))
            }
            Phase::Greeting | Phase::Steady => [
                self.feed.next_timeout(),
                self.purges.next_timeout(),
                self.leases.next_timeout(),
                self.give_back.next_timeout(),
                self.answering.next_timeout(),
            ]
            .into_iter()
            .flatten()
            .min(),
            Phase::Closed(_) => None,
        }
    }

    /// Why the conversation is over, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        match &self.phase {
            Phase::Closed(closed) => Some(closed),
            Phase::Waiting { .. } | Phase::Greeting | Phase::Steady => None,
        }
    }

    /// Whether the greeting was settled.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.phase == Phase::Steady
    }

    /// Whether the edge acknowledged everything it may have and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_steady()
            && self.give_back.is_idle()
            && self.answering.is_idle()
            && (!self.serves()
                || self.feed.is_idle() && self.purges.is_idle() && self.leases.is_idle())
            && self.lanes.is_empty()
            && self.ops.is_empty()
            && self.asked == 0
            && self.acks.is_empty()
    }

    /// What happened so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            resent: self.feed.resent,
            repeats: self.tally.repeats + self.lanes.repeats,
            resyncs: self.lanes.resyncs,
            refused: self.tally.refused + self.answering.refused,
            ..self.tally
        }
    }

    /// Whether the edge gets anything but answers.
    fn serves(&self) -> bool {
        !matches!(self.placed, Some((true, ..)))
    }

    fn hello(&mut self, hello: Hello, history: Vec<StartRecord>) {
        let within = hello.claims.len() <= limits::HELLO_EPOCHS_MAX
            && history.len() <= limits::HELLO_STARTS_MAX
            && hello.unconfirmed.len() <= limits::HELLO_ACKS_MAX;
        if !within {
            return self.violation(Violation::Limit);
        }
        if hello.versions.0 > PROTOCOL_VERSIONS.1 || hello.versions.1 < PROTOCOL_VERSIONS.0 {
            let reason = ByeReason::NoCommonVersion;
            self.lanes.send(Class::Control, &Bye { reason, retry_after_ms: None }.into());
            return self.close(Closed::NoCommonVersion);
        }
        match self.phase {
            Phase::Waiting { .. } => {}
            Phase::Greeting | Phase::Closed(_) => return,
            // The answer was lost: give it again.
            Phase::Steady => {
                if let Some(answer) = self.answer.clone() {
                    self.answer_greeting(answer);
                }
                return;
            }
        }
        self.phase = Phase::Greeting;
        self.ops.push_back(HubOp::Greet(HelloState {
            epoch: hello.epoch,
            parent: hello.parent,
            claims: hello.claims,
            incarnation: hello.incarnation,
            unconfirmed: hello.unconfirmed,
            history,
        }));
    }

    fn began_in_safe_mode(&self) -> bool {
        matches!(self.placed, Some((_, _, true)))
    }

    fn greeted(&mut self, greeting: Greeting) {
        let Greeting { incarnation, received, durable, feed, .. } = greeting;
        let Greeting { second_copy, own_entries, wants_report, .. } = greeting;
        let answer = HelloAck {
            version: PROTOCOL_VERSIONS.1,
            incarnation,
            received,
            durable,
            feed: (feed.count, feed.short()),
            wall_ms: self.wall_ms,
        };
        self.placed = Some((second_copy, own_entries, wants_report));
        self.answer = Some(answer.clone());
        self.answer_greeting(answer);
        self.phase = Phase::Steady;
        self.tell_durable();
    }

    fn answer_greeting(&mut self, answer: HelloAck) {
        let message = match self.placed {
            Some((second_copy, own_entries, wants_report)) if self.with_starts => {
                Placed { answer, second_copy, own_entries, wants_report }.into()
            }
            _ => answer.into(),
        };
        self.lanes.send(Class::Control, &message);
    }

    fn push(&mut self, class: Class, push: Push) {
        if push.entries.len() > limits::FRAME_ENTRIES_MAX {
            return self.violation(Violation::Limit);
        }
        let lane = self.lanes.decoder(class);
        if lane.define(self.peer.current(), &push.chains).is_err() {
            return self.violation(Violation::Limit);
        }
        let mut batch = Vec::with_capacity(push.entries.len());
        let mut unclear = Vec::new();
        let mut foreign = Vec::new();
        for (oseq, wire) in push.entries {
            let chain = wire.chain;
            let Ok(expanded) = lane.expand(wire) else {
                unclear.push(oseq);
                continue;
            };
            let header = expanded.entry.unchecked().header;
            if !self.peer.owns(&header.origin) || header.epoch != push.epoch {
                foreign.push((push.epoch, oseq, Verdict::Foreign));
                continue;
            }
            match verified(push.epoch, oseq, expanded) {
                Ok(entry) => batch.push(entry),
                Err(_) => {
                    lane.cut_thread(chain);
                    unclear.push(oseq);
                }
            }
        }
        for oseq in unclear {
            self.tally.refused += 1;
            self.lanes.send(Class::Control, &NeedFull { epoch: push.epoch, oseq }.into());
        }
        if !foreign.is_empty() {
            self.tally.refused += foreign.len() as u64;
            let verdicts = PushAck { verdicts: foreign, ..PushAck::default() };
            self.lanes.send(Class::Control, &verdicts.into());
        }
        if !batch.is_empty() {
            self.ops.push_back(HubOp::Ingest(batch));
        }
    }

    /// The long form settles what the short one left open: taken, or refused for good.
    fn full(&mut self, full: Full) {
        let oseq = full.oseq;
        let raw = codec::encode(&full);
        let claimed = canonical::claimed_epoch(&full.header);
        let outcome = unfold(full).map_err(|_| Verdict::NotAuthentic).and_then(|expanded| {
            let header = expanded.entry.unchecked().header;
            if self.peer.owns(&header.origin) {
                verified(header.epoch, oseq, expanded)
            } else {
                Err(Verdict::Foreign)
            }
        });
        match outcome {
            Ok(entry) => self.ops.push_back(HubOp::Ingest(vec![entry])),
            Err(verdict) => {
                self.tally.refused += 1;
                let epoch = claimed.unwrap_or(Epoch(0));
                self.ops.push_back(HubOp::SetAside { epoch, oseq, verdict, raw });
                let verdicts = vec![(epoch, oseq, verdict)];
                self.lanes.send(Class::Control, &PushAck { verdicts, ..PushAck::default() }.into());
            }
        }
    }

    fn ingested(&mut self, ingested: Ingested) {
        self.tally.entries_stored += u64::from(ingested.fresh);
        self.tally.repeats +=
            (ingested.received.len() as u64).saturating_sub(u64::from(ingested.fresh));
        let mut received: Vec<(Epoch, Ranges)> = Vec::new();
        for (epoch, oseq) in ingested.received {
            match received.iter_mut().find(|(known, _)| *known == epoch) {
                Some((_, ranges)) => {
                    ranges.insert(oseq);
                }
                None => received.push((epoch, [oseq].into_iter().collect())),
            }
        }
        let ack = PushAck {
            received,
            durable: Vec::new(),
            streams: ingested.streams,
            verdicts: ingested.verdicts,
        };
        self.lanes.send(Class::Control, &ack.into());
    }

    fn tell_durable(&mut self) {
        if self.phase == Phase::Steady && !self.durable.is_empty() {
            let durable = std::mem::take(&mut self.durable);
            self.lanes.send(Class::Control, &PushAck { durable, ..PushAck::default() }.into());
        }
    }

    fn stream_ack(&mut self, ack: StreamAck) {
        let positions = ack.positions.clone();
        positions.iter().for_each(|position| self.purges.stored(position));
        if !self.acks.give(ack) {
            return self.violation(Violation::Limit);
        }
        self.ops.push_back(HubOp::Ack(positions));
    }

    fn purge_done(&mut self, done: PurgeDone) {
        if done.receipt.is_signed_by(&self.peer.current()) {
            self.ops.push_back(HubOp::Purged(done.receipt));
        } else {
            self.violation(Violation::Contradiction);
        }
    }

    fn compare(&mut self, compare: Compare) {
        // A million streams each would wait for storage, as often as the edge likes.
        if self.comparing {
            return;
        }
        match self.compared.add(compare) {
            Ok(Some(streams)) => {
                self.comparing = true;
                self.ops.push_back(HubOp::Compare(streams));
            }
            Ok(None) => {}
            Err(violation) => self.violation(violation),
        }
    }

    fn own_holdings(&mut self, holdings: OwnHoldings) {
        if self.comparing_own || !self.give_back.is_idle() {
            return;
        }
        let OwnHoldings { streams, more } = holdings;
        match self.held.add(Compare { streams, more }) {
            Ok(Some(streams)) => {
                self.comparing_own = true;
                self.ops.push_back(HubOp::CompareOwn(streams));
            }
            Ok(None) => {}
            Err(violation) => self.violation(violation),
        }
    }

    fn live_from_peer(&mut self, live: Live) {
        if live.values.len() > limits::LIVE_BYTES_MAX {
            return self.violation(Violation::Limit);
        }
        self.ops.push_back(HubOp::Live { stream: live.stream, values: live.values });
    }

    /// Sends each run as a frame.
    fn runs(&mut self, now: Now, runs: Vec<Run>) {
        for run in self.feed.found(runs) {
            let lane = self.lanes.encoder(run.class);
            let mut chains = Vec::new();
            let mut entries = Vec::with_capacity(run.entries.len());
            let mut bytes = 64;
            for held in &run.entries {
                bytes += held.entry.payload.bytes().map_or(0, <[u8]>::len) + 128;
                entries.push(lane.shorten(&held.entry, held.id, &held.key, self.me, &mut chains));
            }
            debug_assert!(
                entries.len() <= limits::FRAME_ENTRIES_MAX && bytes <= limits::FRAME_BYTES_MAX,
                "storage gives runs that fit a frame"
            );
            self.tally.entries_sent += entries.len() as u64;
            self.feed.sending(now, &run, bytes);
            let data = StreamData {
                stream: run.stream,
                version: run.version,
                from_idx: run.from_idx,
                to_idx: run.to_idx,
                head_sum: run.head_sum,
                chains,
                entries,
            };
            self.lanes.send(run.class, &data.into());
        }
    }

    fn resync(&mut self, now: Now, resync: Resync) {
        let Some(class) = Class::from_number(resync.class) else {
            return self.violation(Violation::Contradiction);
        };
        if self.lanes.resync(class, resync.generation) {
            self.feed.rewind_class(class);
            self.rewind(now, class);
        }
    }

    fn pump(&mut self) {
        if self.phase != Phase::Steady || !self.serves() {
            return;
        }
        if self.purges.read() {
            self.ops.push_back(HubOp::ReadPurges);
        }
        if self.leases.read() {
            self.ops.push_back(HubOp::ReadGrants);
        }
        self.ops.extend(self.give_back.read());
        self.mend();
        if let Some(sent) = self.feed.read() {
            self.ops.push_back(HubOp::NextRuns { sent, bytes_max: limits::PAGE_BYTES });
        }
    }

    fn violation(&mut self, violation: Violation) {
        let reason = ByeReason::ProtocolViolation;
        self.lanes.send(Class::Control, &Bye { reason, retry_after_ms: None }.into());
        self.close(Closed::Violation(violation));
    }

    fn close(&mut self, closed: Closed) {
        self.phase = Phase::Closed(closed);
    }
}

fn verified(epoch: Epoch, oseq: u64, expanded: Expanded) -> Result<IngestEntry, Verdict> {
    let Expanded { entry, id, key } = expanded;
    let entry = entry.verify(&key).map_err(|_| Verdict::NotAuthentic)?;
    Ok(IngestEntry { epoch, oseq, entry, id, key })
}
