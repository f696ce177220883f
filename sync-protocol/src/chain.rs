//! Whether an entry continues its author's chain, was seen before, or contradicts it.
//!
//! A chain is what one author wrote in one stream, each entry linked to the one before. It may
//! *branch* where the author's process was started anew: a disk that was put back from a copy goes on
//! from where the copy ends, under a new epoch, and what was written after the copy stands beside it.
//! Within one epoch there is one history; a second one means a copied key.

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

/// What is held of the chain that an entry belongs to, as far as it matters for that entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Entries of the same epoch are held.
    Begun {
        /// The last of them.
        head: ChainHead,
        /// The one at the entry's position, if the head is not before it.
        held: Option<EntryId>,
    },
    /// None is: the entry is the first of its epoch.
    New {
        /// Where in this chain its predecessor stands, if that is held.
        before: Option<SeqNo>,
        /// The position of the chain that was stored last, under whatever epoch.
        have: SeqNo,
    },
}

impl Past {
    /// Of a chain of which nothing is held.
    pub const NOTHING: Self = Self::New { before: None, have: SeqNo(0) };
}

/// An entry that is authentic, new, and next in its chain; only such a one is stored. Made by
/// [`ReplayGuard::admit`] alone.
///
/// ```compile_fail,E0423
/// // The field is private: nobody can call an entry fresh that the guard did not admit.
/// fn invent(entry: sync_protocol::Entry) -> sync_protocol::Fresh<sync_protocol::Entry> {
///     sync_protocol::Fresh(entry)
/// }
/// ```
///
/// ```compile_fail,E0308
/// // An entry that was not verified is not admitted.
/// fn skip(entry: sync_protocol::Signed<sync_protocol::Entry>) {
///     let _ = sync_protocol::ReplayGuard::admit(entry, &sync_protocol::Past::NOTHING);
/// }
/// ```
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
    /// Judges `entry` against what is held of its chain.
    ///
    /// # Errors
    ///
    /// [`NotFresh`]; the entry comes back to be counted or kept aside.
    #[expect(clippy::result_large_err, reason = "the refused entry is wanted back, and is rare")]
    pub fn admit(
        entry: Verified<Entry>,
        past: &Past,
    ) -> Result<Fresh<Entry>, (NotFresh, Verified<Entry>)> {
        match Self::judge(&entry, past) {
            Ok(()) => Ok(Fresh(entry.into_inner())),
            Err(why) => Err((why, entry)),
        }
    }

    fn judge(entry: &Verified<Entry>, past: &Past) -> Result<(), NotFresh> {
        let header = &entry.get().header;
        match *past {
            Past::Begun { head, held } if header.sseq <= head.sseq => {
                Err(if held == Some(entry.id()) { NotFresh::Known } else { NotFresh::Fork })
            }
            Past::Begun { head, .. } if Some(header.sseq) != head.sseq.next() => {
                Err(NotFresh::Gap { have: head.sseq })
            }
            Past::Begun { head, .. } if header.sprev != head.id => Err(NotFresh::Fork),
            Past::Begun { .. } => Ok(()),
            Past::New { before, have } => Self::judge_first(header, before, have),
        }
    }

    /// The first entry of an epoch goes on from any entry of the chain, or begins it.
    fn judge_first(
        header: &crate::Header,
        before: Option<SeqNo>,
        have: SeqNo,
    ) -> Result<(), NotFresh> {
        let expected = match before {
            Some(before) => before.next(),
            None if header.sprev == EntryId::NONE => Some(SeqNo(1)),
            None => return Err(NotFresh::Gap { have }),
        };
        if Some(header.sseq) == expected { Ok(()) } else { Err(NotFresh::Fork) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Signer;
    use crate::{ChainKey, Epoch, Flags, Header, StreamId};

    const KEY: ChainKey = ChainKey([3; 32]);

    fn entry_of(epoch: u64, sseq: u32, sprev: EntryId, payload: &[u8]) -> Verified<Entry> {
        let signer = Signer::from_seed(&[1; 32]);
        let header = Header {
            origin: signer.node(),
            epoch: Epoch(epoch),
            stream: StreamId { scope: 1, subject: [2; 16], compartment: 1, generation: 0 },
            sseq: SeqNo(sseq),
            sprev,
            hlc: crate::hlc::Hlc(0),
            kind: 1,
            schema: 1,
            actor: [0; 16],
            flags: Flags::default(),
            payload_len: 0,
            commitment: [0; 32],
        };
        signer.sign(header, &KEY, payload.to_vec()).unwrap()
    }

    fn entry(sseq: u32, sprev: EntryId, payload: &[u8]) -> Verified<Entry> {
        entry_of(1, sseq, sprev, payload)
    }

    /// What `held` means for `entry`.
    fn past(entry: &Verified<Entry>, held: &[Verified<Entry>]) -> Past {
        let header = &entry.get().header;
        let of_epoch = || held.iter().filter(|one| one.get().header.epoch == header.epoch);
        let place = |one: &Verified<Entry>| one.get().header.sseq;
        match of_epoch().next_back() {
            Some(last) => Past::Begun {
                head: ChainHead { sseq: place(last), id: last.id() },
                held: of_epoch().find(|one| place(one) == header.sseq).map(Verified::id),
            },
            None => Past::New {
                before: held.iter().find(|one| one.id() == header.sprev).map(place),
                have: held.iter().map(place).max().unwrap_or(SeqNo(0)),
            },
        }
    }

    /// Judges `entry` against a chain of `held` entries.
    fn judge(entry: &Verified<Entry>, held: &[Verified<Entry>]) -> Result<(), NotFresh> {
        match ReplayGuard::admit(entry.clone(), &past(entry, held)) {
            Ok(fresh) => {
                assert_eq!(fresh.get(), entry.get());
                assert_eq!(&fresh.into_inner(), entry.get());
                Ok(())
            }
            Err((why, back)) => {
                assert_eq!(&back, entry, "what is not fresh comes back");
                Err(why)
            }
        }
    }

    #[test]
    fn a_chain_is_admitted_once_and_in_order() {
        let one = entry(1, EntryId::NONE, b"one");
        let two = entry(2, one.id(), b"two");
        let three = entry(3, two.id(), b"three");
        let held = [one.clone(), two.clone()];

        assert_eq!(judge(&one, &[]), Ok(()));
        assert_eq!(judge(&two, &held[..1]), Ok(()));
        assert_eq!(judge(&three, &held), Ok(()));

        assert_eq!(judge(&one, &held), Err(NotFresh::Known));
        assert_eq!(judge(&two, &held), Err(NotFresh::Known));

        assert_eq!(judge(&two, &[]), Err(NotFresh::Gap { have: SeqNo(0) }));
        assert_eq!(judge(&three, &held[..1]), Err(NotFresh::Gap { have: SeqNo(1) }));
    }

    #[test]
    fn another_entry_at_a_position_or_another_past_is_a_fork() {
        let one = entry(1, EntryId::NONE, b"one");
        let other_one = entry(1, EntryId::NONE, b"other");
        let two = entry(2, one.id(), b"two");
        let two_after_other = entry(2, other_one.id(), b"two");
        let held = [one, two];

        assert_eq!(judge(&other_one, &held), Err(NotFresh::Fork));
        assert_eq!(judge(&two_after_other, &held), Err(NotFresh::Fork));
        assert_eq!(judge(&two_after_other, &held[..1]), Err(NotFresh::Fork));
    }

    #[test]
    fn a_position_that_storage_lost_is_not_taken_twice() {
        let one = entry(1, EntryId::NONE, b"one");
        let past = Past::Begun { head: ChainHead { sseq: SeqNo(1), id: one.id() }, held: None };
        let verdict = ReplayGuard::admit(one, &past).map_err(|(why, _)| why);
        assert_eq!(verdict, Err(NotFresh::Fork));
    }

    #[test]
    fn a_later_start_goes_on_from_the_end_or_from_where_a_restored_copy_ends() {
        let one = entry_of(1, 1, EntryId::NONE, b"one");
        let two = entry_of(1, 2, one.id(), b"two");
        let three = entry_of(1, 3, two.id(), b"three");
        let held = [one.clone(), two.clone(), three.clone()];

        let after_all = entry_of(2, 4, three.id(), b"after a normal start");
        assert_eq!(judge(&after_all, &held), Ok(()));
        let after_copy = entry_of(2, 2, one.id(), b"after a copy from the first day");
        assert_eq!(judge(&after_copy, &held), Ok(()));

        let both = [one, two, three, after_copy.clone()];
        let next_of_copy = entry_of(2, 3, after_copy.id(), b"next");
        assert_eq!(judge(&next_of_copy, &both), Ok(()));
        assert_eq!(judge(&after_copy, &both), Err(NotFresh::Known));
        let second = entry_of(2, 2, after_copy.get().header.sprev, b"the same start again");
        assert_eq!(judge(&second, &both), Err(NotFresh::Fork));
        let old_branch = entry_of(1, 4, both[2].id(), b"from the branch that was left behind");
        assert_eq!(judge(&old_branch, &both), Ok(()));
    }

    #[test]
    fn a_start_that_goes_on_from_nowhere_waits_or_is_refused() {
        let one = entry_of(1, 1, EntryId::NONE, b"one");
        let two = entry_of(1, 2, one.id(), b"two");
        let first = entry_of(2, 3, two.id(), b"its predecessor is not here yet");
        assert_eq!(
            judge(&first, std::slice::from_ref(&one)),
            Err(NotFresh::Gap { have: SeqNo(1) })
        );
        let leaps = entry_of(2, 4, two.id(), b"leaves out a position");
        assert_eq!(judge(&leaps, &[one, two]), Err(NotFresh::Fork));
    }
}
