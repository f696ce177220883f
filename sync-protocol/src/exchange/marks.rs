//! What the hub acknowledged, on its way into the edge's storage.

use super::ops::EdgeOp;
use crate::message::{PushAck, Verdict};

/// Acknowledgements gathered while storage records the ones before.
#[derive(Debug, Default)]
pub(super) struct Marks {
    waiting: PushAck,
    recording: bool,
}

impl Marks {
    pub(super) fn is_idle(&self) -> bool {
        !self.recording && self.waiting == PushAck::default()
    }

    /// Storage is recording what the greeting's answer said.
    pub(super) const fn settling(&mut self) {
        self.recording = true;
    }

    pub(super) const fn recorded(&mut self) {
        self.recording = false;
    }

    /// Adds an acknowledgement; of each stream the latest state counts.
    pub(super) fn add(&mut self, ack: PushAck) {
        for (epoch, ranges) in ack.received {
            match self.waiting.received.iter_mut().find(|(known, _)| *known == epoch) {
                Some((_, known)) => known.merge(&ranges),
                None => self.waiting.received.push((epoch, ranges)),
            }
        }
        for (epoch, head) in ack.durable {
            match self.waiting.durable.iter_mut().find(|(known, _)| *known == epoch) {
                Some((_, known)) => *known = head.max(*known),
                None => self.waiting.durable.push((epoch, head)),
            }
        }
        // A gap closes by itself; the other verdicts are kept where people can see them.
        let lasting = |verdict: &Verdict| !matches!(verdict, Verdict::Gap(_));
        self.waiting.verdicts.extend(ack.verdicts.into_iter().filter(|(_, _, v)| lasting(v)));
        for state in ack.streams {
            self.waiting.streams.retain(|known| known.stream != state.stream);
            self.waiting.streams.push(state);
        }
    }

    /// What to give storage now.
    pub(super) fn next(&mut self) -> Option<EdgeOp> {
        if self.recording || self.waiting == PushAck::default() {
            return None;
        }
        self.recording = true;
        let PushAck { received, durable, streams, verdicts } = std::mem::take(&mut self.waiting);
        Some(EdgeOp::MarkReceived { received, durable, incarnation: None, verdicts, streams })
    }
}
