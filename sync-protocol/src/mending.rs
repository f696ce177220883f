//! What an edge and the hub say when they hold different things: which streams those are, and what
//! the hub lost and the edge still has.

use serde::{Deserialize, Serialize};

use crate::message::Full;
use crate::reconcile::Piece;

/// One step of finding the streams of which the hub's record of what the edge holds is not what it
/// holds. Those start over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconcile {
    /// Number of the question in the conversation, from 1; an answer has that of its question.
    pub number: u32,
    /// What is said.
    pub step: ReconcileStep,
}

/// A question, an answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReconcileStep {
    /// The edge asks.
    Ask(Vec<Piece>),
    /// The hub answers, after the commit that started over what differs.
    Answer(Vec<Piece>),
    /// The hub compares with as many edges as it can at once.
    Busy {
        /// When to ask again, milliseconds from now.
        retry_after_ms: u32,
    },
    /// The edge knows all it wants to know.
    Done,
}

/// Entries that the edge holds and nobody else may have any more: what others wrote, and own ones that
/// came back to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resupply {
    /// Number of the message in the conversation, from 1. The next follows when this is answered.
    pub number: u32,
    /// What is said.
    pub step: ResupplyStep,
}

/// An offer, or what was wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResupplyStep {
    /// Entries are held here: the first half of each id.
    Offer(Vec<[u8; 16]>),
    /// Some that were wanted, each after the one before it in its chain. Positions in an epoch are not
    /// named.
    Entries(Vec<Full>),
}

/// The hub's answer to a [`Resupply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resupplied {
    /// Number of the message that this answers.
    pub number: u32,
    /// What is said.
    pub step: ResuppliedStep,
}

/// What is wanted of an offer, or what became of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResuppliedStep {
    /// Places in the offer of what is not held here.
    Wanted(Vec<u16>),
    /// Said after the commit.
    Stored {
        /// Entries that cannot be taken now, but perhaps later: a permission or the beginning of a
        /// record is missing that may be on its way.
        put_off: u32,
    },
}
