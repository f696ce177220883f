//! The edge's side of a conversation with a hub and a storage that say anything.

use std::collections::VecDeque;

use sync_protocol::exchange::{
    Applied, EdgeExchange, EdgeOp, EdgeReply, HelloState, Now, OutboxCursor, OutboxEntry,
    OutboxPage,
};
use sync_protocol::lease::Grants;
use sync_protocol::message::{
    AcksStored, Bye, ByeReason, Frame, HelloAck, Live, Message, NeedFull, PROTOCOL_VERSIONS, Purge,
    PushAck, Resync, StreamData, StreamPosition,
};
use sync_protocol::standing::StartRecord;
use sync_protocol::{Class, SetDigest, limits};

use crate::entries::{self, EDGE, HUB, RECEIPT, key};
use crate::script::Script;
use crate::talker::{self, Talker, class, position, received, several, state, verdict};

/// Questions that may be open beyond the limit: what waited for the comparison is asked at once.
const MARGIN: usize = 512;

/// Plays a script; whatever it says, at most this conversation ends.
pub(crate) fn converse(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut edge = EdgeExchange::new(*EDGE, HUB, 1_000);
    let mut hub = Talker::default();
    let mut storage = Storage::default();
    let mut now = 0;
    while !script.is_empty() && edge.closed().is_none() {
        while let Some(op) = edge.poll_store() {
            storage.open.push_back(op);
        }
        let open = storage.open.len();
        assert!(open <= limits::OPS_OPEN_MAX + MARGIN, "{open} questions are open");
        step(&mut script, &mut edge, &mut hub, &mut storage, &mut now);
        let _ = (edge.poll_timeout(), edge.is_idle(), edge.tally(), edge.hub_wall_ms());
    }
    while let Some((_, frame)) = edge.poll_transmit(|_| true) {
        assert!(Frame::decode(&frame).is_ok_and(|frame| frame.message.is_some()));
    }
}

fn step(
    script: &mut Script<'_>,
    edge: &mut EdgeExchange,
    hub: &mut Talker,
    storage: &mut Storage,
    now: &mut Now,
) {
    match script.below(16) {
        0..=6 => {
            let (class, frame) = said(script, hub);
            if edge.takes_frames() {
                edge.receive(*now, class, &frame);
            }
        }
        7..=10 => {
            if let Some(op) = storage.open.pop_front() {
                edge.stored(*now, storage.answer(script, op));
            }
        }
        11 => {
            let op = unasked(script);
            edge.stored(*now, storage.answer(script, op));
        }
        12 => {
            *now = now.saturating_add(script.number() << 8);
            edge.timeout(*now);
        }
        13 => edge.local_change(*now),
        14 => {
            edge.live(Live { stream: script.stream(), values: script.piece().to_vec() });
            while edge.poll_live().is_some() {}
        }
        _ => {
            let ready = class(script);
            while edge.poll_transmit(|class| class == ready).is_some() {}
        }
    }
}

/// A frame of the hub and its lane.
fn said(script: &mut Script<'_>, hub: &mut Talker) -> (Class, Vec<u8>) {
    let class = class(script);
    let message: Message = match script.below(14) {
        0 => return (class, script.piece().to_vec()),
        1 | 2 => return (class, hub.raw(script, class)),
        3 => HelloAck {
            version: if script.byte() == 0xff { 9 } else { PROTOCOL_VERSIONS.1 },
            incarnation: script.number(),
            received: several(script, received),
            durable: several(script, |script| (script.epoch(), script.number())),
            feed: (script.number(), [script.byte(); 16]),
            wall_ms: script.number(),
        }
        .into(),
        4 | 5 => PushAck {
            received: several(script, received),
            durable: several(script, |script| (script.epoch(), script.number())),
            streams: several(script, state),
            verdicts: several(script, verdict),
        }
        .into(),
        6 | 7 => {
            let (stream, own) = (script.stream(), script.byte() == 0);
            let held = entries::some(script, own, stream);
            let (chains, entries) = hub.short(class, HUB, &held);
            StreamData {
                stream: held.first().map_or(stream, |entry| entry.header.stream),
                version: u32::from(script.byte()),
                from_idx: script.number(),
                to_idx: script.number(),
                head_sum: script.flip().then(|| [script.byte(); 16]),
                chains,
                entries,
            }
            .into()
        }
        8 => AcksStored { number: script.number() }.into(),
        9 => NeedFull { epoch: script.epoch(), oseq: script.number() }.into(),
        10 => Purge { stream: script.stream(), version: u32::from(script.byte()) }.into(),
        12 => {
            let grants = several(script, talker::grant);
            Grants { number: script.number(), grants }.into()
        }
        11 => Resync { class: script.byte() & 7, generation: u32::from(script.byte() & 3) }.into(),
        _ if script.byte() == 0xff => {
            Bye { reason: ByeReason::Busy, retry_after_ms: Some(9) }.into()
        }
        _ => Live { stream: script.stream(), values: script.piece().to_vec() }.into(),
    };
    (class, hub.frame(script, class, &message))
}

/// A question that was not asked, to be answered all the same.
fn unasked(script: &mut Script<'_>) -> EdgeOp {
    match script.below(6) {
        0 => EdgeOp::LoadHello,
        1 => EdgeOp::ReadOutbox {
            class: class(script),
            after: None,
            skip: Vec::new(),
            bytes_max: limits::PAGE_BYTES,
        },
        2 => EdgeOp::ReadOne { epoch: script.epoch(), oseq: script.number() },
        3 => EdgeOp::Purge(Purge { stream: script.stream(), version: 1 }),
        4 => EdgeOp::ForgetAcks(Vec::new()),
        _ => EdgeOp::ReadFeed { by_stream: true },
    }
}

/// The edge's storage: it counts what it wrote, and otherwise says anything.
#[derive(Default)]
struct Storage {
    open: VecDeque<EdgeOp>,
    written: u64,
}

impl Storage {
    fn answer(&mut self, script: &mut Script<'_>, op: EdgeOp) -> EdgeReply {
        match op {
            EdgeOp::LoadHello => EdgeReply::Hello(HelloState {
                epoch: script.epoch(),
                parent: script.flip().then(|| script.epoch()),
                claims: several(script, talker::claim),
                incarnation: script.flip().then(|| script.number()),
                unconfirmed: several(script, position),
                history: several(script, start),
            }),
            EdgeOp::MarkReceived { .. } => {
                let rare = script.byte();
                EdgeReply::Received {
                    diverged: u32::from(rare >> 7),
                    own_at_hub: script.number(),
                    reoffered: rare == 1,
                }
            }
            EdgeOp::ReadOutbox { class, .. } => EdgeReply::Outbox(OutboxPage {
                class,
                entries: self.own(script),
                end: script.flip(),
            }),
            EdgeOp::ReadOne { .. } => {
                EdgeReply::One(self.own(script).into_iter().next().map(Box::new))
            }
            EdgeOp::Apply(run) => {
                let position =
                    StreamPosition { stream: run.stream, version: run.version, to_idx: run.to_idx };
                EdgeReply::Applied(position, applied(script))
            }
            EdgeOp::Purge(_) => EdgeReply::Purged(script.flip().then_some(*RECEIPT)),
            EdgeOp::ForgetAcks(_) => EdgeReply::Forgot,
            EdgeOp::StoreGrants { number, .. } => EdgeReply::StoredGrants { number },
            EdgeOp::ReadOwnHoldings => EdgeReply::OwnHoldings(several(script, state)),
            EdgeOp::TakeBack { number, entries } => EdgeReply::TakenBack {
                number,
                fresh: script.flip().then(|| u32::try_from(entries.len()).unwrap_or(0)),
            },
            // What follows from these has a target of its own.
            EdgeOp::ReadReturned => EdgeReply::Returned(Vec::new()),
            EdgeOp::NoteReturnedOffered => EdgeReply::Noted,
            EdgeOp::ReadIds { streams, .. } => {
                EdgeReply::Ids { ids: Vec::new(), streams: streams.len(), after: 0 }
            }
            EdgeOp::ReadHeld { ids, .. } => EdgeReply::Held { entries: Vec::new(), of: ids.len() },
            EdgeOp::ReadFeed { .. } if script.byte() == 0xff => EdgeReply::Failed,
            EdgeOp::ReadFeed { .. } => EdgeReply::Feed {
                total: SetDigest::from_parts(script.number(), &[script.byte(); 32]),
                streams: several(script, state),
            },
        }
    }

    /// A page of own entries, each at a place of its own.
    fn own(&mut self, script: &mut Script<'_>) -> Vec<OutboxEntry> {
        let stream = script.stream();
        let entries = entries::some(script, true, stream).into_iter();
        let placed = entries.map(|entry| {
            self.written += 1;
            OutboxEntry {
                cursor: OutboxCursor { start: 1, oseq: self.written },
                epoch: entry.header.epoch,
                oseq: self.written,
                id: entry.id(),
                key: key(&entry.header.stream),
                entry,
            }
        });
        placed.collect()
    }
}

fn start(script: &mut Script<'_>) -> StartRecord {
    StartRecord { epoch: script.epoch(), head: script.number(), sum: [script.byte(); 16] }
}

fn applied(script: &mut Script<'_>) -> Applied {
    match script.below(5) {
        0 => Applied::NotYet { have: script.number() },
        1 => Applied::Behind { have: script.number() },
        2 => Applied::Ended,
        _ => Applied::Stored {
            fresh: u32::from(script.byte()),
            diverged: script.flip(),
            admits: script.flip(),
        },
    }
}
