//! How devices misbehave, repeatably.

use std::time::Duration;

/// What goes wrong and how often; the same seed gives the same faults for each device, whatever the
/// other devices do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Chance that a batch with a receipt is sent once more, 0 to 1.
    pub duplicate: f64,
    /// Chance that a batch goes out after the one that follows it.
    pub reorder: f64,
    /// Chance that a bit of the body is flipped on the first way.
    pub corrupt: f64,
    /// Chance that an answer is thrown away and the batch sent again.
    pub drop: f64,
    /// Longest random wait before a batch.
    pub delay: Duration,
    /// What the faults follow from.
    pub seed: u64,
}

/// Chances for one device: SplitMix64 of Steele, Lea and Flood.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of their own for `device`.
    pub(crate) fn new(seed: u64, device: &str) -> Self {
        // FNV-1a: spreads names that differ in one letter, and is the same everywhere.
        let hash = device.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly between 0 and 1, 1 excluded.
    fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// Whether something of this chance happens.
    pub(crate) fn happens(&mut self, chance: f64) -> bool {
        self.fraction() < chance
    }

    /// Evenly between nothing and `longest`.
    pub(crate) fn wait(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.fraction())
    }

    /// `body` with one bit of it turned over.
    pub(crate) fn flip_a_bit(&mut self, body: &[u8]) -> Vec<u8> {
        let mut flipped = body.to_vec();
        let count = u64::try_from(flipped.len().max(1)).unwrap_or(1);
        let place = usize::try_from(self.next() % count).unwrap_or(0);
        let bit = self.next() % 8;
        if let Some(byte) = flipped.get_mut(place) {
            *byte ^= 1 << bit;
        }
        flipped
    }

    /// The order in which `count` batches go out: some after the one that follows them.
    pub(crate) fn order(&mut self, count: usize, chance: f64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        let mut at = 0;
        while at + 1 < count {
            if self.happens(chance) {
                order.swap(at, at + 1);
                at += 1;
            }
            at += 1;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_device_give_the_same_faults() {
        let draw = |seed, device| Dice::new(seed, device).next();
        assert_eq!(draw(1, "a-mon"), draw(1, "a-mon"));
        assert_ne!(draw(1, "a-mon"), draw(2, "a-mon"));
        assert_ne!(draw(1, "a-mon"), draw(1, "b-mon"));
    }

    #[test]
    fn a_chance_comes_as_often_as_it_says() {
        check(0.0, 0..=0);
        check(0.1, 900..=1100);
        check(1.0, 10_000..=10_000);
    }

    #[track_caller]
    fn check(chance: f64, expected: std::ops::RangeInclusive<usize>) {
        let mut dice = Dice::new(7, "a-mon");
        let count = (0..10_000).filter(|_| dice.happens(chance)).count();
        assert!(expected.contains(&count), "{chance}: {count} of 10000");
    }

    #[test]
    fn a_flip_changes_one_bit() {
        let mut dice = Dice::new(7, "a-mon");
        for _ in 0..100 {
            let flipped = dice.flip_a_bit(&[0; 40]);
            assert_eq!(flipped.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        }
    }

    #[test]
    fn every_batch_goes_out_once_and_none_is_late_by_more_than_one() {
        let mut dice = Dice::new(7, "a-mon");
        assert_eq!(dice.order(4, 0.0), [0, 1, 2, 3]);
        assert_eq!(dice.order(5, 1.0), [1, 0, 3, 2, 4]);
        let order = dice.order(1_000, 0.3);
        assert!(order.iter().enumerate().all(|(at, index)| at.abs_diff(*index) <= 1));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1_000).collect::<Vec<_>>());
        assert_ne!(sorted, order);
    }
}
