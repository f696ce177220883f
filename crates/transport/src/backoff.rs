//! How long to wait before the next attempt to connect.
//!
//! The ceiling doubles with each failure; the wait is drawn from its upper half, so that a thousand
//! clinics that lost the hub in the same second do not all come back in the same second.

use std::time::Duration;

/// The shortest wait.
pub const WAIT_MIN: Duration = Duration::from_secs(1);

/// The longest wait. A clinic on a link that works for some minutes an hour must find them.
pub const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// Doublings until the ceiling is reached: 2 s · 2^9 = 1,024 s > 900 s.
const DOUBLINGS_MAX: u32 = 9;

const _: () = assert!((WAIT_MIN.as_secs() * 2) << DOUBLINGS_MAX >= WAIT_MAX.as_secs());

/// Counts failures in a row.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure, between [`WAIT_MIN`] and [`WAIT_MAX`].
    ///
    /// `random` is any uniformly drawn number; it chooses the place in the upper half of the current
    /// ceiling: 1–2 s after the first failure, 2–4 s after the second, 7.5–15 min in the end.
    pub fn next_wait(&mut self, random: u64) -> Duration {
        let ceiling = (WAIT_MIN * 2 * (1 << self.failures)).min(WAIT_MAX);
        self.failures = (self.failures + 1).min(DOUBLINGS_MAX);
        let half_ms = u64::try_from((ceiling / 2).as_millis()).unwrap_or(u64::MAX);
        ceiling / 2 + Duration::from_millis(random % (half_ms + 1))
    }

    /// Starts again from the shortest wait: the link worked, or something urgent waits.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..12).map(|_| backoff.next_wait(0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 450, 450, 450]);
        backoff.reset();
        assert_eq!(backoff.next_wait(0), WAIT_MIN);
    }

    #[test]
    fn two_clinics_do_not_wait_alike() {
        let wait = |random| Backoff::default().next_wait(random);
        assert_eq!(wait(0), Duration::from_millis(1_000));
        assert_eq!(wait(1_000), Duration::from_millis(2_000));
        assert_eq!(wait(1_001), Duration::from_millis(1_000));
    }

    proptest! {
        #[test]
        fn every_wait_is_within_bounds(randoms in prop::collection::vec(any::<u64>(), 1..50)) {
            let mut backoff = Backoff::default();
            for random in randoms {
                let wait = backoff.next_wait(random);
                prop_assert!((WAIT_MIN..=WAIT_MAX).contains(&wait));
            }
        }
    }
}
