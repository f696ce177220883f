//! Random messages of every type, small and of every shape.

use sync_protocol::entry::WithheldReason;
use sync_protocol::message::{
    AcksStored, Anchor, Behind, Bye, ByeReason, ChainDef, Compare, EpochClaim, Full, Hello,
    HelloAck, Live, Message, NeedFull, Push, PushAck, Resync, StreamAck, StreamData,
    StreamPosition, StreamState, Verdict, WireEntry, WirePayload,
};
use sync_protocol::ranges::Ranges;
use sync_protocol::{ChainKey, Epoch, NodeId, SeqNo, StreamId};

use crate::dice::Dice;

/// How many types there are.
pub(crate) const TYPES: u64 = 14;

fn some<T>(dice: &mut Dice, mut make: impl FnMut(&mut Dice) -> T) -> Vec<T> {
    (0..dice.below(4)).map(|_| make(dice)).collect()
}

fn maybe<T>(dice: &mut Dice, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
    dice.percent(50).then(|| make(dice))
}

fn short(dice: &mut Dice) -> u32 {
    dice.any_size() as u32
}

fn bytes(dice: &mut Dice) -> Vec<u8> {
    let len = dice.index(20);
    dice.vec(len)
}

fn epoch(dice: &mut Dice) -> Epoch {
    Epoch(dice.any_size())
}

fn stream(dice: &mut Dice) -> StreamId {
    StreamId::from_bytes(&dice.bytes())
}

fn ranges(dice: &mut Dice) -> Ranges {
    some(dice, |dice| dice.below(20)).into_iter().collect()
}

fn position(dice: &mut Dice) -> StreamPosition {
    StreamPosition { stream: stream(dice), version: short(dice), to_idx: dice.any_size() }
}

fn state(dice: &mut Dice) -> StreamState {
    StreamState { stream: stream(dice), count: dice.any_size(), sum: dice.bytes() }
}

fn reason(dice: &mut Dice) -> WithheldReason {
    if dice.percent(50) { WithheldReason::Quarantined } else { WithheldReason::NoAccess }
}

fn verdict(dice: &mut Dice) -> Verdict {
    match dice.below(5) {
        0 => Verdict::Quarantined(reason(dice)),
        1 => Verdict::Gap(SeqNo(short(dice))),
        2 => Verdict::Fork,
        3 => Verdict::NotAuthentic,
        _ => Verdict::Foreign,
    }
}

fn payload(dice: &mut Dice) -> WirePayload {
    match dice.below(3) {
        0 => WirePayload::Withheld {
            reason: reason(dice),
            len: short(dice),
            commitment: dice.bytes(),
        },
        1 => WirePayload::Erased { len: short(dice), commitment: dice.bytes() },
        _ => WirePayload::Present(bytes(dice)),
    }
}

fn anchor(dice: &mut Dice) -> Anchor {
    Anchor { sseq: SeqNo(short(dice)), sprev: dice.bytes(), epoch: epoch(dice) }
}

fn definition(dice: &mut Dice) -> ChainDef {
    ChainDef {
        origin: maybe(dice, |dice| NodeId(dice.bytes())),
        stream: stream(dice),
        key: ChainKey(dice.bytes()),
    }
}

fn entry(dice: &mut Dice) -> WireEntry {
    WireEntry {
        chain: short(dice),
        anchor: maybe(dice, anchor),
        hlc_delta: dice.any_size().cast_signed(),
        kind: dice.any_size() as u16,
        schema: dice.any_size() as u16,
        actor: maybe(dice, Dice::bytes),
        flags: dice.any_size() as u16,
        signature: dice.bytes(),
        payload: payload(dice),
    }
}

/// A message of type number `kind`, from 1 to [`TYPES`].
pub(crate) fn message(dice: &mut Dice, kind: u64) -> Message {
    match kind {
        1 => Hello {
            versions: (dice.any_size() as u16, dice.any_size() as u16),
            epoch: epoch(dice),
            parent: maybe(dice, epoch),
            claims: some(dice, |dice| EpochClaim { epoch: epoch(dice), head: dice.any_size() }),
            incarnation: maybe(dice, Dice::any_size),
            unconfirmed: some(dice, position),
            wall_ms: dice.any_size(),
        }
        .into(),
        2 => HelloAck {
            version: dice.any_size() as u16,
            incarnation: dice.any_size(),
            received: some(dice, |dice| (epoch(dice), ranges(dice))),
            durable: some(dice, |dice| (epoch(dice), dice.any_size())),
            feed: (dice.any_size(), dice.bytes()),
            wall_ms: dice.any_size(),
        }
        .into(),
        3 => Push {
            epoch: epoch(dice),
            chains: some(dice, definition),
            entries: some(dice, |dice| (dice.any_size(), entry(dice))),
        }
        .into(),
        4 => PushAck {
            received: some(dice, |dice| (epoch(dice), ranges(dice))),
            durable: some(dice, |dice| (epoch(dice), dice.any_size())),
            streams: some(dice, state),
            verdicts: some(dice, |dice| (epoch(dice), dice.any_size(), verdict(dice))),
        }
        .into(),
        5 => StreamData {
            stream: stream(dice),
            version: short(dice),
            from_idx: dice.any_size(),
            to_idx: dice.any_size(),
            head_sum: maybe(dice, Dice::bytes),
            chains: some(dice, definition),
            entries: some(dice, entry),
        }
        .into(),
        6 => StreamAck { number: dice.any_size(), positions: some(dice, position) }.into(),
        7 => AcksStored { number: dice.any_size() }.into(),
        8 => NeedFull { epoch: epoch(dice), oseq: dice.any_size() }.into(),
        9 => Full {
            oseq: dice.any_size(),
            header: bytes(dice),
            signature: dice.bytes(),
            key: ChainKey(dice.bytes()),
            payload: payload(dice),
        }
        .into(),
        10 => Live { stream: stream(dice), values: bytes(dice) }.into(),
        11 => Compare { streams: some(dice, state), more: dice.percent(50) }.into(),
        14 => Behind { position: position(dice) }.into(),
        12 => Resync { class: dice.next() as u8, generation: short(dice) }.into(),
        _ => Bye {
            reason: match dice.below(5) {
                0 => ByeReason::Done,
                1 => ByeReason::NoCommonVersion,
                2 => ByeReason::ProtocolViolation,
                3 => ByeReason::Clone,
                _ => ByeReason::Busy,
            },
            retry_after_ms: maybe(dice, short),
        }
        .into(),
    }
}
