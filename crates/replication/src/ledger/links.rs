//! Whether entries, visited in the order they were stored, link up to chains.

use std::collections::{BTreeMap, HashMap};

use sync_protocol::{EntryId, Epoch, SeqNo};

/// An entry's position and name.
pub(super) type Place = (SeqNo, EntryId);

/// The last entry of a chain, and how many there are.
pub(super) type End = (Place, u64);

/// What was visited of one stream.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Where each epoch of a chain ends.
    branches: BTreeMap<(i64, Epoch), Place>,
    /// The last entry visited of each chain, and how many there were.
    ends: BTreeMap<i64, End>,
    /// Where each entry stands.
    places: HashMap<(i64, EntryId), SeqNo>,
}

impl Links {
    /// Visits an entry; answers whether it follows the one before it in its epoch, or, as the first of
    /// its epoch, any of its chain or none.
    pub(super) fn follows(
        &mut self,
        chain: i64,
        epoch: Epoch,
        (sseq, id): Place,
        sprev: EntryId,
    ) -> bool {
        let before = match self.branches.get(&(chain, epoch)) {
            Some(&(before, head)) => (head == sprev).then_some(before),
            None if sprev == EntryId::NONE => Some(SeqNo(0)),
            None => self.places.get(&(chain, sprev)).copied(),
        };
        self.branches.insert((chain, epoch), (sseq, id));
        self.places.insert((chain, id), sseq);
        let count = self.ends.get(&chain).map_or(0, |(_, count)| *count);
        self.ends.insert(chain, ((sseq, id), count + 1));
        before.is_some_and(|before| before.next() == Some(sseq))
    }

    /// The last entry visited of a chain, and how many there were.
    pub(super) fn end(&self, chain: i64) -> End {
        self.ends.get(&chain).copied().unwrap_or(((SeqNo(0), EntryId::NONE), 0))
    }
}
