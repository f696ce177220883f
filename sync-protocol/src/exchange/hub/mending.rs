//! What is put right in a conversation while everything else flows.

use super::super::Now;
use super::super::ops::HubReply;
use super::super::places::Places;
use super::super::resupply::Move;
use super::HubExchange;
use crate::mending::{Reconcile, Resupply};
use crate::message::Message;
use crate::{Class, StreamId};

impl HubExchange {
    /// Shares the places for reconciliations with the other conversations of the process.
    #[must_use]
    pub fn sharing(mut self, places: Places) -> Self {
        self.answering.share(places);
        self
    }

    /// The edge says something of what it and we hold differently.
    pub(super) fn hear_reconcile(&mut self, now: Now, said: &Reconcile) {
        match self.answering.heard(now, said) {
            Ok(message) => self.say_behind(message),
            Err(violation) => self.violation(violation),
        }
    }

    /// Somebody else brought entries that this edge wrote, of these streams: it gets what it may have lost.
    pub fn brought(&mut self, streams: &[StreamId]) {
        if self.placed.is_some() {
            self.give_back.add(streams);
            self.pump();
        }
    }

    /// The edge offers what may be lost here.
    pub(super) fn hear_resupply(&mut self, said: Resupply) {
        match self.answering.offered(said) {
            Ok(op) => self.ops.extend(op),
            Err(violation) => self.violation(violation),
        }
    }

    /// Storage answers what was asked for it.
    pub(super) fn mended(&mut self, reply: HubReply) {
        if let HubReply::Held(streams) = reply {
            self.answering.read(&streams);
        } else if let HubReply::Settled { restarted } = reply {
            self.tally.divergences += u64::from(!restarted.is_empty());
            self.answering.settled(&restarted);
            // What it holds again after a restore may be to be let go again.
            self.purges.wake();
            restarted.into_iter().for_each(|stream| self.feed.rewind_stream(stream));
        } else if let HubReply::Lacking(places) = reply {
            let wanted = self.answering.lacking(places);
            self.say_behind(wanted);
        } else if let HubReply::TakenIn { fresh, put_off } = reply {
            self.tally.entries_stored += u64::from(fresh);
            let stored = self.answering.taken_in(put_off);
            self.say_behind(stored);
        }
    }

    /// A lane is started anew: what goes on it beside entries.
    pub(super) fn rewind(&mut self, now: Now, class: Class) {
        match class {
            Class::Policy => self.purges.rewind(now),
            Class::Backfill => {
                self.leases.rewind(now);
                self.give_back.rewind(now);
            }
            Class::Control | Class::Urgent | Class::Records | Class::Fresh | Class::Blobs => {}
        }
    }

    pub(super) fn mend(&mut self) {
        for next in self.answering.moves(self.lanes.has_room_behind()) {
            match next {
                Move::Ask(op) => self.ops.push_back(op),
                Move::Say(message) => self.say_behind(Some(message)),
            }
        }
    }

    /// Tells the edge that it has all that it lost of its own entries, once that is so.
    pub(super) fn end_give_back(&mut self, now: Now) {
        let last = self.give_back.last(now).map(Message::from);
        self.say_behind(last);
    }

    fn say_behind(&mut self, message: Option<Message>) {
        message.into_iter().for_each(|message| self.lanes.send(Class::Backfill, &message));
    }
}
