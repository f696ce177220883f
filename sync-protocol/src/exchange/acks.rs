//! Acknowledgements of stored runs: numbered by the edge, repeated until the hub confirms them.

use std::collections::{BTreeMap, VecDeque};

use super::Now;
use super::lanes::due;
use crate::limits;
use crate::message::{StreamAck, StreamPosition};
use crate::ranges::Ranges;

/// The edge's: sent, and not yet confirmed.
#[derive(Debug, Default)]
pub(super) struct SentAcks {
    last: u64,
    open: BTreeMap<u64, SentAck>,
}

#[derive(Debug)]
struct SentAck {
    positions: Vec<StreamPosition>,
    due: Now,
    times: u32,
}

impl SentAcks {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The next acknowledgement, with `ahead` bytes of other frames on their way.
    pub(super) fn add(
        &mut self,
        now: Now,
        ahead: usize,
        positions: Vec<StreamPosition>,
    ) -> StreamAck {
        self.last += 1;
        let ack = SentAck { positions: positions.clone(), due: due(now, ahead, 0), times: 0 };
        self.open.insert(self.last, ack);
        StreamAck { number: self.last, positions }
    }

    /// The hub has everything up to `number` on record; answers what that was.
    pub(super) fn confirmed(&mut self, number: u64) -> Vec<StreamPosition> {
        let open = self.open.split_off(&number.saturating_add(1));
        let done = std::mem::replace(&mut self.open, open);
        done.into_values().flat_map(|ack| ack.positions).collect()
    }

    /// Those that nobody confirmed in time, to be sent again.
    pub(super) fn overdue(&mut self, now: Now, ahead: usize) -> Vec<StreamAck> {
        let mut again = Vec::new();
        for (&number, ack) in &mut self.open {
            if ack.due <= now {
                ack.times += 1;
                ack.due = due(now, ahead, ack.times);
                again.push(StreamAck { number, positions: ack.positions.clone() });
            }
        }
        again
    }

    pub(super) fn next_timeout(&self) -> Option<Now> {
        self.open.values().map(|ack| ack.due).min()
    }
}

/// The hub's: given to storage, and those it committed.
#[derive(Debug, Default)]
pub(super) struct TakenAcks {
    given: VecDeque<StreamAck>,
    stored: Ranges,
}

impl TakenAcks {
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Remembers what storage is asked to record; `false` when the peer's numbers are none of an
    /// honest edge.
    pub(super) fn give(&mut self, ack: StreamAck) -> bool {
        let sound = ack.number > 0
            && ack.positions.len() <= limits::HELLO_ACKS_MAX
            && self.stored.run_count() <= limits::HELLO_ACKS_MAX;
        if sound {
            self.given.push_back(ack);
        }
        sound
    }

    /// The oldest one was recorded: its positions, and up to which number all are.
    pub(super) fn recorded(&mut self) -> Option<(Vec<StreamPosition>, Option<u64>)> {
        let ack = self.given.pop_front()?;
        self.stored.insert(ack.number);
        let first = self.stored.runs().next();
        Some((ack.positions, first.filter(|&(low, _)| low == 1).map(|(_, high)| high)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamId;

    fn position(to_idx: u64) -> StreamPosition {
        let stream = StreamId { scope: 1, subject: [0; 16], compartment: 1, generation: 0 };
        StreamPosition { stream, version: 1, to_idx }
    }

    #[test]
    fn what_is_not_confirmed_is_repeated_under_its_number() {
        let mut acks = SentAcks::default();
        let first = acks.add(0, 0, vec![position(1)]);
        let second = acks.add(5, 0, vec![position(2)]);
        assert_eq!((first.number, second.number), (1, 2));
        let due = acks.next_timeout().unwrap();
        assert_eq!(acks.overdue(due - 1, 0), []);
        assert_eq!(acks.overdue(due, 0), [first]);
        assert_eq!(acks.confirmed(1), [position(1)]);
        assert_eq!(acks.confirmed(1), []);
        assert_eq!(acks.overdue(due + 5, 0), [second]);
        assert_eq!(acks.confirmed(u64::MAX), [position(2)]);
        assert!(acks.is_empty());
    }

    #[test]
    fn only_what_is_recorded_without_a_gap_is_confirmed() {
        let mut acks = TakenAcks::default();
        let mut record = |number| {
            assert!(acks.give(StreamAck { number, positions: vec![position(number)] }));
            let (positions, confirmed) = acks.recorded().unwrap();
            assert_eq!(positions, [position(number)]);
            confirmed
        };
        assert_eq!(record(2), None, "the first may be lost");
        assert_eq!(record(1), Some(2));
        assert_eq!(record(4), Some(2));
        assert_eq!(record(3), Some(4));
        assert_eq!(record(1), Some(4), "a repeat is answered again");
    }
}
