//! The hub's side of a conversation with an edge and a storage that say anything.

use std::collections::VecDeque;

use sync_protocol::exchange::{
    Greeting, HubExchange, HubOp, HubReply, Ingested, Now, Run, RunEntry,
};
use sync_protocol::lease::Granted;
use sync_protocol::message::{
    Behind, Bye, ByeReason, Compare, Frame, Hello, Live, Message, PROTOCOL_VERSIONS, Purge,
    PurgeDone, Push, StreamAck,
};
use sync_protocol::{Class, SetDigest, limits};

use crate::entries::{self, EDGE, HUB, RECEIPT, key};
use crate::script::Script;
use crate::talker::{self, Talker, class, position, received, several, state, verdict};

/// Questions that may be open beyond the limit: what one input and one answer add.
const MARGIN: usize = 16;

/// Plays a script; whatever it says, at most this conversation ends.
pub(crate) fn converse(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut hub = HubExchange::new(HUB, *EDGE, 1_000);
    let (mut edge, mut open, mut now) = (Talker::default(), VecDeque::new(), 0);
    hub.timeout(now);
    while !script.is_empty() && hub.closed().is_none() {
        step(&mut script, &mut hub, &mut edge, &mut open, &mut now);
        while let Some(op) = hub.poll_store() {
            if !matches!(op, HubOp::Live { .. }) {
                open.push_back(op);
            }
        }
        assert!(open.len() <= limits::OPS_OPEN_MAX + MARGIN, "{} questions are open", open.len());
        let _ = (hub.poll_timeout(), hub.is_idle(), hub.tally());
    }
    while let Some((_, frame)) = hub.poll_transmit(|_| true) {
        assert!(Frame::decode(&frame).is_ok_and(|frame| frame.message.is_some()));
    }
}

fn step(
    script: &mut Script<'_>,
    hub: &mut HubExchange,
    edge: &mut Talker,
    open: &mut VecDeque<HubOp>,
    now: &mut Now,
) {
    match script.below(16) {
        0..=7 => {
            let (class, frame) = said(script, edge);
            if hub.takes_frames() {
                hub.receive(*now, class, &frame);
            }
        }
        8..=10 => {
            if let Some(op) = open.pop_front() {
                hub.stored(*now, answer(script, op));
            }
        }
        11 => hub.stored(*now, unasked(script)),
        12 => {
            *now = now.saturating_add(script.number() << 8);
            hub.timeout(*now);
        }
        13 => hub.wake(),
        14 => hub.live(Live { stream: script.stream(), values: script.piece().to_vec() }),
        _ => {
            let ready = class(script);
            while hub.poll_transmit(|class| class == ready).is_some() {}
        }
    }
}

/// A frame of the edge and its lane.
fn said(script: &mut Script<'_>, edge: &mut Talker) -> (Class, Vec<u8>) {
    let class = class(script);
    let message: Message = match script.below(13) {
        0 => return (class, script.piece().to_vec()),
        1 | 2 => return (class, edge.raw(script, class)),
        3 => Hello {
            versions: if script.byte() == 0xff { (7, 9) } else { PROTOCOL_VERSIONS },
            epoch: script.epoch(),
            parent: script.flip().then(|| script.epoch()),
            claims: several(script, talker::claim),
            incarnation: script.flip().then(|| script.number()),
            unconfirmed: several(script, position),
            wall_ms: script.number(),
        }
        .into(),
        4 | 5 => push(script, edge, class),
        6 => {
            let (stream, own) = (script.stream(), script.byte() != 0);
            match entries::some(script, own, stream).first() {
                Some(entry) => Talker::long(script, entry),
                None => Bye { reason: ByeReason::Done, retry_after_ms: None }.into(),
            }
        }
        7 => StreamAck { number: script.number(), positions: several(script, position) }.into(),
        8 => Compare { streams: several(script, state), more: script.flip() }.into(),
        9 => Behind { position: position(script) }.into(),
        10 => PurgeDone { receipt: *RECEIPT }.into(),
        11 => Granted { number: script.number() }.into(),
        _ => Live { stream: script.stream(), values: script.piece().to_vec() }.into(),
    };
    (class, edge.frame(script, class, &message))
}

fn push(script: &mut Script<'_>, edge: &mut Talker, class: Class) -> Message {
    let (stream, own) = (script.stream(), script.byte() != 0);
    let sent = entries::some(script, own, stream);
    let (chains, wire) = edge.short(class, *EDGE, &sent);
    let epoch = sent.first().map_or_else(|| script.epoch(), |entry| entry.header.epoch);
    let first = script.number();
    let numbers = (0..).map(|place| first.wrapping_add(place));
    Push { epoch, chains, entries: numbers.zip(wire).collect() }.into()
}

/// What storage says to a question, in one of the ways it may.
fn answer(script: &mut Script<'_>, op: HubOp) -> HubReply {
    match op {
        HubOp::Greet(_) => HubReply::Greeted(Greeting {
            second_copy: script.byte() == 0xff,
            own_entries: script.number(),
            wants_report: script.flip(),
            incarnation: script.number(),
            received: several(script, received),
            durable: several(script, |script| (script.epoch(), script.number())),
            feed: SetDigest::from_parts(script.number(), &script.array()),
        }),
        HubOp::Ingest(batch) => HubReply::Ingested(Ingested {
            received: batch.iter().map(|entry| (entry.epoch, entry.oseq)).collect(),
            fresh: u32::from(script.byte()),
            streams: several(script, state),
            verdicts: several(script, verdict),
        }),
        HubOp::SetAside { .. } => HubReply::SetAside,
        HubOp::NextRuns { .. } => HubReply::Runs(several(script, run)),
        HubOp::Ack(_) => HubReply::Acked,
        HubOp::Rewind(_) => HubReply::Rewound,
        HubOp::Compare(_) => HubReply::Compared { restarted: u32::from(script.byte()) },
        HubOp::ReadPurges => {
            HubReply::Purges { orders: several(script, purge), safe_mode: script.flip() }
        }
        HubOp::CompareOwn(_) => HubReply::OwnStreams(several(script, Script::stream)),
        HubOp::ReadOwn { after, .. } => HubReply::Own {
            entries: run(script).entries,
            next: script.flip().then(|| after.wrapping_add(1)),
        },
        HubOp::Report { .. } => HubReply::Reported,
        HubOp::ReadGrants => HubReply::Grants(several(script, talker::grant)),
        HubOp::Granted(_) => HubReply::Granted,
        // What leads to these has a target of its own.
        HubOp::ReadHeld => HubReply::Held(Vec::new()),
        HubOp::Settle(_) => HubReply::Settled { restarted: Vec::new() },
        HubOp::Lacking(_) => HubReply::Lacking(Vec::new()),
        HubOp::TakeIn(_) => HubReply::TakenIn { fresh: 0, put_off: 0 },
        HubOp::Purged(receipt) => HubReply::PurgeSettled(receipt.purged.stream),
        HubOp::Live { .. } => HubReply::Failed,
    }
}

/// An answer to nothing that was asked.
fn unasked(script: &mut Script<'_>) -> HubReply {
    match script.below(8) {
        0 => HubReply::Acked,
        1 => HubReply::Rewound,
        2 => HubReply::Runs(several(script, run)),
        3 => HubReply::Purges { orders: several(script, purge), safe_mode: script.flip() },
        4 => HubReply::PurgeSettled(script.stream()),
        5 => HubReply::Compared { restarted: 1 },
        6 => HubReply::SetAside,
        _ => HubReply::Failed,
    }
}

fn run(script: &mut Script<'_>) -> Run {
    let (stream, class) = (script.stream(), class(script));
    let held = entries::some(script, false, stream).into_iter();
    let entries =
        held.map(|entry| RunEntry { id: entry.id(), key: key(&entry.header.stream), entry });
    Run {
        stream,
        class,
        version: u32::from(script.byte()),
        from_idx: script.number(),
        to_idx: script.number(),
        head_sum: script.flip().then(|| [script.byte(); 16]),
        entries: entries.collect(),
    }
}

fn purge(script: &mut Script<'_>) -> Purge {
    Purge { stream: script.stream(), version: u32::from(script.byte()) }
}
