//! Whether an entry continues its author's chain, was seen before, or contradicts it.

use serde::{Deserialize, Serialize};

use crate::{Entry, EntryId, SeqNo, Verified};

/// The last entry held of one author in one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Its position.
    pub sseq: SeqNo,
    /// Its name.
    pub id: EntryId,
}

/// An entry that is authentic, new, and next in its chain; only such a one is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh<T>(T);

impl<T> Fresh<T> {
    /// What is fresh.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What is fresh, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Why an authentic entry is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFresh {
    /// It is already here: a repeat, answered like the first time.
    #[error("already held")]
    Known,
    /// Something before it is missing; the sender should start at the position after `have`.
    #[error("the chain is held up to {have:?} only")]
    Gap {
        /// The last position held.
        have: SeqNo,
    },
    /// The author wrote two different entries for this position, or linked it to another past.
    #[error("the author's chain forks here")]
    Fork,
}

/// Admits each entry of a chain once and in order.
#[derive(Debug)]
pub struct ReplayGuard;

impl ReplayGuard {
    /// Judges `entry` against the `head` of its chain; `held` looks up the entry at a position that
    /// was stored before.
    ///
    /// # Errors
    ///
    /// [`NotFresh`]; the entry comes back to be counted or kept aside.
    #[expect(clippy::result_large_err, reason = "the refused entry is wanted back, and is rare")]
    pub fn admit(
        entry: Verified<Entry>,
        head: Option<ChainHead>,
        held: impl FnOnce(SeqNo) -> Option<EntryId>,
    ) -> Result<Fresh<Entry>, (NotFresh, Verified<Entry>)> {
        let have = head.map_or(SeqNo(0), |head| head.sseq);
        let header = &entry.get().header;
        if header.sseq <= have {
            let same = held(header.sseq) == Some(entry.id());
            return Err((if same { NotFresh::Known } else { NotFresh::Fork }, entry));
        }
        if Some(header.sseq) != have.next() {
            return Err((NotFresh::Gap { have }, entry));
        }
        if header.sprev != head.map_or(EntryId::NONE, |head| head.id) {
            return Err((NotFresh::Fork, entry));
        }
        Ok(Fresh(entry.into_inner()))
    }
}
