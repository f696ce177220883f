//! The hub's side of putting right that the two hold different things.

use std::collections::VecDeque;

use super::mend::violation;
use super::ops::HubOp;
use super::places::{Place, Places, retry_after_ms};
use super::resupply::Move;
use super::{Now, Violation};
use crate::lane::unfold;
use crate::mending::{
    Reconcile, ReconcileStep, Resupplied, ResuppliedStep, Resupply, ResupplyStep,
};
use crate::message::{Full, Message, StreamState};
use crate::reconcile::{Claim, Held, Holdings, OPEN_MAX, Piece, Question, Span, reply};
use crate::{ChainKey, Entry, EntryId, NodeId, StreamId, Verified, limits};

/// A question that is being answered.
#[derive(Debug)]
struct Pending {
    number: u32,
    question: Question,
    /// The lists in it that were not settled yet.
    lists: VecDeque<(Span, Vec<Held>)>,
    /// The last stream of the first of them that was, and what was found so far.
    after: Option<StreamId>,
    finding: Vec<u16>,
    /// What was found of those before it.
    found: Vec<Vec<u16>>,
}

/// Answers questions one after the other, within a place of the process, and takes what is offered.
#[derive(Debug)]
pub(super) struct Answering {
    peer: NodeId,
    places: Places,
    place: Option<Place>,
    held: Option<Holdings>,
    reading: bool,
    /// What storage settles now.
    settling: Option<Vec<Claim>>,
    pending: VecDeque<Pending>,
    /// When the place is given back if nothing is asked.
    leave_at: Option<Now>,
    /// The offer, or entries, that storage works on.
    resupply: Option<u32>,
    /// Entries that were offered and are not what their author signed.
    pub(super) refused: u64,
}

pub(super) type Moves = Vec<Move<HubOp, Message>>;

impl Answering {
    pub(super) const fn new(peer: NodeId, places: Places) -> Self {
        Self {
            peer,
            places,
            place: None,
            held: None,
            reading: false,
            settling: None,
            pending: VecDeque::new(),
            leave_at: None,
            resupply: None,
            refused: 0,
        }
    }

    pub(super) fn share(&mut self, places: Places) {
        self.places = places;
    }

    /// Whether nothing waits to be answered.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.resupply.is_none()
    }

    /// The edge says something of a reconciliation.
    pub(super) fn heard(
        &mut self,
        now: Now,
        said: &Reconcile,
    ) -> Result<Option<Message>, Violation> {
        match &said.step {
            ReconcileStep::Ask(pieces) => self.asked(now, said.number, pieces),
            ReconcileStep::Done => {
                self.leave();
                Ok(None)
            }
            ReconcileStep::Answer(_) | ReconcileStep::Busy { .. } => Err(Violation::OutOfTurn),
        }
    }

    fn asked(
        &mut self,
        now: Now,
        number: u32,
        pieces: &[Piece],
    ) -> Result<Option<Message>, Violation> {
        let question = Question::read(pieces).map_err(violation)?;
        // Asked again while it waits, or more than an honest edge asks at once: it comes once more.
        let known = self.pending.iter().any(|pending| pending.number == number);
        if known || self.pending.len() >= OPEN_MAX {
            return Ok(None);
        }
        if self.place.is_none() {
            self.place = self.places.take();
        }
        if self.place.is_none() {
            let step = ReconcileStep::Busy { retry_after_ms: retry_after_ms(&self.peer) };
            return Ok(Some(Reconcile { number, step }.into()));
        }
        self.leave_at = Some(now.saturating_add(limits::RECONCILE_IDLE_MS));
        let lists = question.lists().map(|(span, held)| (span, held.to_vec())).collect();
        let (after, finding, found) = (None, Vec::new(), Vec::new());
        self.pending.push_back(Pending { number, question, lists, after, finding, found });
        Ok(None)
    }

    /// The edge offers entries, or sends those that were wanted.
    pub(super) fn offered(&mut self, said: Resupply) -> Result<Option<HubOp>, Violation> {
        let within = match &said.step {
            ResupplyStep::Offer(ids) => ids.len() <= limits::OFFER_IDS_MAX,
            ResupplyStep::Entries(entries) => entries.len() <= limits::FRAME_ENTRIES_MAX,
        };
        if !within {
            return Err(Violation::Limit);
        }
        if self.resupply.is_some() {
            return Ok(None); // It is said until it is answered.
        }
        self.resupply = Some(said.number);
        Ok(Some(match said.step {
            ResupplyStep::Offer(ids) => HubOp::Lacking(ids),
            ResupplyStep::Entries(entries) => {
                let sent = entries.len();
                let authentic: Vec<_> = entries.into_iter().filter_map(authentic).collect();
                self.refused += (sent - authentic.len()) as u64;
                HubOp::TakeIn(authentic)
            }
        }))
    }

    /// Storage knows what of an offer is not held.
    pub(super) fn lacking(&mut self, places: Vec<u16>) -> Option<Message> {
        self.resupplied(ResuppliedStep::Wanted(places))
    }

    /// Storage took entries in.
    pub(super) fn taken_in(&mut self, put_off: u32) -> Option<Message> {
        self.resupplied(ResuppliedStep::Stored { put_off })
    }

    fn resupplied(&mut self, step: ResuppliedStep) -> Option<Message> {
        let number = self.resupply.take()?;
        Some(Resupplied { number, step }.into())
    }

    /// Storage read what is on record of the edge.
    pub(super) fn read(&mut self, held: &[StreamState]) {
        self.reading = false;
        if self.place.is_some() {
            self.held = Some(Holdings::new(held));
        }
    }

    /// Storage settled what was claimed: those of it that still differed start over.
    pub(super) fn settled(&mut self, restarted: &[StreamId]) {
        let Some(claims) = self.settling.take() else { return };
        let Some(pending) = self.pending.front_mut() else { return };
        pending.after = claims.last().map(|claim| claim.stream);
        let differs = claims.iter().filter(|claim| restarted.contains(&claim.stream));
        pending.finding.extend(differs.filter_map(|claim| claim.place));
    }

    /// What can be done now, where `room` says whether the edge takes its answers.
    pub(super) fn moves(&mut self, room: bool) -> Moves {
        let mut moves = Moves::new();
        let Some(held) = &self.held else {
            if self.place.is_some() && !self.reading {
                self.reading = true;
                moves.push(Move::Ask(HubOp::ReadHeld));
            }
            return moves;
        };
        while room
            && self.settling.is_none()
            && let Some(pending) = self.pending.front_mut()
        {
            if let Some((span, listed)) = pending.lists.front() {
                let after = pending.after.as_ref();
                let claims = held.claims(span, listed, after, limits::SETTLE_STREAMS_MAX);
                if claims.is_empty() {
                    pending.lists.pop_front();
                    pending.after = None;
                    pending.found.push(std::mem::take(&mut pending.finding));
                } else {
                    self.settling = Some(claims.clone());
                    moves.push(Move::Ask(HubOp::Settle(claims)));
                }
            } else if let Some(Pending { number, question, found, .. }) = self.pending.pop_front() {
                let step = ReconcileStep::Answer(reply(&question, held, found));
                moves.push(Move::Say(Reconcile { number, step }.into()));
            }
        }
        moves
    }

    /// Gives the place back if nothing was asked for long.
    pub(super) fn expire(&mut self, now: Now) {
        if self.leave_at.is_some_and(|at| at <= now) {
            if self.pending.is_empty() {
                self.leave();
            } else {
                self.leave_at = Some(now.saturating_add(limits::RECONCILE_IDLE_MS));
            }
        }
    }

    pub(super) const fn next_timeout(&self) -> Option<Now> {
        self.leave_at
    }

    fn leave(&mut self) {
        if self.pending.is_empty() {
            (self.place, self.held, self.leave_at) = (None, None, None);
        }
    }
}

/// An entry that is what its author signed.
fn authentic(full: Full) -> Option<(Verified<Entry>, EntryId, ChainKey)> {
    let expanded = unfold(full).ok()?;
    let (id, key) = (expanded.id, expanded.key);
    Some((expanded.entry.verify(&key).ok()?, id, key))
}
