//! Frames that no honest peer sends: what a link between known keys lets through because the peer
//! itself is broken, hostile, or newer than we are.

use std::collections::BTreeSet;

use sync_protocol::message::{Frame, Message};
use sync_protocol::{Class, codec};

use super::World;
use crate::faults::Fault;
use crate::network::Dice;

/// Frames that are remembered.
const KEPT: usize = 64;

/// Types of messages that this version does not know.
const UNKNOWN_TYPES: std::ops::Range<u16> = 40..400;

/// On whose wire, and whether towards the hub.
type Road = (usize, bool);

/// Frames that passed, and on which wires somebody lied.
#[derive(Debug, Default)]
pub(super) struct Captured {
    frames: Vec<(Road, Class, Vec<u8>)>,
    touched: BTreeSet<usize>,
}

impl Captured {
    /// Remembers some of what passes. Not greetings: a node that says starts of another process for its
    /// own is told from the one that it was, and shuts itself out.
    pub(super) fn keep(&mut self, dice: &mut Dice, road: Road, class: Class, frame: Vec<u8>) {
        let said = Frame::decode(&frame).ok().and_then(|frame| frame.message);
        if matches!(said, Some(Message::Hello(_) | Message::Opening(_))) {
            return;
        }
        if self.frames.len() < KEPT {
            self.frames.push((road, class, frame));
        } else if dice.percent(20)
            && let Ok(which) = usize::try_from(dice.below(KEPT as u64))
            && let Some(place) = self.frames.get_mut(which)
        {
            *place = (road, class, frame);
        }
    }

    /// What the hub said in a conversation that is over: nobody but a hub that lies could say it again.
    pub(super) fn forget_answers(&mut self, at: usize) {
        self.frames.retain(|(road, ..)| *road != (at, false));
    }

    pub(super) fn take_touched(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.touched)
    }

    fn some(&self, dice: &mut Dice, fits: impl Fn(Road) -> bool) -> Option<(Class, Vec<u8>)> {
        let fitting: Vec<_> = self.frames.iter().filter(|(road, ..)| fits(*road)).collect();
        let which = usize::try_from(dice.below(fitting.len().max(1) as u64)).ok()?;
        fitting.get(which).map(|(_, class, frame)| (*class, frame.clone()))
    }
}

impl World {
    /// Puts a frame on a clinic's wire that has no business there.
    pub(super) fn misbehave(&mut self, at: usize) {
        let up = self.dice.percent(60);
        let own = self.captured.some(&mut self.dice, |road| road == (at, up));
        // What a hub says to one clinic is true for that clinic only, and a clinic believes its hub: so
        // the words of others are only put into the mouths of clinics.
        let foreign = self.captured.some(&mut self.dice, |(whose, to_hub)| whose != at && to_hub);
        let (fault, frame) = match (self.dice.below(10), own, foreign) {
            (0 | 1, ..) => (Fault::NoFrame, self.nonsense()),
            (2, ..) => (Fault::UnknownMessage, self.unknown_message()),
            (3 | 4, ..) if up => {
                let subject = [self.dice.roll(), self.dice.roll()].map(u64::to_be_bytes).concat();
                let subject = subject.try_into().unwrap_or_default();
                let Some(clinic) = self.clinics.get(at) else { return };
                (Fault::MixedSignature, (Class::Control, clinic.forge(subject)))
            }
            (5, Some((class, mut frame)), _) => {
                let most = frame.len() as u64;
                frame.truncate(usize::try_from(self.dice.below(most)).unwrap_or(0));
                (Fault::Truncated, (class, frame))
            }
            (6, Some(frame), _) => (Fault::Replayed, frame),
            (7, Some((class, frame)), _) => {
                let class = Class::from_number((class.number() + 1) % 7).unwrap_or(class);
                (Fault::WrongLane, (class, frame))
            }
            (8, Some((class, mut frame)), _) => {
                frame.extend_from_slice(&self.dice.roll().to_le_bytes());
                (Fault::Trailing, (class, frame))
            }
            (_, _, Some(frame)) if up => (Fault::Foreign, frame),
            _ => (Fault::NoFrame, self.nonsense()),
        };
        let Some(Some((to_hub, to_clinic))) = self.wires.get_mut(at) else { return };
        self.figures.count(fault);
        self.captured.touched.insert(at);
        let when = self.now + 1 + self.dice.below(500);
        if up { to_hub } else { to_clinic }.put(when, frame.0, frame.1);
    }

    fn nonsense(&mut self) -> (Class, Vec<u8>) {
        let class = usize::try_from(self.dice.below(Class::COUNT as u64)).unwrap_or(0);
        let class = Class::ALL.get(class).copied().unwrap_or(Class::Control);
        let bytes = (0..self.dice.below(200)).map(|_| self.dice.roll().to_le_bytes()[0]).collect();
        (class, bytes)
    }

    /// A message of a newer version. It stands on the lane whose frames are used wherever they stand.
    fn unknown_message(&mut self) -> (Class, Vec<u8>) {
        let span = u64::from(UNKNOWN_TYPES.end - UNKNOWN_TYPES.start);
        let kind = UNKNOWN_TYPES.start + u16::try_from(self.dice.below(span)).unwrap_or(0);
        let mut frame = codec::encode(&(0_u32, 0_u32, kind));
        frame.extend((0..self.dice.below(100)).map(|_| self.dice.roll().to_le_bytes()[0]));
        (Class::Control, frame)
    }
}
