//! A count and a sum that prove two sets of entries equal.

use serde::{Deserialize, Serialize};

use crate::EntryId;

/// Number of entries and the sum of their ids modulo 2^256.
///
/// Order does not matter and entries can be taken out again. Sums can be forged by whoever chooses
/// many ids; the two who compare here are honest and at most faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SetDigest {
    /// How many entries.
    pub count: u64,
    sum: [u64; 4],
}

impl SetDigest {
    /// The digest of nothing.
    pub const EMPTY: Self = Self { count: 0, sum: [0; 4] };

    /// Adds one entry.
    pub fn insert(&mut self, id: &EntryId) {
        *self = self.plus(&Self { count: 1, sum: limbs(&id.0) });
    }

    /// The digest of two disjoint sets together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut carry = false;
        let mut sum = [0; 4];
        for ((out, a), b) in sum.iter_mut().zip(self.sum).zip(other.sum) {
            let (partial, over_a) = a.overflowing_add(b);
            let (total, over_b) = partial.overflowing_add(u64::from(carry));
            *out = total;
            carry = over_a || over_b;
        }
        Self { count: self.count.wrapping_add(other.count), sum }
    }

    /// The digest of this set without `other`, a part of it.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut borrow = false;
        let mut sum = [0; 4];
        for ((out, a), b) in sum.iter_mut().zip(self.sum).zip(other.sum) {
            let (partial, under_a) = a.overflowing_sub(b);
            let (total, under_b) = partial.overflowing_sub(u64::from(borrow));
            *out = total;
            borrow = under_a || under_b;
        }
        Self { count: self.count.wrapping_sub(other.count), sum }
    }

    /// The sum as 32 little-endian bytes, for tables.
    #[must_use]
    pub fn sum_bytes(&self) -> [u8; 32] {
        let mut out = [0; 32];
        for (chunk, limb) in out.chunks_exact_mut(8).zip(self.sum) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        out
    }

    /// Reads a digest from a table row.
    #[must_use]
    pub fn from_parts(count: u64, sum: &[u8; 32]) -> Self {
        Self { count, sum: limbs(sum) }
    }

    /// The half of the sum that travels; enough to tell honest sets apart.
    #[must_use]
    pub fn short(&self) -> [u8; 16] {
        let bytes = self.sum_bytes();
        bytes.first_chunk::<16>().copied().unwrap_or_default()
    }
}

fn limbs(bytes: &[u8; 32]) -> [u64; 4] {
    let mut out = [0; 4];
    for (limb, chunk) in out.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest_of(ids: &[[u8; 32]]) -> SetDigest {
        let mut digest = SetDigest::EMPTY;
        ids.iter().for_each(|id| digest.insert(&EntryId(*id)));
        digest
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_parts_can_be_taken_out(
            mut ids in proptest::collection::vec(any::<[u8; 32]>(), 0..20),
            split in any::<prop::sample::Index>(),
        ) {
            let forward = digest_of(&ids);
            let at = split.index(ids.len() + 1);
            let (left, right) = ids.split_at(at);
            prop_assert_eq!(digest_of(left).plus(&digest_of(right)), forward);
            prop_assert_eq!(forward.minus(&digest_of(left)), digest_of(right));
            ids.reverse();
            prop_assert_eq!(digest_of(&ids), forward);
            prop_assert_eq!(SetDigest::from_parts(forward.count, &forward.sum_bytes()), forward);
        }
    }

    #[test]
    fn a_carry_runs_through_all_limbs() {
        let mut low = [0; 32];
        low[0] = 1;
        let digest = digest_of(&[[0xff; 32], low]);
        assert_eq!(digest, SetDigest { count: 2, sum: [0; 4] });
    }
}
