//! What the hub acknowledged, on its way into the edge's storage.

use std::collections::BTreeMap;

use super::ops::EdgeOp;
use crate::message::{PushAck, StreamState, Verdict};
use crate::ranges::Ranges;
use crate::{Epoch, StreamId, limits};

/// Acknowledgements gathered while storage records the ones before.
#[derive(Debug, Default)]
pub(super) struct Marks {
    received: BTreeMap<Epoch, Ranges>,
    durable: BTreeMap<Epoch, u64>,
    streams: BTreeMap<StreamId, StreamState>,
    verdicts: Vec<(Epoch, u64, Verdict)>,
    recording: bool,
}

impl Marks {
    pub(super) fn is_idle(&self) -> bool {
        !self.recording && self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.received.is_empty()
            && self.durable.is_empty()
            && self.streams.is_empty()
            && self.verdicts.is_empty()
    }

    /// Whether more may be added before storage has recorded what waits.
    pub(super) fn has_room(&self) -> bool {
        let runs: usize = self.received.values().map(|ranges| ranges.run_count() + 1).sum();
        let waiting = runs + self.durable.len() + self.streams.len() + self.verdicts.len();
        waiting < limits::MARKS_WAITING_MAX
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
            self.received.entry(epoch).or_default().merge(&ranges);
        }
        for (epoch, head) in ack.durable {
            let known = self.durable.entry(epoch).or_default();
            *known = head.max(*known);
        }
        // A gap closes by itself; the other verdicts are kept where people can see them.
        let lasting = |verdict: &Verdict| !matches!(verdict, Verdict::Gap(_));
        self.verdicts.extend(ack.verdicts.into_iter().filter(|(_, _, v)| lasting(v)));
        self.streams.extend(ack.streams.into_iter().map(|state| (state.stream, state)));
    }

    /// What to give storage now.
    pub(super) fn next(&mut self) -> Option<EdgeOp> {
        if self.recording || self.is_empty() {
            return None;
        }
        self.recording = true;
        Some(EdgeOp::MarkReceived {
            received: std::mem::take(&mut self.received).into_iter().collect(),
            durable: std::mem::take(&mut self.durable).into_iter().collect(),
            incarnation: None,
            verdicts: std::mem::take(&mut self.verdicts),
            streams: std::mem::take(&mut self.streams).into_values().collect(),
        })
    }
}
