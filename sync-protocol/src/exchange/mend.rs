//! The edge's side of putting right that the two hold different things.
//!
//! The streams that differ are found while everything else flows; the hub starts them over. What the
//! edge holds of them is then offered, because the hub may have lost it.

use std::collections::BTreeMap;

use super::lanes::due;
use super::ops::{EdgeOp, EdgeReply};
use super::resupply::{Move, Offers};
use super::{Now, Violation};
use crate::limits;
use crate::mending::{Reconcile, ReconcileStep, Resupplied};
use crate::message::{Message, StreamState};
use crate::reconcile::{Asker, Holdings, PARTS, Unsound};

/// Bytes that an answer to a question of sums may take.
const ANSWER_BYTES: usize = 24 * PARTS * PARTS;

/// Own entries that came back to this disk and that a hub from a backup may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Returned {
    /// Storage is to be asked.
    #[default]
    Unknown,
    Asked,
    /// They are among the offers.
    Offered,
    Settled,
}

/// When an open question is asked again, and how often it was.
#[derive(Clone, Copy, Debug)]
struct Again {
    due: Now,
    times: u32,
}

#[derive(Debug, Default)]
pub(super) struct Mending {
    asker: Option<Asker>,
    open: BTreeMap<u32, Again>,
    /// The hub has no place for us until then.
    paused_until: Option<Now>,
    offers: Offers,
    returned: Returned,
    said: Vec<Message>,
}

pub(super) type Moves = Vec<Move<EdgeOp, Message>>;

impl Mending {
    /// The sums differ: finds where.
    pub(super) fn start(&mut self, held: &[StreamState]) {
        self.asker = Some(Asker::new(Holdings::new(held)));
    }

    /// Whether there is nothing to put right that is known of.
    pub(super) fn is_idle(&self) -> bool {
        self.asker.is_none()
            && self.said.is_empty()
            && self.offers.is_idle()
            && self.returned == Returned::Settled
    }

    /// What can be done now.
    pub(super) fn moves(&mut self, now: Now) -> Moves {
        let mut moves: Moves = std::mem::take(&mut self.said).into_iter().map(Move::Say).collect();
        if self.returned == Returned::Unknown {
            self.returned = Returned::Asked;
            moves.push(Move::Ask(EdgeOp::ReadReturned));
        }
        if let Some(asker) = &mut self.asker
            && self.paused_until.is_none()
        {
            while let Some((number, pieces)) = asker.ask() {
                let ahead = (self.open.len() + 1) * ANSWER_BYTES;
                self.open.insert(number, Again { due: due(now, ahead, 0), times: 0 });
                moves.push(say(number, ReconcileStep::Ask(pieces)));
            }
        }
        if let Some(asker) = self.asker.take_if(|asker| asker.is_done()) {
            self.offers.add(asker.into_differing(), false);
            moves.push(say(0, ReconcileStep::Done));
        }
        // In the order of ids, so that the beginning of a record goes before the rest of it.
        if self.asker.is_none() && self.returned != Returned::Asked {
            moves.extend(self.offers.next().map(Move::Ask));
        }
        if self.returned == Returned::Offered && self.offers.is_idle() {
            self.returned = Returned::Settled;
            // What was put off is offered once more in another conversation.
            if self.offers.all_taken() {
                moves.push(Move::Ask(EdgeOp::NoteReturnedOffered));
            }
        }
        moves
    }

    /// The hub says something of a reconciliation.
    pub(super) fn heard(&mut self, now: Now, said: Reconcile) -> Result<(), Violation> {
        let Some(asker) = &mut self.asker else { return Ok(()) };
        match said.step {
            ReconcileStep::Answer(pieces) => {
                asker.answered(said.number, &pieces).map_err(violation)?;
                self.open.remove(&said.number);
                Ok(())
            }
            ReconcileStep::Busy { retry_after_ms } => {
                let pause = retry_after_ms.min(limits::RECONCILE_PAUSE_MS_MAX);
                self.paused_until = Some(now.saturating_add(pause.into()));
                Ok(())
            }
            ReconcileStep::Ask(_) | ReconcileStep::Done => Err(Violation::OutOfTurn),
        }
    }

    /// The hub answers an offer.
    pub(super) fn resupplied(&mut self, said: &Resupplied) -> Result<(), Violation> {
        self.offers.heard(said)
    }

    /// Storage answers.
    pub(super) fn answered(&mut self, now: Now, reply: EdgeReply) {
        if let EdgeReply::Returned(streams) = reply {
            let none = streams.is_empty();
            self.returned = if none { Returned::Settled } else { Returned::Offered };
            self.offers.add(streams, true);
        } else if let EdgeReply::Ids { ids, streams, after } = reply {
            self.said.extend(self.offers.listed(now, ids, streams, after).map(Message::from));
        } else if let EdgeReply::Held { entries, of } = reply {
            self.said.extend(self.offers.read(now, &entries, of).map(Message::from));
        }
    }

    /// Says again what was not answered in time.
    pub(super) fn expire(&mut self, now: Now) {
        self.said.extend(self.offers.overdue(now).map(Message::from));
        let Some(asker) = &self.asker else { return };
        if let Some(until) = self.paused_until {
            if until > now {
                return;
            }
            self.paused_until = None;
            self.open.values_mut().for_each(|again| again.due = now);
        }
        let ahead = self.open.len() * ANSWER_BYTES;
        for (number, again) in self.open.iter_mut().filter(|(_, again)| again.due <= now) {
            again.times += 1;
            again.due = due(now, ahead, again.times);
            let pieces = asker.again(*number).map(ReconcileStep::Ask);
            let question = pieces.map(|step| Reconcile { number: *number, step });
            self.said.extend(question.map(Message::from));
        }
    }

    /// The lane is started anew, and what waited on it is gone.
    pub(super) fn rewind(&mut self, now: Now) {
        self.open.values_mut().for_each(|again| again.due = now);
        self.offers.rewind(now);
        self.expire(now);
    }

    pub(super) fn next_timeout(&self) -> Option<Now> {
        let questions = match self.paused_until {
            Some(until) => self.asker.is_some().then_some(until),
            None => self.open.values().map(|again| again.due).min(),
        };
        questions.into_iter().chain(self.offers.next_timeout()).min()
    }
}

fn say(number: u32, step: ReconcileStep) -> Move<EdgeOp, Message> {
    Move::Say(Reconcile { number, step }.into())
}

pub(super) const fn violation(unsound: Unsound) -> Violation {
    match unsound {
        Unsound::TooMany => Violation::Limit,
        Unsound::Order | Unsound::OutOfTurn => Violation::Contradiction,
    }
}
