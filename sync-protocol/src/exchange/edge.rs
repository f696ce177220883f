//! The edge's side of a conversation.

mod mending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::acks::SentAcks;
use super::intake::{Intake, Taken};
use super::lanes::Lanes;
use super::leases::{TakenGrants, TakenLeases};
use super::marks::Marks;
use super::mend::Mending;
use super::node_keys::NodeKeys;
use super::ops::{Applied, EdgeOp, EdgeReply, HelloState};
use super::push::PushPumps;
use super::{Closed, Now, PUSH_CLASSES, Tally, Violation, compare};
use crate::lane::full;
use crate::message::{
    Behind, Bye, ByeReason, Frame, Hello, HelloAck, Live, Message, NeedFull, PROTOCOL_VERSIONS,
    Purge, PurgeDone, Push, PushAck, Resync, StreamData, StreamPosition, StreamState, Verdict,
};
use crate::standing::{Opening, Placed, Reported};
use crate::{Class, Epoch, NodeId, StreamId, limits};

/// How long between two greetings on a link that loses them (milliseconds).
const GREETING_REPEAT_MS: Now = 3_000;

/// How long without an answer, before the edge says again what it holds.
const SAY_AGAIN_MS: Now = 60_000;

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
    me: NodeKeys,
    hub: NodeId,
    phase: Phase,
    wall_ms: u64,
    hello: Option<HelloState>,
    hub_feed: (u64, [u8; 16]),
    /// The sums differed: storage was asked for each stream.
    comparing: bool,
    mending: Mending,
    /// Whether the hub goes on with another copy of this node.
    second_copy: bool,
    /// Entries of our own that the hub holds.
    own_entries: u64,
    /// In which life of its database the hub waits to hear that it has all that we wrote.
    report_to: Option<u64>,
    report_again: Option<Now>,
    /// How many of them we do not know of, and when to say again what we hold.
    lost_own: u64,
    say_again: Option<Now>,
    /// The last message with own entries that is stored: a repeat is answered at once.
    taken_back: u64,
    leases: TakenLeases,
    lanes: Lanes,
    ops: VecDeque<EdgeOp>,
    /// Questions that storage was given and has not answered.
    asked: usize,
    pumps: PushPumps,
    marks: Marks,
    intake: Intake,
    acks: SentAcks,
    /// Streams of which a run came before the certificate of its author; within the hub's window.
    not_yet: BTreeMap<StreamId, StreamPosition>,
    /// Streams to let go, once sums were compared: the hub's is of the time before.
    orders: Vec<Purge>,
    to_forget: Vec<StreamPosition>,
    forgetting: bool,
    /// Own entries that the hub wants in their long form.
    full_wanted: BTreeSet<(Epoch, u64)>,
    reading_one: bool,
    hub_wall_ms: Option<u64>,
    live_in: VecDeque<Live>,
    tally: Tally,
}

impl EdgeExchange {
    /// A conversation of node `me` with the hub whose signing key is `hub`; `wall_ms` is our wall
    /// clock, for the greeting.
    #[must_use]
    pub fn new(me: impl Into<NodeKeys>, hub: NodeId, wall_ms: u64) -> Self {
        Self {
            me: me.into(),
            hub,
            phase: Phase::Loading,
            wall_ms,
            hello: None,
            hub_feed: (0, [0; 16]),
            comparing: false,
            mending: Mending::default(),
            second_copy: false,
            own_entries: 0,
            report_to: None,
            report_again: None,
            lost_own: 0,
            say_again: None,
            taken_back: 0,
            leases: TakenLeases::default(),
            lanes: Lanes::default(),
            ops: VecDeque::from([EdgeOp::LoadHello]),
            asked: 0,
            pumps: PushPumps::new(),
            marks: Marks::default(),
            intake: Intake::default(),
            acks: SentAcks::default(),
            not_yet: BTreeMap::new(),
            orders: Vec::new(),
            to_forget: Vec::new(),
            forgetting: false,
            full_wanted: BTreeSet::new(),
            reading_one: false,
            hub_wall_ms: None,
            live_in: VecDeque::new(),
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
            Message::HelloAck(ack) => self.greeted(ack, false, 0),
            Message::Placed(Placed { answer, second_copy, own_entries, wants_report }) => {
                self.report_to = wants_report.then_some(answer.incarnation);
                self.greeted(answer, second_copy, own_entries);
            }
            Message::OwnEntries(own) => self.take_back(own),
            Message::Grants(grants) => match self.leases.take(grants) {
                Ok(TakenGrants::Store(op)) => self.ops.push_back(op),
                Ok(TakenGrants::Known(known)) => self.lanes.send(Class::Control, &known.into()),
                Err(violation) => return self.violation(violation),
            },
            Message::Reconcile(said) => {
                let heard = self.mending.heard(now, said);
                self.hear_mending(heard);
            }
            Message::Resupplied(said) => {
                let heard = self.mending.resupplied(&said);
                self.hear_mending(heard);
            }
            // Of a comparison that this version does not begin.
            Message::Compared(_) => {}
            Message::PushAck(ack) => self.push_ack(now, ack),
            Message::StreamData(data) => self.stream_data(now, class, data),
            Message::AcksStored(stored) => {
                self.to_forget.extend(self.acks.confirmed(stored.number));
            }
            Message::NeedFull(need) => self.need_full(need),
            // What does not fit comes again.
            Message::Purge(purge) if self.orders.len() < limits::PURGES_OPEN_MAX => {
                self.orders.push(purge);
            }
            Message::Purge(_) => {}
            Message::Resync(resync) => self.resync(now, resync),
            Message::Bye(bye) => self.close(by_peer(bye)),
            // Latest values of other sites, for screens; the oldest go when nobody looks.
            Message::Live(live) if live.values.len() > limits::LIVE_BYTES_MAX => {
                return self.violation(Violation::Limit);
            }
            Message::Live(live) => {
                self.live_in.truncate(limits::LIVE_WAITING_MAX - 1);
                self.live_in.push_front(live);
            }
            Message::Hello(_)
            | Message::Opening(_)
            | Message::OwnHoldings(_)
            | Message::OwnStored(_)
            | Message::Reported(_)
            | Message::Resupply(_)
            | Message::Push(_)
            | Message::StreamAck(_)
            | Message::Full(_)
            | Message::Compare(_)
            | Message::PurgeDone(_)
            | Message::Granted(_)
            | Message::Behind(_) => self.violation(Violation::OutOfTurn),
        }
        self.pump(now);
    }

    /// Feeds storage's answer.
    pub fn stored(&mut self, now: Now, reply: EdgeReply) {
        self.asked = self.asked.saturating_sub(1);
        if self.closed().is_some() {
            return;
        }
        match reply {
            EdgeReply::Hello(state) => {
                self.hello = Some(state);
                self.phase = Phase::Greeting { since: now, last_sent: now };
                self.send_hello();
            }
            EdgeReply::Received { reoffered: true, .. } => {
                self.finish();
                return self.close(Closed::HubRestored);
            }
            EdgeReply::Received { diverged, own_at_hub, reoffered: false } => {
                self.marks.recorded();
                self.pumps.marked();
                self.tally.divergences += u64::from(diverged);
                match (self.phase == Phase::Settling, self.second_copy) {
                    (false, _) => {}
                    // What it has is nobody's to compare with.
                    (true, true) => self.phase = Phase::Steady,
                    (true, false) => {
                        self.lost_own = self.own_entries.saturating_sub(own_at_hub);
                        self.ops.push_back(EdgeOp::ReadFeed { by_stream: false });
                    }
                }
            }
            EdgeReply::Feed { total, streams } => {
                self.compare(total.count, total.short(), &streams);
            }
            EdgeReply::OwnHoldings(streams) => {
                self.say_again = Some(now.saturating_add(SAY_AGAIN_MS));
                for message in compare::own_holdings(&streams) {
                    self.lanes.send(Class::Control, &message.into());
                }
            }
            EdgeReply::TakenBack { fresh: None, .. } => {}
            EdgeReply::TakenBack { number, fresh: Some(fresh) } => {
                self.taken_back(now, number, fresh);
            }
            EdgeReply::Outbox(page) => self.pumps.page(page),
            EdgeReply::One(entry) => {
                self.reading_one = false;
                if let Some(found) = entry {
                    // The hub lost the thread of this chain: what follows says where it stands.
                    let header = &found.entry.header;
                    for class in PUSH_CLASSES {
                        self.lanes.encoder(class).cut_thread(
                            header.origin,
                            header.stream,
                            found.key,
                        );
                    }
                    let message = full(&found.entry, &found.key, found.oseq).into();
                    self.lanes.send(Class::Control, &message);
                }
            }
            EdgeReply::Applied(position, applied) => self.applied(now, position, applied),
            EdgeReply::Purged(Some(receipt)) => {
                self.lanes.send(Class::Control, &PurgeDone { receipt }.into());
            }
            EdgeReply::Purged(None) => {}
            EdgeReply::StoredGrants { number } => {
                let granted = self.leases.stored(number);
                self.lanes.send(Class::Control, &granted.into());
            }
            EdgeReply::Forgot => self.forgetting = false,
            EdgeReply::Returned(_)
            | EdgeReply::Noted
            | EdgeReply::Ids { .. }
            | EdgeReply::Held { .. } => self.mended(now, reply),
            EdgeReply::Failed => self.close(Closed::Storage),
        }
        self.pump(now);
    }

    /// Own entries were committed since the last call.
    pub fn local_change(&mut self, now: Now) {
        self.pumps.wake();
        self.pump(now);
    }

    /// Sends latest values for screens, if the conversation is steady, nothing waits before them and
    /// they are not longer than [`LIVE_BYTES_MAX`](limits::LIVE_BYTES_MAX).
    pub fn live(&mut self, live: Live) {
        let small = live.values.len() <= limits::LIVE_BYTES_MAX;
        if self.phase == Phase::Steady && small && self.lanes.has_room_for_live() {
            self.lanes.send(Class::Fresh, &live.into());
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
        if self.say_again.is_some_and(|due| due <= now) {
            self.say_again = None;
            self.ops.push_back(EdgeOp::ReadOwnHoldings);
        }
        self.mending.expire(now);
        self.pumps.expire(now);
        for ack in self.acks.overdue(now, self.pumps.bytes()) {
            self.tally.resent += 1;
            self.lanes.send(Class::Control, &ack.into());
        }
        self.pump(now);
    }

    /// Ends the conversation in good order.
    pub fn finish(&mut self) {
        let bye = Bye { reason: ByeReason::Done, retry_after_ms: None };
        self.lanes.send(Class::Control, &bye.into());
    }

    /// The next thing to ask of storage.
    pub fn poll_store(&mut self) -> Option<EdgeOp> {
        let op = self.ops.pop_front()?;
        self.asked += 1;
        Some(op)
    }

    /// Whether storage keeps up and the hub takes its answers. While they do not, take no frame from
    /// the link: what waits here stays bounded, and the peer is slowed down by the link.
    #[must_use]
    pub fn takes_frames(&self) -> bool {
        self.asked + self.ops.len() < limits::OPS_OPEN_MAX
            && self.marks.has_room()
            && self.lanes.answers_bytes() < limits::EDGE_ANSWERS_WAITING_MAX
    }

    /// The next frame for a lane that is `ready`.
    pub fn poll_transmit(&mut self, ready: impl Fn(Class) -> bool) -> Option<(Class, Vec<u8>)> {
        self.lanes.pop(ready)
    }

    /// Latest values of other sites, the oldest first.
    pub fn poll_live(&mut self) -> Option<Live> {
        self.live_in.pop_back()
    }

    /// When to call [`timeout`](Self::timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Now> {
        match self.phase {
            Phase::Greeting { last_sent, .. } => Some(last_sent.saturating_add(GREETING_REPEAT_MS)),
            Phase::Loading | Phase::Settling => None,
            Phase::Steady => {
                let own = [self.say_again, self.mending.next_timeout(), self.report_again];
                let windows = [self.pumps.next_timeout(), self.acks.next_timeout()];
                own.into_iter().chain(windows).flatten().min()
            }
            Phase::Closed(_) => None,
        }
    }

    /// Why the conversation is over, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        match &self.phase {
            Phase::Closed(closed) => Some(closed),
            Phase::Loading | Phase::Greeting { .. } | Phase::Settling | Phase::Steady => None,
        }
    }

    /// Whether the greeting was answered and settled, and the hub takes us for who we are.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.phase == Phase::Steady && !self.second_copy
    }

    /// Whether everything we have is at the hub, what it sent is stored here, and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_steady()
            && self.pumps.is_idle()
            && self.marks.is_idle()
            && self.lanes.is_empty()
            && self.ops.is_empty()
            && self.asked == 0
            && self.intake.is_empty()
            && self.acks.is_empty()
            && self.not_yet.is_empty()
            && self.to_forget.is_empty()
            && !self.forgetting
            && self.full_wanted.is_empty()
            && self.lost_own == 0
            && self.mending.is_idle()
    }

    /// Whether everything that was written here is at the hub, and marked so.
    fn has_delivered(&self) -> bool {
        self.pumps.is_idle() && self.marks.is_idle() && self.ops.is_empty() && self.asked == 0
    }

    /// Whether own entries are left alone for a while, because the hub misses what goes before them.
    #[must_use]
    pub fn has_left_alone(&self) -> bool {
        PUSH_CLASSES.into_iter().any(|class| self.pumps.has_stuck(class))
    }

    /// What happened so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            resent: self.tally.resent + self.pumps.resent,
            repeats: self.tally.repeats + self.lanes.repeats,
            resyncs: self.lanes.resyncs,
            ..self.tally
        }
    }

    /// The hub's wall clock at the greeting, milliseconds since 1970.
    #[must_use]
    pub fn hub_wall_ms(&self) -> Option<u64> {
        self.hub_wall_ms
    }

    fn greeted(&mut self, ack: HelloAck, second_copy: bool, own_entries: u64) {
        if !matches!(self.phase, Phase::Greeting { .. }) {
            return; // A repeat of an answer that was settled.
        }
        (self.second_copy, self.own_entries) = (second_copy, own_entries);
        if ack.version < PROTOCOL_VERSIONS.0 || ack.version > PROTOCOL_VERSIONS.1 {
            return self.close(Closed::NoCommonVersion);
        }
        if !ack.received.iter().all(|(_, ranges)| ranges.is_well_formed()) {
            return self.violation(Violation::Contradiction);
        }
        self.hub_feed = ack.feed;
        self.hub_wall_ms = Some(ack.wall_ms);
        self.phase = Phase::Settling;
        self.marks.settling();
        // What the greeting repeated is on record at the hub now.
        if let Some(hello) = &mut self.hello {
            hello.unconfirmed.truncate(limits::HELLO_ACKS_MAX);
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
            self.compared();
        } else if count > 0 && !std::mem::replace(&mut self.comparing, true) {
            self.ops.push_back(EdgeOp::ReadFeed { by_stream: true });
        } else {
            self.tally.divergences += 1;
            self.mending.start(streams);
            self.compared();
        }
    }

    fn compared(&mut self) {
        self.phase = Phase::Steady;
        if self.lost_own > 0 {
            self.ops.push_back(EdgeOp::ReadOwnHoldings);
        }
    }

    fn push_ack(&mut self, now: Now, ack: PushAck) {
        // Of a backup that was made meanwhile, and no answer to anything; may come before we are steady.
        if ack.received.is_empty() && ack.streams.is_empty() && ack.verdicts.is_empty() {
            if matches!(self.phase, Phase::Settling | Phase::Steady) {
                self.marks.add(ack);
            }
            return;
        }
        let well_formed = ack.received.iter().all(|(_, ranges)| ranges.is_well_formed());
        if self.phase != Phase::Steady || !well_formed {
            return self.violation(Violation::Contradiction);
        }
        for (epoch, ranges) in &ack.received {
            self.pumps.acknowledged(*epoch, ranges);
        }
        for &(epoch, oseq, verdict) in &ack.verdicts {
            match verdict {
                // Stays in flight and is sent again with what is missing.
                Verdict::Gap(_) => self.pumps.gap(now, epoch, oseq),
                // Its header is held: it is among the received.
                Verdict::Quarantined(_) => {}
                Verdict::Fork | Verdict::NotAuthentic | Verdict::Foreign => {
                    self.tally.refused += 1;
                    self.pumps.refused(epoch, oseq);
                }
            }
        }
        self.marks.add(ack);
    }

    fn stream_data(&mut self, now: Now, class: Class, data: StreamData) {
        match self.intake.take(now, self.hub, self.lanes.decoder(class), data) {
            Ok(Taken::Run(run)) if self.phase == Phase::Steady => {
                self.ops.push_back(EdgeOp::Apply(run));
            }
            Ok(Taken::Run(run)) => self.intake.hold(run),
            // Not stored and not acknowledged: on a lane started anew the run comes in full.
            Ok(Taken::Refused { generation }) => {
                self.tally.refused += 1;
                self.lanes.ask_resync(now, class, generation);
            }
            Ok(Taken::RefusedAgain) => self.tally.refused += 1,
            Err(violation) => self.violation(violation),
        }
    }

    fn applied(&mut self, now: Now, position: StreamPosition, applied: Applied) {
        let (fresh, diverged, admits) = match applied {
            Applied::Stored { fresh, diverged, admits } => (fresh, diverged, admits),
            Applied::NotYet { have } => {
                let position = StreamPosition { to_idx: have, ..position };
                self.not_yet.insert(position.stream, position);
                return;
            }
            // The hub knows: it ended it.
            Applied::Ended => return,
            Applied::Behind { have } => {
                // Every run under way says the same; once is enough.
                let position = StreamPosition { to_idx: have, ..position };
                if self.intake.is_news(now, position) {
                    self.lanes.send(Class::Control, &Behind { position }.into());
                }
                return;
            }
        };
        self.tally.entries_stored += u64::from(fresh);
        self.tally.repeats += u64::from(fresh == 0);
        self.tally.divergences += u64::from(diverged);
        let ack = self.acks.add(now, self.pumps.bytes(), vec![position]);
        self.lanes.send(Class::Control, &ack.into());
        self.not_yet.remove(&position.stream);
        if admits {
            // Otherwise the hub sends them again only when it has waited long enough.
            for (_, position) in std::mem::take(&mut self.not_yet) {
                self.lanes.send(Class::Control, &Behind { position }.into());
            }
        }
    }

    fn need_full(&mut self, need: NeedFull) {
        // Whatever is not in flight was answered, or will be read and sent again anyway.
        if self.pumps.is_in_flight(need.epoch, need.oseq) {
            self.full_wanted.insert((need.epoch, need.oseq));
        }
    }

    fn resync(&mut self, now: Now, resync: Resync) {
        let Some(class) = Class::from_number(resync.class) else {
            return self.violation(Violation::Contradiction);
        };
        if self.lanes.resync(class, resync.generation) {
            self.pumps.rewind(class);
            if class == Class::Backfill {
                self.mending.rewind(now);
            }
        }
    }

    /// Moves on whatever can move.
    fn pump(&mut self, now: Now) {
        if self.phase != Phase::Steady {
            return;
        }
        if self.second_copy && self.has_delivered() {
            self.finish();
            return self.close(Closed::SecondCopy);
        }
        self.mend(now);
        if self.has_delivered()
            && self.mending.is_idle()
            && !self.pumps.has_stuck(Class::Policy)
            && let Some(incarnation) = self.report_to
            && self.report_again.is_none_or(|due| due <= now)
        {
            // Until the hub, which waits for others too, begins anew.
            self.report_again = Some(now.saturating_add(SAY_AGAIN_MS));
            self.lanes.send(Class::Control, &Reported { incarnation }.into());
        }
        self.ops.extend(self.intake.release().into_iter().map(EdgeOp::Apply));
        // What is to be let go may be all that is left of what the hub lost: it is offered before.
        if self.mending.is_idle() {
            for order in std::mem::take(&mut self.orders) {
                self.not_yet.remove(&order.stream);
                self.ops.push_back(EdgeOp::Purge(order));
            }
        }
        self.ops.extend(self.pumps.reads());
        for class in PUSH_CLASSES {
            self.push_frames(now, class);
        }
        if let Some(op) = self.marks.next() {
            self.pumps.marking();
            self.ops.push_back(op);
        }
        if !self.forgetting && !self.to_forget.is_empty() {
            self.forgetting = true;
            self.ops.push_back(EdgeOp::ForgetAcks(std::mem::take(&mut self.to_forget)));
        }
        if !self.reading_one
            && let Some((epoch, oseq)) = self.full_wanted.pop_first()
        {
            self.reading_one = true;
            self.ops.push_back(EdgeOp::ReadOne { epoch, oseq });
        }
    }

    fn push_frames(&mut self, now: Now, class: Class) {
        loop {
            let batch = self.pumps.next(now, class);
            let Some(epoch) = batch.first().map(|entry| entry.epoch) else { return };
            let lane = self.lanes.encoder(class);
            let mut chains = Vec::new();
            let mut entries = Vec::with_capacity(batch.len());
            for own in &batch {
                let me = self.me.current();
                let wire = lane.shorten(&own.entry, own.id, &own.key, me, &mut chains);
                entries.push((own.oseq, wire));
            }
            self.tally.entries_sent += entries.len() as u64;
            self.lanes.send(class, &Push { epoch, chains, entries }.into());
            self.ops.extend(self.pumps.reads());
        }
    }

    fn send_hello(&mut self) {
        let Some(mut state) = self.hello.clone() else { return };
        // What does not fit is found out later: it is sent and known, or compared and differs.
        state.history.truncate(limits::HELLO_STARTS_MAX);
        state.claims.truncate(limits::HELLO_EPOCHS_MAX);
        state.unconfirmed.truncate(limits::HELLO_ACKS_MAX);
        let hello = Hello {
            versions: PROTOCOL_VERSIONS,
            epoch: state.epoch,
            parent: state.parent,
            claims: state.claims,
            incarnation: state.incarnation,
            unconfirmed: state.unconfirmed,
            wall_ms: self.wall_ms,
        };
        self.lanes.send(Class::Control, &Opening { hello, starts: state.history }.into());
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

fn by_peer(bye: Bye) -> Closed {
    match bye.reason {
        ByeReason::NoCommonVersion => Closed::NoCommonVersion,
        ByeReason::Clone => Closed::SecondCopy,
        reason @ (ByeReason::Done | ByeReason::ProtocolViolation | ByeReason::Busy) => {
            Closed::ByPeer { reason, retry_after_ms: bye.retry_after_ms }
        }
    }
}
