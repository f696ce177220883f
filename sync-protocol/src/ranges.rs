//! Sets of numbers that are mostly runs, such as the positions a peer has.

use serde::{Deserialize, Serialize};

/// Disjoint, ascending, inclusive runs of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// No number.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether no number is in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The runs, ascending.
    pub fn runs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// How many runs; what a peer may make us keep is bounded by this.
    #[must_use]
    pub const fn run_count(&self) -> usize {
        self.0.len()
    }

    /// Whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let after = self.0.partition_point(|&(low, _)| low <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, high)| number <= high)
    }

    /// Adds one number; answers whether it was new.
    pub fn insert(&mut self, number: u64) -> bool {
        let at = self.0.partition_point(|&(low, _)| low <= number);
        let joins_left = match at.checked_sub(1).and_then(|left| self.0.get(left)) {
            Some(&(_, high)) if number <= high => return false,
            Some(&(_, high)) => high.checked_add(1) == Some(number),
            None => false,
        };
        let joins_right =
            self.0.get(at).is_some_and(|&(low, _)| number.checked_add(1) == Some(low));
        match (joins_left, joins_right) {
            (true, true) => {
                let (_, high) = self.0.remove(at);
                if let Some(left) = self.0.get_mut(at - 1) {
                    left.1 = high;
                }
            }
            (true, false) => {
                if let Some(left) = self.0.get_mut(at - 1) {
                    left.1 = number;
                }
            }
            (false, true) => {
                if let Some(right) = self.0.get_mut(at) {
                    right.0 = number;
                }
            }
            (false, false) => self.0.insert(at, (number, number)),
        }
        true
    }

    /// Adds every number of `other`.
    pub fn merge(&mut self, other: &Self) {
        let mut all: Vec<(u64, u64)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(all.len());
        for (low, high) in all {
            match merged.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        self.0 = merged;
    }

    /// Whether the runs are as documented: what came from outside may not be.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.0.iter().all(|&(low, high)| low <= high)
            && self.0.iter().zip(self.0.iter().skip(1)).all(|(a, b)| a.1 < b.0.saturating_sub(1))
    }
}

impl FromIterator<u64> for Ranges {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut ranges = Self::new();
        for number in numbers {
            ranges.insert(number);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_behave_as_a_set(
            a in proptest::collection::vec(0_u64..60, 0..40),
            b in proptest::collection::vec(0_u64..60, 0..40),
        ) {
            let mut ranges: Ranges = a.iter().copied().collect();
            prop_assert!(ranges.is_well_formed());
            let mut model: BTreeSet<u64> = a.into_iter().collect();
            ranges.merge(&b.iter().copied().collect());
            model.extend(b);
            prop_assert!(ranges.is_well_formed());
            for number in 0..60 {
                prop_assert_eq!(ranges.contains(number), model.contains(&number));
            }
        }
    }
}
