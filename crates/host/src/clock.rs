//! The one place that reads a clock.
//!
//! Wall time says when something happened and can be wrong or jump; monotonic time says how long
//! something took and cannot. Everything else takes one of them as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use vocab::Timestamp;

/// Tells the time; cheap to clone. The system's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    Manual(Arc<Hands>),
}

/// What a manual clock shows.
#[derive(Debug)]
struct Hands {
    wall_nanos: AtomicI64,
    monotonic_nanos: AtomicU64,
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System { started: instant_now() })
    }

    /// The wall time. The machine's own, so it can be wrong by years on a box without a battery.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => system_now(),
            Source::Manual(hands) => Timestamp::from_nanos(hands.wall_nanos.load(Ordering::SeqCst)),
        }
    }

    /// Nanoseconds since this clock was made; never goes back.
    #[must_use]
    pub fn monotonic_nanos(&self) -> u64 {
        match &self.0 {
            Source::System { started } => {
                // 2^64 ns are 584 years.
                u64::try_from(instant_now().duration_since(*started).as_nanos()).unwrap_or(u64::MAX)
            }
            Source::Manual(hands) => hands.monotonic_nanos.load(Ordering::SeqCst),
        }
    }
}

/// A clock for tests; stands still until it is moved.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Hands>);

impl ManualClock {
    /// Stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(Hands {
            wall_nanos: AtomicI64::new(start.nanos()),
            monotonic_nanos: AtomicU64::new(0),
        }))
    }

    /// The clock that shows these hands.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(Arc::clone(&self.0)))
    }

    /// Lets `time` pass, on both the wall and the monotonic clock.
    pub fn advance(&self, time: Duration) {
        let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        self.0.wall_nanos.fetch_add(nanos, Ordering::SeqCst);
        self.0.monotonic_nanos.fetch_add(nanos.unsigned_abs(), Ordering::SeqCst);
    }

    /// Sets the wall clock, as an operator or a time server does; no time passes.
    pub fn set_wall(&self, to: Timestamp) {
        self.0.wall_nanos.store(to.nanos(), Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the monotonic clock")]
pub(crate) fn instant_now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the wall clock")]
pub(crate) fn system_now() -> Timestamp {
    let nanos = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, i64::wrapping_neg)
        }
    };
    Timestamp::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_is_no_time_that_passed() {
        let hands = ManualClock::new(Timestamp::from_millis(1_000));
        let clock = hands.clock();
        hands.advance(Duration::from_secs(2));
        assert_eq!((clock.now().millis(), clock.monotonic_nanos()), (3_000, 2_000_000_000));
        hands.set_wall(Timestamp::from_millis(0));
        assert_eq!((clock.now().millis(), clock.monotonic_nanos()), (0, 2_000_000_000));
    }

    #[test]
    fn the_system_clock_is_in_this_century_and_goes_forward() {
        let clock = Clock::system();
        assert!(clock.now() > "2024-01-01T00:00:00Z".parse().unwrap());
        let first = clock.monotonic_nanos();
        assert!(clock.monotonic_nanos() >= first);
    }
}
