//! Own entries that this disk lost, and what else is put right while everything else flows.

use super::super::ops::{EdgeOp, EdgeReply};
use super::super::resupply::Move;
use super::super::{Now, Violation};
use super::{EdgeExchange, SAY_AGAIN_MS};
use crate::lane::{Expanded, unfold};
use crate::standing::{OwnEntries, OwnStored};
use crate::{Class, limits};

impl EdgeExchange {
    /// Own entries that came back: each is checked like everybody's, and is ours. The last message has
    /// none: the hub holds nothing more.
    pub(super) fn take_back(&mut self, own: OwnEntries) {
        let OwnEntries { number, entries } = own;
        if entries.len() > limits::FRAME_ENTRIES_MAX {
            return self.violation(Violation::Limit);
        }
        if number <= self.taken_back {
            return self.lanes.send(Class::Control, &OwnStored { number }.into());
        }
        if entries.is_empty() {
            (self.lost_own, self.say_again, self.taken_back) = (0, None, number);
            return self.lanes.send(Class::Control, &OwnStored { number }.into());
        }
        let mut authentic = Vec::with_capacity(entries.len());
        for full in entries {
            let Ok(Expanded { entry, key, .. }) = unfold(full) else {
                return self.violation(Violation::Contradiction);
            };
            match entry.verify(&key) {
                Ok(entry) if self.me.owns(&entry.get().header.origin) => {
                    authentic.push((entry, key));
                }
                _ => return self.violation(Violation::Contradiction),
            }
        }
        self.ops.push_back(EdgeOp::TakeBack { number, entries: authentic });
    }

    /// Those are stored, so many of them new.
    pub(super) fn taken_back(&mut self, now: Now, number: u64, fresh: u32) {
        self.tally.entries_stored += u64::from(fresh);
        // Until the hub says that it has no more.
        self.say_again = Some(now.saturating_add(SAY_AGAIN_MS));
        self.taken_back = self.taken_back.max(number);
        self.lanes.send(Class::Control, &OwnStored { number }.into());
    }

    /// The hub says something of what it and we hold differently.
    pub(super) fn hear_mending(&mut self, heard: Result<(), Violation>) {
        if let Err(violation) = heard {
            self.violation(violation);
        }
    }

    /// Storage answers what was asked for it.
    pub(super) fn mended(&mut self, now: Now, reply: EdgeReply) {
        if let EdgeReply::Held { entries, .. } = &reply {
            self.tally.entries_sent += entries.len() as u64;
        }
        self.mending.answered(now, reply);
    }

    pub(super) fn mend(&mut self, now: Now) {
        for next in self.mending.moves(now) {
            match next {
                Move::Ask(op) => self.ops.push_back(op),
                Move::Say(message) => self.lanes.send(Class::Backfill, &message),
            }
        }
    }
}
