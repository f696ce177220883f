//! Which copy of a node calls: what an edge says of its own past, and what the hub makes of it.
//!
//! A node's disk can be put back from a copy, and it can be copied and run twice. Each start of the
//! process draws an epoch, so the two are told apart by the tree of epochs that the hub keeps: a start
//! that follows the current one is a normal start, one that follows an earlier one is a restored copy
//! and becomes the current one, and whoever still runs what was left behind is a second copy.

use serde::{Deserialize, Serialize};

use crate::message::{Full, Hello, HelloAck, StreamState};
use crate::{Epoch, SetDigest};

/// One start of the edge's process and what was written under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRecord {
    /// The start.
    pub epoch: Epoch,
    /// The highest position written under it.
    pub head: u64,
    /// Short sum of the ids of all entries written under it.
    pub sum: [u8; 16],
}

/// A greeting with the past of the copy that calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The greeting.
    pub hello: Hello,
    /// The starts of this copy, the current one first, back to the last one that the hub is known to
    /// have welcomed.
    pub starts: Vec<StartRecord>,
}

/// The answer to an [`Opening`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The answer.
    pub answer: HelloAck,
    /// Whether another copy of the node is the current one, or wrote something else in the same
    /// places. This one may deliver what it wrote and gets nothing.
    pub second_copy: bool,
    /// Entries of the node's own that the hub holds. Who knows of fewer lost some, and says what it
    /// holds.
    pub own_entries: u64,
    /// Whether the hub's database came back from a backup and waits to hear that this node has sent
    /// all that it wrote: see [`Reported`].
    pub wants_report: bool,
}

/// Everything that was written here is at the hub, in this life of its database. A hub that came back
/// from a backup then knows what was decided here meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Which life.
    pub incarnation: u64,
}

/// What an edge holds of its own entries, stream by stream, because it lost some of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnHoldings {
    /// Each with count and short sum of the edge's own entries; of streams it leaves out it has none.
    pub streams: Vec<StreamState>,
    /// Whether more frames of it follow.
    pub more: bool,
}

/// Own entries that the edge lost. The next follow when these are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnEntries {
    /// Number of this message in the conversation, from 1.
    pub number: u64,
    /// The entries, each after the one before it in its chain. Positions in an epoch are not named.
    pub entries: Vec<Full>,
}

/// Own entries that came back are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnStored {
    /// The message that brought them.
    pub number: u64,
}

/// What the hub received of one start, beside what the edge says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedOf {
    /// The highest position received.
    pub highest: u64,
    /// Sum of the ids received; `None` where it was not kept.
    pub digest: Option<SetDigest>,
}

/// How what the edge says of a start fits what the hub received of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Nothing speaks against it.
    Fits,
    /// The hub has later entries: this copy is older than the start was in the end.
    Older,
    /// Both have equally many and they are others: two processes ran under one epoch.
    Other,
}

impl StartRecord {
    /// Compares with what the hub received.
    #[must_use]
    pub fn fit(&self, received: &ReceivedOf) -> Fit {
        if received.highest > self.head {
            return Fit::Older;
        }
        // Only a whole start can be compared by its sum.
        match received.digest {
            Some(digest) if digest.count == self.head && digest.short() != self.sum => Fit::Other,
            _ => Fit::Fits,
        }
    }
}

/// Where a copy's past joins what the hub knows of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// It is the current start, going on.
    Current,
    /// It is the first start of the node, or follows the current one.
    Next,
    /// It follows an earlier start than the current one: what came after that is left behind.
    Earlier(Epoch),
    /// It belongs to what was left behind.
    LeftBehind,
    /// None of its starts is known here.
    Unknown,
}

/// A start as the hub has it on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownStart {
    /// Which.
    pub epoch: Epoch,
    /// Whether it was left behind by a restored copy.
    pub abandoned: bool,
}

/// Where a copy joins: `current` is the node's current start at the hub, `me` the start that calls, if
/// the hub knows it, and `before` the newest of the starts before it that the hub knows.
#[must_use]
pub fn joins(current: Option<Epoch>, me: Option<KnownStart>, before: Option<KnownStart>) -> Joins {
    match (current, me, before) {
        (None, _, _) => Joins::Next,
        (Some(current), Some(me), _) if me.epoch == current => Joins::Current,
        // A start ends when the next one begins: who comes back under an older one runs beside it.
        (Some(_), Some(_), _) => Joins::LeftBehind,
        (Some(_), None, Some(before)) if before.abandoned => Joins::LeftBehind,
        (Some(current), None, Some(before)) if before.epoch == current => Joins::Next,
        (Some(_), None, Some(before)) => Joins::Earlier(before.epoch),
        (Some(_), None, None) => Joins::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntryId;

    fn record(head: u64, ids: &[u8]) -> StartRecord {
        StartRecord { epoch: Epoch(1), head, sum: digest(ids).short() }
    }

    fn digest(ids: &[u8]) -> SetDigest {
        let mut digest = SetDigest::EMPTY;
        ids.iter().for_each(|byte| digest.insert(&EntryId([*byte; 32])));
        digest
    }

    fn received(highest: u64, ids: &[u8]) -> ReceivedOf {
        ReceivedOf { highest, digest: Some(digest(ids)) }
    }

    #[test]
    fn a_start_is_compared_with_what_was_received_of_it() {
        for (said, received, expected) in [
            (record(3, &[1, 2, 3]), received(3, &[1, 2, 3]), Fit::Fits),
            (record(3, &[1, 2, 3]), received(2, &[1, 2]), Fit::Fits),
            (record(3, &[1, 2, 3]), received(3, &[1, 3]), Fit::Fits),
            (record(3, &[1, 2, 3]), received(0, &[]), Fit::Fits),
            (record(2, &[1, 2]), received(3, &[1, 2, 3]), Fit::Older),
            (record(3, &[1, 2, 4]), received(3, &[1, 2, 3]), Fit::Other),
            (record(3, &[1, 2, 4]), ReceivedOf { highest: 3, digest: None }, Fit::Fits),
        ] {
            assert_eq!(said.fit(&received), expected, "{said:?} {received:?}");
        }
    }

    #[test]
    fn a_copy_joins_the_tree_of_starts() {
        let known = |epoch: u64, abandoned| Some(KnownStart { epoch: Epoch(epoch), abandoned });
        let current = Some(Epoch(5));
        for (current, me, before, expected) in [
            (None, None, None, Joins::Next),
            (current, known(5, false), known(4, false), Joins::Current),
            (current, known(4, false), known(3, false), Joins::LeftBehind),
            (current, known(9, true), known(3, false), Joins::LeftBehind),
            (current, None, known(5, false), Joins::Next),
            (current, None, known(3, false), Joins::Earlier(Epoch(3))),
            (current, None, known(9, true), Joins::LeftBehind),
            (current, None, None, Joins::Unknown),
        ] {
            assert_eq!(joins(current, me, before), expected, "{me:?} {before:?}");
        }
    }
}
