//! Terms of streams on their way to an edge: a batch at a time, sent until it is stored.

use super::lanes::due;
use super::ops::EdgeOp;
use super::{Now, Violation};
use crate::lease::{Grant, Granted, Grants};
use crate::limits;

/// The batch under way.
#[derive(Debug)]
struct Sent {
    message: Grants,
    due: Now,
    times: u32,
}

/// The hub's. One batch is under way at a time: terms are in no hurry, because an edge that does not
/// know them goes by careful ones.
#[derive(Debug, Default)]
pub(super) struct Leases {
    sent: Option<Sent>,
    /// Storage is asked, or is noting what the edge stored.
    busy: bool,
    number: u64,
    /// Something changed while storage was busy.
    woken: bool,
    /// Nothing was found at the last read, and nothing changed since.
    drained: bool,
}

impl Leases {
    /// Terms may have changed.
    pub(super) const fn wake(&mut self) {
        self.drained = false;
        self.woken = self.busy;
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.drained && !self.busy && self.sent.is_none()
    }

    /// Whether to read which terms the edge does not have.
    pub(super) const fn read(&mut self) -> bool {
        let read = !self.busy && !self.drained && self.sent.is_none();
        if read {
            self.busy = true;
            self.woken = false;
        }
        read
    }

    /// Takes what was read; gives back the message to send.
    pub(super) fn found(&mut self, now: Now, ahead: usize, grants: Vec<Grant>) -> Option<Grants> {
        self.busy = false;
        self.drained = grants.is_empty() && !self.woken;
        if grants.is_empty() {
            return None;
        }
        self.number += 1;
        let message = Grants { number: self.number, grants };
        self.sent = Some(Sent { message: message.clone(), due: due(now, ahead, 0), times: 0 });
        Some(message)
    }

    /// The edge stored a batch: what is to be noted, if it is the one under way.
    pub(super) fn granted(&mut self, granted: Granted) -> Option<Vec<Grant>> {
        let sent = self.sent.take_if(|sent| sent.message.number == granted.number)?;
        self.busy = true;
        Some(sent.message.grants)
    }

    /// Storage noted it.
    pub(super) const fn noted(&mut self) {
        self.busy = false;
        self.drained = false;
    }

    /// The lane is started anew: what is on its way is sent again.
    pub(super) const fn rewind(&mut self, now: Now) {
        if let Some(sent) = &mut self.sent {
            sent.due = now;
        }
    }

    /// The batch, when nobody acknowledged it in time.
    pub(super) fn overdue(&mut self, now: Now, ahead: usize) -> Option<Grants> {
        let sent = self.sent.as_mut().filter(|sent| sent.due <= now)?;
        sent.times += 1;
        sent.due = due(now, ahead, sent.times);
        Some(sent.message.clone())
    }

    pub(super) fn next_timeout(&self) -> Option<Now> {
        self.sent.as_ref().map(|sent| sent.due)
    }
}

/// The edge's: which batches are stored.
#[derive(Debug, Default)]
pub(super) struct TakenLeases {
    number: u64,
}

/// What to do with a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TakenGrants {
    /// Store it.
    Store(EdgeOp),
    /// It is stored; say so again.
    Known(Granted),
}

impl TakenLeases {
    pub(super) fn take(&self, message: Grants) -> Result<TakenGrants, Violation> {
        let Grants { number, grants } = message;
        if grants.len() > limits::GRANTS_MAX {
            return Err(Violation::Limit);
        }
        // One that was overtaken by a newer one must not undo it.
        Ok(if number <= self.number {
            TakenGrants::Known(Granted { number })
        } else {
            TakenGrants::Store(EdgeOp::StoreGrants { number, grants })
        })
    }

    pub(super) fn stored(&mut self, number: u64) -> Granted {
        self.number = self.number.max(number);
        Granted { number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamId;
    use crate::lease::LeaseTerms;

    fn grant(subject: u8) -> Grant {
        let stream = StreamId { scope: 1, subject: [subject; 16], compartment: 1, generation: 0 };
        Grant { stream, version: 2, lease: LeaseTerms::UNLIMITED }
    }

    #[test]
    fn a_batch_is_repeated_until_it_is_stored_and_then_comes_the_next() {
        let mut leases = Leases::default();
        assert!(leases.read());
        assert!(!leases.read(), "one read at a time");
        let first = leases.found(0, 0, vec![grant(1)]).unwrap();
        assert!(!leases.read(), "one batch at a time");
        let due = leases.next_timeout().unwrap();
        assert_eq!(leases.overdue(due - 1, 0), None);
        assert_eq!(leases.overdue(due, 0), Some(first));
        assert!(leases.next_timeout().unwrap() - due > due, "it waits longer each time");
        assert_eq!(leases.granted(Granted { number: 7 }), None);
        assert_eq!(leases.granted(Granted { number: 1 }), Some(vec![grant(1)]));
        assert_eq!(leases.granted(Granted { number: 1 }), None, "a repeat");
        assert!(!leases.read(), "it is being noted");
        leases.noted();
        assert!(leases.read() && !leases.is_idle());
        assert_eq!(leases.found(0, 0, Vec::new()), None);
        assert!(leases.is_idle());
        leases.wake();
        assert!(leases.read());
        leases.wake();
        assert_eq!(leases.found(0, 0, Vec::new()), None);
        assert!(leases.read(), "it changed while it was read");
    }

    #[test]
    fn an_older_batch_undoes_nothing_and_a_long_one_is_refused() {
        let mut taken = TakenLeases::default();
        let batch = |number, count: u8| Grants { number, grants: (0..count).map(grant).collect() };
        let store = |number| {
            let grants = batch(number, 1).grants;
            TakenGrants::Store(EdgeOp::StoreGrants { number, grants })
        };
        assert_eq!(taken.take(batch(2, 1)), Ok(store(2)));
        assert_eq!(taken.stored(2), Granted { number: 2 });
        assert_eq!(taken.take(batch(1, 1)), Ok(TakenGrants::Known(Granted { number: 1 })));
        assert_eq!(taken.take(batch(2, 1)), Ok(TakenGrants::Known(Granted { number: 2 })));
        assert_eq!(taken.take(batch(3, 1)), Ok(store(3)));
        let long = Grants { number: 4, grants: vec![grant(0); limits::GRANTS_MAX + 1] };
        assert_eq!(taken.take(long), Err(Violation::Limit));
    }
}
