//! The edge's side of a conversation.

use std::collections::{BTreeMap, VecDeque};

use super::ops::{Applied, EdgeOp, EdgeReply, HelloState, StoredRun};
use super::push::PushPumps;
use super::{Closed, Now, PUSH_CLASSES, Tally, Violation};
use crate::lane::{LaneDecoder, LaneEncoder, LaneError, full};
use crate::message::{
    Bye, ByeReason, Compare, Frame, Hello, HelloAck, Live, Message, PROTOCOL_VERSIONS, Push,
    PushAck, Resync, StreamAck, StreamData, StreamPosition, StreamState, Verdict,
};
use crate::scheduler::Scheduler;
use crate::{Class, Epoch, NodeId, limits};

/// How long between two greetings on a link that loses them (milliseconds).
const GREETING_REPEAT_MS: Now = 3_000;

/// How long between two requests to start a lane anew (milliseconds).
const RESYNC_REPEAT_MS: Now = 1_000;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Storage is reading what the greeting needs.
    Loading,
    /// The greeting is out.
    Greeting { since: Now, last_sent: Now },
    /// The answer is being settled and compared.
    Settling,
    /// Everything flows.
    Steady,
    /// Over.
    Closed(Closed),
}

/// The edge's side. Make one per connection, drive it until [`closed`](Self::closed).
#[derive(Debug)]
pub struct EdgeExchange {
    me: NodeId,
    hub: NodeId,
    phase: Phase,
    wall_ms: u64,
    hello: Option<HelloState>,
    hub_feed: (u64, [u8; 16]),
    out: [LaneEncoder; Class::COUNT],
    inward: [LaneDecoder; Class::COUNT],
    resync_asked: BTreeMap<u8, Now>,
    scheduler: Scheduler,
    ops: VecDeque<EdgeOp>,
    pumps: PushPumps,
    /// Acknowledged, and not yet given to storage.
    to_mark: PushAck,
    marking: bool,
    ack_number: u64,
    /// Sent acknowledgements by number, until the hub confirms them.
    acks: BTreeMap<u64, Vec<StreamPosition>>,
    to_forget: Vec<StreamPosition>,
    forgetting: bool,
    full_wanted: VecDeque<(Epoch, u64)>,
    reading_one: bool,
    hub_wall_ms: Option<u64>,
    tally: Tally,
}

impl EdgeExchange {
    /// A conversation of node `me` with the hub whose signing key is `hub`; `wall_ms` is our wall
    /// clock, for the greeting.
    #[must_use]
    pub fn new(me: NodeId, hub: NodeId, wall_ms: u64) -> Self {
        Self {
            me,
            hub,
            phase: Phase::Loading,
            wall_ms,
            hello: None,
            hub_feed: (0, [0; 16]),
            out: Default::default(),
            inward: Default::default(),
            resync_asked: BTreeMap::new(),
            scheduler: Scheduler::default(),
            ops: VecDeque::from([EdgeOp::LoadHello]),
            pumps: PushPumps::new(),
            to_mark: PushAck::default(),
            marking: false,
            ack_number: 0,
            acks: BTreeMap::new(),
            to_forget: Vec::new(),
            forgetting: false,
            full_wanted: VecDeque::new(),
            reading_one: false,
            hub_wall_ms: None,
            tally: Tally::default(),
        }
    }

    /// Feeds a frame that arrived on `class`'s lane.
    pub fn receive(&mut self, now: Now, class: Class, bytes: &[u8]) {
        if self.closed().is_some() {
            return;
        }
        let Ok(frame) = Frame::decode(bytes) else { return self.violation(Violation::Frame) };
        if class != Class::Control && !self.placed(now, class, &frame) {
            return;
        }
        let Some(message) = frame.message else { return };
        match message {
            Message::HelloAck(ack) => self.greeted(ack),
            Message::PushAck(ack) => self.push_ack(ack),
            Message::StreamData(data) => self.stream_data(now, class, data),
            Message::AcksStored(stored) => {
                let open = self.acks.split_off(&stored.number.saturating_add(1));
                let done = std::mem::replace(&mut self.acks, open);
                self.to_forget.extend(done.into_values().flatten());
            }
            Message::NeedFull(need) => self.full_wanted.push_back((need.epoch, need.oseq)),
            Message::Resync(resync) => self.resync(resync),
            Message::Bye(bye) => self.close(by_peer(bye)),
            // Latest values of other sites go straight to the screens, not through here.
            Message::Live(_) => {}
            Message::Hello(_)
            | Message::Push(_)
            | Message::StreamAck(_)
            | Message::Full(_)
            | Message::Compare(_) => self.violation(Violation::OutOfTurn),
        }
        self.pump(now);
    }

    /// Feeds storage's answer.
    pub fn stored(&mut self, now: Now, reply: EdgeReply) {
        if self.closed().is_some() {
            return;
        }
        match reply {
            EdgeReply::Hello(state) => {
                self.hello = Some(state);
                self.phase = Phase::Greeting { since: now, last_sent: now };
                self.send_hello();
            }
            EdgeReply::Received { diverged } => {
                self.marking = false;
                self.tally.divergences += u64::from(diverged);
                if self.phase == Phase::Settling {
                    self.ops.push_back(EdgeOp::ReadFeed { by_stream: false });
                }
            }
            EdgeReply::Feed { total, streams } => {
                self.compare(total.count, total.short(), &streams)
            }
            EdgeReply::Outbox(page) => self.pumps.page(page),
            EdgeReply::One(entry) => {
                self.reading_one = false;
                if let Some(found) = entry {
                    let message = full(&found.entry, &found.key, found.oseq).into();
                    self.send(Class::Control, &message);
                }
            }
            EdgeReply::Applied(position, applied) => self.applied(position, applied),
            EdgeReply::Forgot => self.forgetting = false,
            EdgeReply::Failed => self.close(Closed::Storage),
        }
        self.pump(now);
    }

    /// Own entries were committed since the last call.
    pub fn local_change(&mut self, now: Now) {
        self.pumps.wake();
        self.pump(now);
    }

    /// Sends latest values for screens, if the conversation is steady and nothing waits before them.
    pub fn live(&mut self, live: Live) {
        if self.phase == Phase::Steady && self.scheduler.bytes() < limits::FRAME_BYTES_TARGET {
            self.send(Class::Fresh, &live.into());
        }
    }

    /// Time passed.
    pub fn timeout(&mut self, now: Now) {
        if let Phase::Greeting { since, last_sent } = self.phase {
            if now.saturating_sub(since) >= limits::GREETING_TIMEOUT_MS {
                return self.close(Closed::NoAnswer);
            }
            if now.saturating_sub(last_sent) >= GREETING_REPEAT_MS {
                self.phase = Phase::Greeting { since, last_sent: now };
                self.send_hello();
            }
        }
        for class in self.pumps.overdue(now) {
            self.pumps.rewind(class);
        }
        self.pump(now);
    }

    /// Ends the conversation in good order.
    pub fn finish(&mut self) {
        self.send(Class::Control, &Bye { reason: ByeReason::Done, retry_after_ms: None }.into());
    }

    /// The next thing to ask of storage.
    pub fn poll_store(&mut self) -> Option<EdgeOp> {
        self.ops.pop_front()
    }

    /// The next frame for a lane that is `ready`.
    pub fn poll_transmit(&mut self, ready: impl Fn(Class) -> bool) -> Option<(Class, Vec<u8>)> {
        self.scheduler.pop(ready)
    }

    /// When to call [`timeout`](Self::timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Now> {
        match self.phase {
            Phase::Greeting { last_sent, .. } => Some(last_sent + GREETING_REPEAT_MS),
            Phase::Loading | Phase::Settling | Phase::Steady => self.pumps.next_timeout(),
            Phase::Closed(_) => None,
        }
    }

    /// Why the conversation is over, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        match &self.phase {
            Phase::Closed(closed) => Some(closed),
            _ => None,
        }
    }

    /// Whether the greeting was answered and settled.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.phase == Phase::Steady
    }

    /// Whether everything we have is at the hub and nothing waits to be sent or stored.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_steady()
            && self.pumps.is_idle()
            && !self.marking
            && self.to_mark == PushAck::default()
            && self.scheduler.bytes() == 0
            && self.ops.is_empty()
            && self.acks.is_empty()
            && self.to_forget.is_empty()
            && !self.forgetting
    }

    /// What happened so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally { resent: self.pumps.resent, ..self.tally }
    }

    /// The hub's wall clock at the greeting, milliseconds since 1970.
    #[must_use]
    pub fn hub_wall_ms(&self) -> Option<u64> {
        self.hub_wall_ms
    }

    fn greeted(&mut self, ack: HelloAck) {
        if !matches!(self.phase, Phase::Greeting { .. }) {
            return; // A repeat of an answer that was settled.
        }
        if ack.version < PROTOCOL_VERSIONS.0 || ack.version > PROTOCOL_VERSIONS.1 {
            return self.close(Closed::NoCommonVersion);
        }
        if !ack.received.iter().all(|(_, ranges)| ranges.is_well_formed()) {
            return self.violation(Violation::Contradiction);
        }
        self.hub_feed = ack.feed;
        self.hub_wall_ms = Some(ack.wall_ms);
        self.phase = Phase::Settling;
        self.marking = true;
        // What the greeting repeated is on record at the hub now.
        if let Some(hello) = &mut self.hello {
            self.to_forget.append(&mut hello.unconfirmed);
        }
        self.ops.push_back(EdgeOp::MarkReceived {
            received: ack.received,
            durable: ack.durable,
            incarnation: Some(ack.incarnation),
            verdicts: Vec::new(),
            streams: Vec::new(),
        });
    }

    fn compare(&mut self, count: u64, sum: [u8; 16], streams: &[StreamState]) {
        if self.phase != Phase::Settling {
            return;
        }
        if (count, sum) == self.hub_feed {
            self.phase = Phase::Steady;
        } else if streams.is_empty() && count > 0 {
            self.ops.push_back(EdgeOp::ReadFeed { by_stream: true });
        } else {
            self.tally.divergences += 1;
            let mut chunks = streams.chunks(limits::COMPARE_STREAMS_MAX).peekable();
            if chunks.peek().is_none() {
                let nothing = Compare { streams: Vec::new(), more: false };
                self.send(Class::Control, &nothing.into());
            }
            while let Some(chunk) = chunks.next() {
                let more = chunks.peek().is_some();
                let message = Compare { streams: chunk.to_vec(), more }.into();
                self.send(Class::Control, &message);
            }
            self.phase = Phase::Steady;
        }
    }

    fn push_ack(&mut self, ack: PushAck) {
        let well_formed = ack.received.iter().all(|(_, ranges)| ranges.is_well_formed());
        if self.phase != Phase::Steady || !well_formed {
            return self.violation(Violation::Contradiction);
        }
        for (epoch, ranges) in &ack.received {
            self.pumps.acknowledged(*epoch, ranges);
        }
        for &(epoch, oseq, verdict) in &ack.verdicts {
            match verdict {
                // Stays in flight until it is overdue, and is then sent again with what is missing.
                Verdict::Gap(_) | Verdict::Quarantined(_) => {}
                Verdict::Fork | Verdict::NotAuthentic | Verdict::Foreign => {
                    self.tally.refused += 1;
                    self.pumps.refused(epoch, oseq);
                }
            }
        }
        for (epoch, ranges) in ack.received {
            match self.to_mark.received.iter_mut().find(|(known, _)| *known == epoch) {
                Some((_, known)) => known.merge(&ranges),
                None => self.to_mark.received.push((epoch, ranges)),
            }
        }
        self.to_mark.durable.extend(ack.durable);
        self.to_mark.verdicts.extend(
            ack.verdicts.into_iter().filter(|(_, _, verdict)| !matches!(verdict, Verdict::Gap(_))),
        );
        for state in ack.streams {
            self.to_mark.streams.retain(|known| known.stream != state.stream);
            self.to_mark.streams.push(state);
        }
    }

    fn stream_data(&mut self, now: Now, class: Class, data: StreamData) {
        if data.from_idx > data.to_idx || data.entries.len() > limits::FRAME_ENTRIES_MAX {
            return self.violation(Violation::Contradiction);
        }
        let hub = self.hub;
        let Some(lane) = self.inward.get_mut(class.index()) else { return };
        if lane.define(hub, &data.chains).is_err() {
            return self.violation(Violation::Limit);
        }
        let mut entries = Vec::with_capacity(data.entries.len());
        let mut authentic = true;
        for wire in data.entries {
            // After one that cannot be used the rest still passes over the lane's table.
            let Ok(expanded) = lane.expand(wire) else {
                authentic = false;
                continue;
            };
            let header = expanded.entry.unchecked().header;
            match expanded.entry.verify(&expanded.key) {
                Ok(entry) if header.stream == data.stream => entries.push((entry, expanded.key)),
                _ => {
                    authentic = false;
                    lane.cut_thread(header.origin, header.stream);
                }
            }
        }
        if !authentic {
            // Not stored and not acknowledged: on a lane started anew the run comes in full.
            self.tally.refused += 1;
            let generation = lane.generation();
            return self.ask_resync(now, class, generation);
        }
        self.ops.push_back(EdgeOp::Apply(StoredRun {
            stream: data.stream,
            version: data.version,
            from_idx: data.from_idx,
            to_idx: data.to_idx,
            head_sum: data.head_sum,
            entries,
        }));
    }

    fn applied(&mut self, position: StreamPosition, applied: Applied) {
        let Applied::Stored { fresh, diverged } = applied else { return };
        self.tally.entries_stored += u64::from(fresh);
        self.tally.repeats += u64::from(fresh == 0);
        self.tally.divergences += u64::from(diverged);
        self.ack_number += 1;
        let positions = vec![position];
        let message = StreamAck { number: self.ack_number, positions: positions.clone() }.into();
        self.acks.insert(self.ack_number, positions);
        self.send(Class::Control, &message);
    }

    fn resync(&mut self, resync: Resync) {
        let Some(class) = Class::from_number(resync.class) else {
            return self.violation(Violation::Contradiction);
        };
        let restarted =
            self.out.get_mut(class.index()).is_some_and(|lane| lane.resync(resync.generation));
        if restarted {
            self.tally.resyncs += 1;
            self.scheduler.clear(class);
            self.pumps.rewind(class);
        }
    }

    /// Gives the frame its place on its lane; `false` when it must not be used.
    fn placed(&mut self, now: Now, class: Class, frame: &Frame) -> bool {
        let Some(lane) = self.inward.get_mut(class.index()) else { return false };
        match lane.place(frame) {
            Ok(()) => true,
            Err(LaneError::Gap { generation }) => {
                self.ask_resync(now, class, generation);
                false
            }
            Err(_) => {
                self.tally.repeats += 1;
                false
            }
        }
    }

    fn ask_resync(&mut self, now: Now, class: Class, generation: u32) {
        let asked = self.resync_asked.get(&class.number());
        if asked.is_none_or(|&at| now.saturating_sub(at) >= RESYNC_REPEAT_MS) {
            self.resync_asked.insert(class.number(), now);
            let message = Resync { class: class.number(), generation }.into();
            self.send(Class::Control, &message);
        }
    }

    /// Moves on whatever can move.
    fn pump(&mut self, now: Now) {
        if self.phase != Phase::Steady {
            return;
        }
        self.ops.extend(self.pumps.reads());
        for class in PUSH_CLASSES {
            self.push_frames(now, class);
        }
        if !self.marking && self.to_mark != PushAck::default() {
            self.marking = true;
            let ack = std::mem::take(&mut self.to_mark);
            self.ops.push_back(EdgeOp::MarkReceived {
                received: ack.received,
                durable: ack.durable,
                incarnation: None,
                verdicts: ack.verdicts,
                streams: ack.streams,
            });
        }
        if !self.forgetting && !self.to_forget.is_empty() {
            self.forgetting = true;
            self.ops.push_back(EdgeOp::ForgetAcks(std::mem::take(&mut self.to_forget)));
        }
        if !self.reading_one
            && let Some((epoch, oseq)) = self.full_wanted.pop_front()
        {
            self.reading_one = true;
            self.ops.push_back(EdgeOp::ReadOne { epoch, oseq });
        }
    }

    fn push_frames(&mut self, now: Now, class: Class) {
        loop {
            let batch = self.pumps.next(now, class);
            let Some(epoch) = batch.first().map(|entry| entry.epoch) else { return };
            let Some(lane) = self.out.get_mut(class.index()) else { return };
            lane.make_room();
            let mut chains = Vec::new();
            let mut entries = Vec::with_capacity(batch.len());
            for own in &batch {
                let wire = lane.shorten(&own.entry, own.id, &own.key, self.me, &mut chains);
                entries.push((own.oseq, wire));
            }
            self.tally.entries_sent += entries.len() as u64;
            let frame = lane.frame(&Push { epoch, chains, entries }.into());
            self.scheduler.push(class, frame);
            self.ops.extend(self.pumps.reads());
        }
    }

    fn send_hello(&mut self) {
        let Some(state) = self.hello.clone() else { return };
        let hello = Hello {
            versions: PROTOCOL_VERSIONS,
            epoch: state.epoch,
            parent: state.parent,
            claims: state.claims,
            incarnation: state.incarnation,
            unconfirmed: state.unconfirmed,
            wall_ms: self.wall_ms,
        };
        self.send(Class::Control, &hello.into());
    }

    fn send(&mut self, class: Class, message: &Message) {
        if let Some(lane) = self.out.get_mut(class.index()) {
            self.scheduler.push(class, lane.frame(message));
        }
    }

    fn violation(&mut self, violation: Violation) {
        let reason = ByeReason::ProtocolViolation;
        self.send(Class::Control, &Bye { reason, retry_after_ms: None }.into());
        self.close(Closed::Violation(violation));
    }

    fn close(&mut self, closed: Closed) {
        self.phase = Phase::Closed(closed);
    }
}

fn by_peer(bye: Bye) -> Closed {
    match bye.reason {
        ByeReason::NoCommonVersion => Closed::NoCommonVersion,
        ByeReason::Clone => Closed::Clone,
        reason => Closed::ByPeer { reason, retry_after_ms: bye.retry_after_ms },
    }
}
