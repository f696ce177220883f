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
///     let _ = sync_protocol::ReplayGuard::admit(entry, None, |_| None);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Signer;
    use crate::{ChainKey, Epoch, Flags, Header, StreamId};

    const KEY: ChainKey = ChainKey([3; 32]);

    fn entry(sseq: u32, sprev: EntryId, payload: &[u8]) -> Verified<Entry> {
        let signer = Signer::from_seed(&[1; 32]);
        let header = Header {
            origin: signer.node(),
            epoch: Epoch(1),
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

    /// Judges `entry` against a chain of `held` entries.
    fn judge(entry: &Verified<Entry>, held: &[Verified<Entry>]) -> Result<(), NotFresh> {
        let at = |sseq: SeqNo| held.iter().find(|one| one.get().header.sseq == sseq);
        let head =
            held.last().map(|last| ChainHead { sseq: last.get().header.sseq, id: last.id() });
        match ReplayGuard::admit(entry.clone(), head, |sseq| at(sseq).map(Verified::id)) {
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
        let head = Some(ChainHead { sseq: SeqNo(1), id: one.id() });
        let verdict = ReplayGuard::admit(one, head, |_| None).map_err(|(why, _)| why);
        assert_eq!(verdict, Err(NotFresh::Fork));
    }
}
