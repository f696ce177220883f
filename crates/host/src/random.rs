//! The one place that draws randomness: keys, invitations, ids, epochs, jitter.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use vocab::Timestamp;

/// Draws bytes; cheap to clone. The system's generator, or a repeatable one for tests.
#[derive(Clone)]
pub struct Random(Source);

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<u64>>),
}

impl Random {
    /// The operating system's generator, fit for keys.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The same bytes for the same `seed`: for tests and simulations, never for a key.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(seed))))
    }

    /// Fills `target`.
    ///
    /// # Panics
    ///
    /// When the operating system has no randomness to give. A program that went on would make keys
    /// that can be guessed.
    pub fn fill(&self, target: &mut [u8]) {
        match &self.0 {
            Source::System => system_fill(target),
            Source::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in target.chunks_mut(8) {
                    let word = split_mix(&mut state).to_le_bytes();
                    chunk.iter_mut().zip(word).for_each(|(to, from)| *to = from);
                }
            }
        }
    }

    /// `N` bytes.
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number of 64 random bits, for jitter and epochs.
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A UUID version 7: 48 bits of `now` in milliseconds, then 74 random bits.
    ///
    /// # Panics
    ///
    /// As [`fill`](Self::fill).
    #[must_use]
    pub fn uuid(&self, now: Timestamp) -> Uuid {
        // A clock before 1970 is broken; its ids are still unique by their random bits.
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Random(system)",
            Source::Seeded(_) => "Random(seeded)",
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that draws randomness")]
fn system_fill(target: &mut [u8]) {
    if let Err(error) = getrandom::fill(target) {
        panic!("the operating system gives no randomness: {error}");
    }
}

/// SplitMix64 of Steele, Lea and Flood: short, and every seed gives another run.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_another_seed_others() {
        let draw = |seed| Random::seeded(seed).bytes::<20>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        // The reference output of SplitMix64 for seed 0.
        assert_eq!(Random::seeded(0).number(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn two_draws_of_the_system_differ() {
        assert_ne!(Random::system().bytes::<32>(), Random::system().bytes::<32>());
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made_at() {
        let random = Random::seeded(7);
        let early = random.uuid(Timestamp::from_millis(1_000));
        let late = random.uuid(Timestamp::from_millis(1_001));
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
    }
}
