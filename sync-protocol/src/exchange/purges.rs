//! Orders to let a stream go, on their way to an edge: sent again until its receipt is stored.

use std::collections::BTreeMap;

use super::Now;
use super::lanes::due;
use crate::message::{Purge, StreamPosition};
use crate::{StreamId, limits};

/// An order on its way.
#[derive(Debug)]
struct Sent {
    version: u32,
    due: Now,
    times: u32,
}

/// The hub's. There is no time after which an order is given up.
#[derive(Debug, Default)]
pub(super) struct Purges {
    sent: BTreeMap<StreamId, Sent>,
    reading: bool,
    /// Something changed while the read was under way.
    woken: bool,
    /// Nothing more was found at the last read, and nothing changed since.
    drained: bool,
}

impl Purges {
    /// Access may have ended somewhere.
    pub(super) const fn wake(&mut self) {
        self.drained = false;
        self.woken = self.reading;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.drained && !self.reading && self.sent.is_empty()
    }

    /// Whether to read which orders hold.
    pub(super) const fn read(&mut self) -> bool {
        let read = !self.reading && !self.drained;
        if read {
            self.reading = true;
            self.woken = false;
        }
        read
    }

    /// Takes the orders that hold: gives back those to be sent now. One that was sent and holds no
    /// longer, because access began anew, is still repeated: the edge may have followed it, and only
    /// its receipt, or what it stores under the new version, tells.
    pub(super) fn found(&mut self, now: Now, ahead: usize, orders: Vec<Purge>) -> Vec<Purge> {
        self.reading = false;
        self.drained = !self.woken;
        let mut before = std::mem::take(&mut self.sent);
        let mut fresh = Vec::new();
        for order in orders {
            let sent = match before.remove(&order.stream) {
                Some(sent) if sent.version == order.version => sent,
                _ => {
                    fresh.push(order);
                    Sent { version: order.version, due: due(now, ahead, 0), times: 0 }
                }
            };
            self.sent.insert(order.stream, sent);
        }
        let room = limits::PURGES_OPEN_MAX.saturating_sub(self.sent.len());
        self.sent.extend(before.into_iter().take(room));
        fresh
    }

    /// The edge stored something of a stream under this version: an older order is past.
    pub(super) fn stored(&mut self, position: &StreamPosition) {
        if self.sent.get(&position.stream).is_some_and(|sent| sent.version < position.version) {
            self.sent.remove(&position.stream);
        }
    }

    /// The receipt for a stream is stored, or the order no longer holds.
    pub(super) fn settled(&mut self, stream: &StreamId) {
        self.sent.remove(stream);
        // The edge is there and follows: what got lost need not wait for long.
        self.sent.values_mut().for_each(|sent| sent.times = 0);
        self.wake();
    }

    /// The lane is started anew: what is on its way is sent again.
    pub(super) fn rewind(&mut self, now: Now) {
        self.sent.values_mut().for_each(|sent| sent.due = now);
    }

    /// Orders without a receipt in time, to be sent again.
    pub(super) fn overdue(&mut self, now: Now, ahead: usize) -> Vec<Purge> {
        let mut again = Vec::new();
        for (&stream, sent) in &mut self.sent {
            if sent.due <= now {
                sent.times += 1;
                sent.due = due(now, ahead, sent.times);
                again.push(Purge { stream, version: sent.version });
            }
        }
        again
    }

    pub(super) fn next_timeout(&self) -> Option<Now> {
        self.sent.values().map(|sent| sent.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(subject: u8) -> Purge {
        let stream = StreamId { scope: 1, subject: [subject; 16], compartment: 1, generation: 0 };
        Purge { stream, version: 2 }
    }

    #[test]
    fn an_order_is_repeated_until_it_is_settled() {
        let mut purges = Purges::default();
        assert!(purges.read());
        assert!(!purges.read(), "one read at a time");
        let both = vec![order(1), order(2)];
        assert_eq!(purges.found(0, 0, both.clone()), both);
        assert!(!purges.read(), "nothing changed");
        purges.wake();
        assert!(purges.read());
        assert_eq!(purges.found(0, 0, both), [], "they are on their way");
        let due = purges.next_timeout().unwrap();
        assert_eq!(purges.overdue(due - 1, 0), []);
        assert_eq!(purges.overdue(due, 0), [order(1), order(2)]);
        purges.settled(&order(1).stream);
        let later = purges.next_timeout().unwrap();
        assert!(later - due > due, "it waits longer each time");
        assert_eq!(purges.overdue(later, 0), [order(2)]);
        purges.settled(&order(2).stream);
        assert!(!purges.is_idle(), "there may be more");
        purges.read();
        purges.found(0, 0, Vec::new());
        assert!(purges.is_idle());
    }

    #[test]
    fn orders_on_a_lane_that_is_started_anew_are_sent_at_once_and_pauses_end_with_a_receipt() {
        let mut purges = Purges::default();
        purges.read();
        purges.found(0, 0, vec![order(1), order(2)]);
        let first = purges.next_timeout().unwrap();
        purges.rewind(1);
        assert_eq!(purges.overdue(1, 0), [order(1), order(2)]);
        for _ in 0..3 {
            let due = purges.next_timeout().unwrap();
            purges.overdue(due, 0);
        }
        let now = purges.next_timeout().unwrap();
        purges.settled(&order(1).stream);
        assert_eq!(purges.overdue(now, 0), [order(2)]);
        assert_eq!(
            purges.next_timeout().unwrap() - now,
            2 * first,
            "the first pause after a repeat"
        );
    }

    #[test]
    fn an_order_is_past_when_something_newer_is_stored() {
        let mut purges = Purges::default();
        purges.read();
        purges.found(0, 0, vec![order(1)]);
        purges.wake();
        purges.read();
        let newer = Purge { version: 4, ..order(1) };
        assert_eq!(purges.found(0, 0, vec![newer]), [newer]);
        // Access began anew: whether the edge followed the order is not known.
        purges.wake();
        purges.read();
        assert_eq!(purges.found(0, 0, Vec::new()), []);
        assert_eq!(purges.overdue(u64::MAX, 0), [newer]);
        let stored = |version| StreamPosition { stream: newer.stream, version, to_idx: 1 };
        purges.stored(&stored(4));
        assert!(!purges.is_idle(), "that is of the time before");
        purges.stored(&stored(5));
        assert_eq!(purges.overdue(u64::MAX, 0), []);
        assert!(purges.is_idle());
    }

    #[test]
    fn a_change_while_a_read_is_under_way_is_not_forgotten() {
        let mut purges = Purges::default();
        purges.read();
        purges.wake();
        purges.found(0, 0, Vec::new());
        assert!(purges.read());
    }
}
