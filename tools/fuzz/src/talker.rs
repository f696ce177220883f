//! A peer that speaks frames: right ones, and what a script makes of them.

use sync_protocol::lane::{LaneEncoder, full};
use sync_protocol::lease::{Grant, LeaseTerms};
use sync_protocol::message::{
    ChainDef, EpochClaim, Frame, Message, StreamPosition, StreamState, Verdict, WireEntry,
};
use sync_protocol::ranges::Ranges;
use sync_protocol::{Class, Entry, Epoch, NodeId, SeqNo, codec};

use crate::entries::key;
use crate::script::Script;

/// One outgoing lane.
#[derive(Debug, Default)]
struct Lane {
    generation: u32,
    number: u32,
    encoder: LaneEncoder,
}

/// The peer of an exchange under test.
#[derive(Debug, Default)]
pub(crate) struct Talker {
    lanes: [Lane; Class::COUNT],
}

impl Talker {
    /// The next frame of a lane: now and then one that was sent before, or one after a gap.
    pub(crate) fn frame(
        &mut self,
        script: &mut Script<'_>,
        class: Class,
        message: &Message,
    ) -> Vec<u8> {
        let (generation, number) = self.place(script, class);
        Frame::encode(generation, number, message)
    }

    /// A frame whose body is taken from the script as it is.
    pub(crate) fn raw(&mut self, script: &mut Script<'_>, class: Class) -> Vec<u8> {
        let (generation, number) = self.place(script, class);
        let kind = u16::try_from(script.below(24)).unwrap_or_default();
        [codec::encode(&(generation, number, kind)).as_slice(), script.piece()].concat()
    }

    fn place(&mut self, script: &mut Script<'_>, class: Class) -> (u32, u32) {
        let Some(lane) = self.lanes.get_mut(class.index()) else { return (0, 0) };
        match script.byte() {
            0xff => *lane = Lane { generation: lane.generation.wrapping_add(1), ..Lane::default() },
            0xfe => lane.number = lane.number.wrapping_add(1),
            0xfd => lane.number = lane.number.wrapping_sub(1),
            0xfc => lane.generation = u32::MAX,
            _ => {}
        }
        let number = lane.number;
        lane.number = number.wrapping_add(1);
        (lane.generation, number)
    }

    /// Entries in their short form, as `sender` says them on a lane.
    pub(crate) fn short(
        &mut self,
        class: Class,
        sender: NodeId,
        entries: &[Entry],
    ) -> (Vec<ChainDef>, Vec<WireEntry>) {
        let mut chains = Vec::new();
        let Some(lane) = self.lanes.get_mut(class.index()) else { return Default::default() };
        let shorten = |entry: &Entry| {
            let key = key(&entry.header.stream);
            lane.encoder.shorten(entry, entry.id(), &key, sender, &mut chains)
        };
        let wire = entries.iter().map(shorten).collect();
        (chains, wire)
    }

    /// An entry in its long form.
    pub(crate) fn long(script: &mut Script<'_>, entry: &Entry) -> Message {
        full(entry, &key(&entry.header.stream), script.number()).into()
    }
}

/// A lane; the control lane for half of all bytes.
pub(crate) fn class(script: &mut Script<'_>) -> Class {
    Class::from_number(script.byte() & 15).unwrap_or(Class::Control)
}

pub(crate) fn position(script: &mut Script<'_>) -> StreamPosition {
    let version = u32::try_from(script.number()).unwrap_or(u32::MAX);
    StreamPosition { stream: script.stream(), version, to_idx: script.number() }
}

pub(crate) fn state(script: &mut Script<'_>) -> StreamState {
    StreamState { stream: script.stream(), count: script.number(), sum: [script.byte(); 16] }
}

pub(crate) fn grant(script: &mut Script<'_>) -> Grant {
    let lease = LeaseTerms {
        offline_s: script.flip().then(|| u32::from(script.byte())),
        until_ms: script.flip().then(|| script.number()),
    };
    Grant { stream: script.stream(), version: u32::from(script.byte()), lease }
}

pub(crate) fn claim(script: &mut Script<'_>) -> EpochClaim {
    EpochClaim { epoch: script.epoch(), head: script.number() }
}

pub(crate) fn received(script: &mut Script<'_>) -> (Epoch, Ranges) {
    let epoch = script.epoch();
    (epoch, several(script, |script| script.number()).into_iter().collect())
}

pub(crate) fn verdict(script: &mut Script<'_>) -> (Epoch, u64, Verdict) {
    use sync_protocol::entry::WithheldReason::{NoAccess, Quarantined};
    let verdict = match script.below(6) {
        0 => Verdict::Quarantined(NoAccess),
        1 => Verdict::Quarantined(Quarantined),
        2 => Verdict::Gap(SeqNo(u32::from(script.byte()))),
        3 => Verdict::Fork,
        4 => Verdict::NotAuthentic,
        _ => Verdict::Foreign,
    };
    (script.epoch(), script.number(), verdict)
}

/// None to three of something.
pub(crate) fn several<'a, T>(
    script: &mut Script<'a>,
    make: impl Fn(&mut Script<'a>) -> T,
) -> Vec<T> {
    (0..script.below(4)).map(|_| make(script)).collect()
}
