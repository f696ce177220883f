//! Offering the hub what the edge holds and the hub may have lost: what others wrote, and own entries
//! that came back to a restored disk and have no place in its queue.
//!
//! One message is out at a time and is said until it is answered: after a restore nobody is in a
//! hurry, and memory stays within a frame.

use std::collections::VecDeque;

use super::lanes::due;
use super::ops::{EdgeOp, RunEntry, StreamIds};
use super::{Now, Violation};
use crate::lane::full;
use crate::mending::{Resupplied, ResuppliedStep, Resupply, ResupplyStep};
use crate::{EntryId, StreamId, limits};

/// What to do next.
#[derive(Debug)]
pub(super) enum Move<Op, Said> {
    Ask(Op),
    Say(Said),
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Idle,
    Listing,
    /// An offer or entries are out; what of the offer is wanted and was not sent yet follows.
    Out {
        message: Resupply,
        offered: Vec<EntryId>,
        due: Now,
        times: u32,
    },
    ToRead(Vec<EntryId>),
    Reading(Vec<EntryId>),
}

/// What is to be offered, and where offering it stands.
#[derive(Debug, Default)]
pub(super) struct Offers {
    streams: VecDeque<StreamIds>,
    /// The first of them was offered up to here.
    after: u64,
    number: u32,
    step: Step,
    /// Streams that were offered in this pass over all of them.
    offered: Vec<StreamIds>,
    /// Entries that the hub put off in this pass, and in the one before.
    put_off: u32,
    put_off_before: Option<u32>,
}

impl Offers {
    /// Offers entries of these streams too; own ones only where `own` says so.
    pub(super) fn add(&mut self, streams: impl IntoIterator<Item = StreamId>, own: bool) {
        self.streams.extend(streams.into_iter().map(|stream| StreamIds { stream, own }));
    }

    /// Whether nothing is left to be offered.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.offered.is_empty() && matches!(self.step, Step::Idle)
    }

    /// Whether the last pass left nothing that was put off.
    pub(super) fn all_taken(&self) -> bool {
        self.put_off_before.is_none_or(|put_off| put_off == 0)
    }

    /// A pass is over. What was put off may wait for something that came after it in the same pass: then
    /// everything is offered once more, as long as that brings something.
    fn end_pass(&mut self) {
        let before = self.put_off_before.replace(self.put_off).unwrap_or(u32::MAX);
        let put_off = std::mem::take(&mut self.put_off);
        let offered = std::mem::take(&mut self.offered);
        if put_off > 0 && put_off < before {
            self.streams = offered.into();
        }
    }

    pub(super) fn next(&mut self) -> Option<EdgeOp> {
        if self.streams.is_empty() && matches!(self.step, Step::Idle) && !self.offered.is_empty() {
            self.end_pass();
        }
        match std::mem::take(&mut self.step) {
            Step::Idle if self.streams.is_empty() => None,
            Step::Idle => {
                self.step = Step::Listing;
                let streams = self.streams.iter().take(limits::OFFER_IDS_MAX).copied().collect();
                let ids_max = limits::OFFER_IDS_MAX;
                Some(EdgeOp::ReadIds { streams, after: self.after, ids_max })
            }
            Step::ToRead(ids) => {
                self.step = Step::Reading(ids.clone());
                Some(EdgeOp::ReadHeld { ids, bytes_max: limits::FRAME_BYTES_TARGET })
            }
            waiting @ (Step::Listing | Step::Out { .. } | Step::Reading(_)) => {
                self.step = waiting;
                None
            }
        }
    }

    /// Storage listed ids: of so many streams all, of the next one up to a position.
    pub(super) fn listed(
        &mut self,
        now: Now,
        ids: Vec<EntryId>,
        streams: usize,
        after: u64,
    ) -> Option<Resupply> {
        if !matches!(self.step, Step::Listing) {
            return None;
        }
        self.step = Step::Idle;
        self.offered.extend(self.streams.drain(..streams.min(self.streams.len())));
        self.after = after;
        if ids.is_empty() {
            return None;
        }
        let short = |id: &EntryId| id.0.first_chunk::<16>().copied().unwrap_or_default();
        let offer = ResupplyStep::Offer(ids.iter().map(short).collect());
        Some(self.out(now, offer, ids, limits::OFFER_IDS_MAX * 16))
    }

    /// Storage read entries: so many of those that were wanted.
    pub(super) fn read(&mut self, now: Now, entries: &[RunEntry], of: usize) -> Option<Resupply> {
        let Step::Reading(mut ids) = std::mem::take(&mut self.step) else { return None };
        let rest = ids.split_off(of.max(1).min(ids.len()));
        if entries.is_empty() {
            self.go_on(rest);
            return None;
        }
        let long = entries.iter().map(|held| full(&held.entry, &held.key, 0)).collect();
        Some(self.out(now, ResupplyStep::Entries(long), rest, limits::FRAME_BYTES_TARGET))
    }

    fn out(
        &mut self,
        now: Now,
        step: ResupplyStep,
        offered: Vec<EntryId>,
        bytes: usize,
    ) -> Resupply {
        self.number = self.number.wrapping_add(1);
        let message = Resupply { number: self.number, step };
        let due = due(now, bytes, 0);
        self.step = Step::Out { message: message.clone(), offered, due, times: 0 };
        message
    }

    fn go_on(&mut self, wanted: Vec<EntryId>) {
        self.step = if wanted.is_empty() { Step::Idle } else { Step::ToRead(wanted) };
    }

    /// The hub answered.
    pub(super) fn heard(&mut self, said: &Resupplied) -> Result<(), Violation> {
        let Step::Out { message, offered, .. } = &self.step else { return Ok(()) };
        if message.number != said.number {
            return Ok(()); // A repeat.
        }
        match (&message.step, &said.step) {
            (ResupplyStep::Offer(_), ResuppliedStep::Wanted(places)) => {
                if !places.is_sorted_by(|a, b| a < b) {
                    return Err(Violation::Contradiction);
                }
                let ids = places.iter().map(|place| offered.get(usize::from(*place)).copied());
                let ids: Option<Vec<EntryId>> = ids.collect();
                self.go_on(ids.ok_or(Violation::Contradiction)?);
                Ok(())
            }
            (ResupplyStep::Entries(_), ResuppliedStep::Stored { put_off }) => {
                self.put_off = self.put_off.saturating_add(*put_off);
                let rest = offered.clone();
                self.go_on(rest);
                Ok(())
            }
            _ => Err(Violation::Contradiction),
        }
    }

    /// What is out and was not answered in time.
    pub(super) fn overdue(&mut self, now: Now) -> Option<Resupply> {
        match &mut self.step {
            Step::Out { message, due: at, times, .. } if *at <= now => {
                *times += 1;
                *at = due(now, limits::FRAME_BYTES_TARGET, *times);
                Some(message.clone())
            }
            Step::Out { .. } | Step::Idle | Step::Listing | Step::ToRead(_) | Step::Reading(_) => {
                None
            }
        }
    }

    /// The lane is started anew: what is out is said again.
    pub(super) const fn rewind(&mut self, now: Now) {
        if let Step::Out { due, .. } = &mut self.step {
            *due = now;
        }
    }

    pub(super) const fn next_timeout(&self) -> Option<Now> {
        match self.step {
            Step::Out { due, .. } => Some(due),
            Step::Idle | Step::Listing | Step::ToRead(_) | Step::Reading(_) => None,
        }
    }
}
