//! Hybrid logical clock: wall time where the wall clock can be believed, a counter where not.
//!
//! It orders what is shown and breaks ties; it never decides what is true. A node follows a peer
//! that is ahead by at most [`AHEAD_MAX_MS`], so one node in the year 2099 cannot drag others.

use serde::{Deserialize, Serialize};

/// How far ahead of our own wall clock a peer may be before its time is ignored.
pub const AHEAD_MAX_MS: u64 = 5 * 60 * 1_000;

const COUNTER_BITS: u32 = 16;
const MS_MAX: u64 = (1 << 48) - 1;

/// 48 bits of milliseconds since 1970 and a 16-bit counter.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The wall-clock part.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The next value after `self` for something that happens at `wall_ms`; always greater.
    #[must_use]
    pub fn tick(self, wall_ms: u64) -> Self {
        let wall = wall_ms.min(MS_MAX) << COUNTER_BITS;
        Self(wall.max(self.0.saturating_add(1)))
    }

    /// What our clock becomes after seeing `remote`; unchanged when `remote` is too far ahead.
    #[must_use]
    pub fn observe(self, remote: Self, wall_ms: u64) -> Self {
        if remote.millis() <= wall_ms.saturating_add(AHEAD_MAX_MS) {
            self.max(remote)
        } else {
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the wall clock does, our own times only rise.
        #[test]
        fn own_times_rise_under_any_wall_clock(walls in proptest::collection::vec(any::<u64>(), 1..50)) {
            let mut clock = Hlc::default();
            for wall in walls {
                let next = clock.tick(wall);
                prop_assert!(next > clock || clock.0 == u64::MAX);
                clock = next;
            }
        }

        /// A peer never moves us more than five minutes ahead of our own wall clock.
        #[test]
        fn no_peer_drags_us_ahead(wall in 0..(1_u64 << 47), remote in any::<u64>()) {
            let clock = Hlc::default().tick(wall).observe(Hlc(remote), wall);
            prop_assert!(clock.millis() <= wall + AHEAD_MAX_MS);
        }
    }
}
