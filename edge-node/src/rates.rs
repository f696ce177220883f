//! How many batches each device may send: a device that floods the node slows only itself.

use std::num::NonZeroU32;
use std::time::Duration;

use devices::DeviceNo;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Per-device limits. Only devices that were admitted have an entry, so memory is bounded by the
/// registry.
pub(crate) struct Rates {
    limiter: DefaultKeyedRateLimiter<i64>,
    clock: DefaultClock,
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rates")
    }
}

impl Rates {
    /// `per_second` sustained and `burst` at once; zero counts as one.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst));
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default() }
    }

    /// Counts a batch of a device.
    ///
    /// # Errors
    ///
    /// How long to wait until the next is taken.
    pub(crate) fn check(&self, device: DeviceNo) -> Result<(), Duration> {
        self.limiter
            .check_key(&device.raw())
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_the_next_waits_while_others_go_on() {
        let rates = Rates::new(1, 3);
        let (one, other) = (DeviceNo::from_raw(1), DeviceNo::from_raw(2));
        for _ in 0..3 {
            rates.check(one).unwrap();
        }
        let wait = rates.check(one).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1));
        rates.check(other).unwrap();
    }
}
