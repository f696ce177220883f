//! Counts wrong tries to join, by where they come from.
//!
//! A token cannot be guessed; this keeps a program that tries anyway from costing the hub anything,
//! and shows an operator that there is one. Nothing is kept over a restart.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use vocab::Timestamp;

use crate::Refusal;

/// Wrong tries that one source has in [`WINDOW_SECONDS`]. Source: threat analysis, 3.4.
pub const WRONG_TRIES_MAX: usize = 5;

/// How long a wrong try counts.
pub const WINDOW_SECONDS: i64 = 60 * 60;

/// Sources that are remembered: some 400 kB. When there are more, the one that has been quiet for
/// longest is forgotten; to be forgotten costs an attacker this many other networks.
pub const SOURCES_MAX: usize = 4_096;

/// Where a request came from: one IPv4 address, or one IPv6 network of 64 bits, which is the least
/// that a customer is given, so that its 2^64 addresses are not as many tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.into()),
            IpAddr::V6(ip) => {
                let network = u128::from(ip) & !u128::from(u64::MAX);
                Self(Ipv6Addr::from(network).into())
            }
        }
    }
}

/// The wrong tries of the last hour. For one task at a time: ask, try, note, then the next.
#[derive(Debug, Default)]
pub struct WrongTries {
    /// The last tries of each source, oldest first, never more than [`WRONG_TRIES_MAX`].
    tries: BTreeMap<Source, Vec<Timestamp>>,
}

impl WrongTries {
    /// Whether `source` may try at `now`.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooManyTries`]. Do not look at the request then: who may not try must not learn
    /// whether the try was good.
    pub fn check(&mut self, now: Timestamp, source: Source) -> Result<(), Refusal> {
        let Some(tries) = self.tries.get_mut(&source) else { return Ok(()) };
        keep_recent(tries, now);
        match tries.first() {
            None => {
                self.tries.remove(&source);
                Ok(())
            }
            Some(first) if tries.len() >= WRONG_TRIES_MAX => {
                Err(Refusal::TooManyTries { retry_after_s: wait_seconds(*first, now) })
            }
            Some(_) => Ok(()),
        }
    }

    /// Counts a wrong try of `source` at `now`: one whose refusal
    /// [`is_wrong_try`](Refusal::is_wrong_try).
    pub fn note(&mut self, now: Timestamp, source: Source) {
        if !self.tries.contains_key(&source) {
            self.make_room(now);
        }
        let tries = self.tries.entry(source).or_default();
        keep_recent(tries, now);
        if tries.len() >= WRONG_TRIES_MAX {
            tries.remove(0);
        }
        tries.push(now);
    }

    /// How many sources are remembered.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.tries.len()
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.tries.len() < SOURCES_MAX {
            return;
        }
        self.tries.retain(|_, tries| {
            keep_recent(tries, now);
            !tries.is_empty()
        });
        if self.tries.len() < SOURCES_MAX {
            return;
        }
        let quietest = self.tries.iter().min_by_key(|(_, tries)| tries.last()).map(|(it, _)| *it);
        if let Some(quietest) = quietest {
            self.tries.remove(&quietest);
        }
    }
}

/// Drops tries that do not count any more. One that lies ahead, because the clock was set back,
/// counts as made now, so that nobody is shut out for longer than the window.
fn keep_recent(tries: &mut Vec<Timestamp>, now: Timestamp) {
    for tried_at in tries.iter_mut() {
        *tried_at = (*tried_at).min(now);
    }
    tries.retain(|tried_at| now < tried_at.plus_seconds(WINDOW_SECONDS));
}

/// Until the oldest try does not count, rounded up.
fn wait_seconds(first: Timestamp, now: Timestamp) -> u32 {
    let wait_ns = first.plus_seconds(WINDOW_SECONDS).nanos().saturating_sub(now.nanos());
    u32::try_from(wait_ns.max(0).unsigned_abs().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    fn source(text: &str) -> Source {
        text.parse::<IpAddr>().unwrap().into()
    }

    /// Tries that were wrong at these seconds.
    fn tried(seconds: &[i64]) -> WrongTries {
        let mut tries = WrongTries::default();
        seconds.iter().for_each(|second| tries.note(at(*second), source("192.0.2.7")));
        tries
    }

    #[test]
    fn the_sixth_try_of_an_hour_has_to_wait() {
        check(&[], at(0), None);
        check(&[0, 1, 2, 3], at(4), None);
        check(&[0, 1, 2, 3, 4], at(4), Some(3_596));
        check(&[0, 1, 2, 3, 4], at(3_599), Some(1));
        check(&[0, 1, 2, 3, 4], Timestamp::from_nanos(at(3_600).nanos() - 1), Some(1));
        check(&[0, 1, 2, 3, 4], at(3_600), None);
        check(&[0, 1, 2, 3, 4, 3_600], at(3_600), Some(1));
        check(&[0, 1, 2, 3, 4, 5, 6, 7], at(3_600), Some(3));
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out_for_longer() {
        check(&[10_000, 10_000, 10_000, 10_000, 10_000], at(0), Some(3_600));
        let mut tries = tried(&[10_000; 5]);
        assert!(tries.check(at(0), source("192.0.2.7")).is_err());
        assert_eq!(tries.check(at(3_600), source("192.0.2.7")), Ok(()));
        check(&[0, 0, 0, 0, 0], Timestamp::from_nanos(i64::MAX), None);
        check(&[0, 0, 0, 0, 0], Timestamp::from_nanos(i64::MIN), Some(3_600));
    }

    #[track_caller]
    fn check(seconds: &[i64], now: Timestamp, wait: Option<u32>) {
        let expected =
            wait.map_or(Ok(()), |retry_after_s| Err(Refusal::TooManyTries { retry_after_s }));
        assert_eq!(tried(seconds).check(now, source("192.0.2.7")), expected, "{seconds:?}");
    }

    #[test]
    fn a_source_is_an_address_or_a_network() {
        let mut tries = tried(&[0; 5]);
        (0..5).for_each(|_| tries.note(at(0), source("2001:db8:0:1::7")));
        for (text, waits) in [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:0:1:ffff::8", true),
            ("2001:db8:0:2::7", false),
        ] {
            assert_eq!(tries.check(at(1), source(text)).is_err(), waits, "{text}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_quietest_source_is_forgotten_first() {
        let mut tries = WrongTries::default();
        let nth = |n: usize| Source::from(IpAddr::from(u32::try_from(n).unwrap().to_be_bytes()));
        (0..5).for_each(|_| tries.note(at(0), nth(0)));
        (0..5).for_each(|_| tries.note(at(1), nth(1)));
        (2..=SOURCES_MAX).for_each(|n| tries.note(at(2), nth(n)));
        assert_eq!(tries.sources(), SOURCES_MAX);
        assert_eq!(tries.check(at(3), nth(0)), Ok(()));
        assert!(tries.check(at(3), nth(1)).is_err());
        // Whoever does not count any more makes room for all.
        tries.note(at(4_000), nth(SOURCES_MAX + 1));
        assert_eq!(tries.sources(), 1);
    }

    proptest! {
        /// Beside a model that remembers everything.
        #[test]
        fn at_most_five_wrong_tries_pass_in_any_hour(
            steps in prop::collection::vec((0_i64..1_500, any::<bool>()), 1..60),
        ) {
            let (mut tries, mut model, mut now) = (WrongTries::default(), Vec::new(), 0_i64);
            for (seconds, is_wrong) in steps {
                now += seconds;
                let recent = model.iter().filter(|tried_at| now - **tried_at < 3_600).count();
                let allowed = tries.check(at(now), source("192.0.2.7")).is_ok();
                prop_assert_eq!(allowed, recent < WRONG_TRIES_MAX);
                if allowed && is_wrong {
                    tries.note(at(now), source("192.0.2.7"));
                    model.push(now);
                }
            }
        }
    }
}
