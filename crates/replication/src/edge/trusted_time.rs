//! What time it is, as far as a machine can know that whose clock anybody can set.
//!
//! Counted from the hub's clock when it was last heard: what the monotonic clock says has passed since,
//! or, where that is more, what the wall clock says. So a clock that is put back lengthens nothing, and
//! one that runs ahead shortens a lease until the hub is heard again. While the machine was off the
//! monotonic clock stood still: then only the wall clock tells, and where it shows an earlier time than
//! it did before, the time is *not confirmed*.

use vocab::Timestamp;

/// A clock that is corrected by so much, in milliseconds, was not put back.
const SLACK_MS: i64 = 120_000;

/// What is kept of it, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The hub's clock when it was last heard.
    pub hub_ms: i64,
    /// This machine's then.
    pub wall_ms: i64,
    /// What has passed since, at the least.
    pub passed_ms: i64,
    /// The latest time that this machine's clock has shown since.
    pub latest_ms: i64,
}

/// The time, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Not earlier than this, by the hub's clock.
    pub hub: Timestamp,
    /// What has passed since the hub was last heard, in seconds, at the least.
    pub passed_s: i64,
    /// Whether this machine's clock shows no earlier time than before it was started.
    pub is_confirmed: bool,
}

/// Follows the two clocks of a process.
#[derive(Clone, Debug, Default)]
pub struct TrustedTime {
    heard: Option<Heard>,
    /// The monotonic clock when it was last looked at; of this process only.
    looked_ms: Option<i64>,
    /// The hub's clock and the monotonic one at the last answer to this process.
    answer_ms: Option<(i64, i64)>,
    is_unconfirmed: bool,
}

impl TrustedTime {
    /// Goes on from what a process before this one kept; `None` if the hub was never heard.
    #[must_use]
    pub const fn new(heard: Option<Heard>) -> Self {
        Self { heard, looked_ms: None, answer_ms: None, is_unconfirmed: false }
    }

    /// Goes on from the time of a contact, where a process of an older version kept no more.
    #[must_use]
    pub const fn since(contact: Timestamp) -> Self {
        let ms = contact.millis();
        Self::new(Some(Heard { hub_ms: ms, wall_ms: ms, passed_ms: 0, latest_ms: ms }))
    }

    /// What to keep.
    #[must_use]
    pub const fn heard(&self) -> Option<Heard> {
        self.heard
    }

    /// The hub was heard, and its clock showed `hub`.
    pub fn hear(&mut self, hub: Timestamp, wall: Timestamp, monotonic_ms: u64) {
        let (wall_ms, hub_ms) = (wall.millis(), hub.millis());
        self.heard = Some(Heard { hub_ms, wall_ms, passed_ms: 0, latest_ms: wall_ms });
        self.looked_ms = Some(signed(monotonic_ms));
        self.answer_ms = Some((hub_ms, signed(monotonic_ms)));
        self.is_unconfirmed = false;
    }

    /// The conversation in which it answered goes on.
    pub fn still_hear(&mut self, wall: Timestamp, monotonic_ms: u64) {
        let Some((hub_ms, answered_ms)) = self.answer_ms else { return };
        let passed = signed(monotonic_ms).saturating_sub(answered_ms);
        let hub = Timestamp::from_millis(hub_ms.saturating_add(passed));
        let answer = self.answer_ms;
        self.hear(hub, wall, monotonic_ms);
        self.answer_ms = answer;
    }

    /// Something came that the hub signed when its clock showed `hub`, however long ago.
    pub fn hear_of(&mut self, hub: Timestamp, wall: Timestamp, monotonic_ms: u64) {
        self.look(wall, monotonic_ms);
        let Some(known) = self.known() else { return };
        let hub_ms = hub.millis();
        if self.heard.is_none_or(|heard| hub_ms <= heard.hub_ms) {
            return;
        }
        // Either it is older than that, and so long ago; or the time is later than was known here.
        let passed_ms = known.hub.millis().saturating_sub(hub_ms).max(0);
        let wall_ms = wall.millis();
        self.heard = Some(Heard {
            hub_ms,
            wall_ms: wall_ms.saturating_sub(passed_ms),
            passed_ms,
            latest_ms: wall_ms,
        });
        self.is_unconfirmed &= passed_ms > 0;
    }

    /// Looks at the clocks.
    pub fn look(&mut self, wall: Timestamp, monotonic_ms: u64) {
        let (wall_ms, monotonic_ms) = (wall.millis(), signed(monotonic_ms));
        let Some(heard) = &mut self.heard else { return };
        match self.looked_ms.replace(monotonic_ms) {
            Some(before) => {
                let passed = monotonic_ms.saturating_sub(before).max(0);
                heard.passed_ms = heard.passed_ms.saturating_add(passed);
            }
            // How long the machine was off nobody counted.
            None => self.is_unconfirmed = wall_ms < heard.latest_ms.saturating_sub(SLACK_MS),
        }
        if wall_ms >= heard.latest_ms {
            heard.latest_ms = wall_ms;
            heard.passed_ms = heard.passed_ms.max(wall_ms.saturating_sub(heard.wall_ms));
            self.is_unconfirmed = false;
        }
    }

    /// The time as it was at the last look; `None` if the hub was never heard.
    #[must_use]
    pub fn known(&self) -> Option<Known> {
        let heard = self.heard?;
        Some(Known {
            hub: Timestamp::from_millis(heard.hub_ms.saturating_add(heard.passed_ms)),
            passed_s: heard.passed_ms / 1_000,
            is_confirmed: !self.is_unconfirmed,
        })
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;
    const START: i64 = 1_790_000_000_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn heard_at_start() -> TrustedTime {
        let mut time = TrustedTime::default();
        // This machine's clock is an hour behind the hub's.
        time.hear(at(START + HOUR), at(START), 0);
        time
    }

    fn passed_hours(time: &TrustedTime) -> i64 {
        time.known().unwrap().passed_s * 1_000 / HOUR
    }

    #[test]
    fn time_passes_by_the_hubs_clock() {
        let mut time = heard_at_start();
        time.look(at(START + 5 * HOUR), 5 * 3_600_000);
        let known = time.known().unwrap();
        assert_eq!(known.hub, at(START + 6 * HOUR));
        assert_eq!((passed_hours(&time), known.is_confirmed), (5, true));
    }

    #[test]
    fn a_clock_that_is_put_back_lengthens_nothing() {
        let mut time = heard_at_start();
        for (n, wall) in [START - 30 * 24 * HOUR, 0, START].into_iter().enumerate() {
            time.look(at(wall), (n as u64 + 1) * 3_600_000);
        }
        assert_eq!(passed_hours(&time), 3);
        assert!(time.known().unwrap().is_confirmed, "this process counted");
        // Neither does putting it forward and back.
        time.look(at(START + 100 * HOUR), 4 * 3_600_000);
        time.look(at(START), 5 * 3_600_000);
        assert_eq!(passed_hours(&time), 101);
        // Until the hub is heard again.
        time.hear(at(START + 7 * HOUR), at(START), 5 * 3_600_000);
        assert_eq!(passed_hours(&time), 0);
    }

    #[test]
    fn a_start_charges_what_was_kept_and_what_the_wall_clock_adds() {
        let mut before = heard_at_start();
        before.look(at(START + 10 * HOUR), 10 * 3_600_000);
        let start_again = |wall: i64| {
            let mut time = TrustedTime::new(before.heard());
            time.look(at(wall), 0);
            (passed_hours(&time), time.known().unwrap().is_confirmed)
        };
        assert_eq!(start_again(START + 12 * HOUR), (12, true));
        assert_eq!(start_again(START + 10 * HOUR - 60_000), (10, true), "a small correction");
        assert_eq!(start_again(START + 9 * HOUR), (10, false));
        assert_eq!(start_again(0), (10, false), "a clock without a battery");
    }

    #[test]
    fn a_time_that_is_not_confirmed_is_so_until_the_clock_is_right_or_the_hub_is_heard() {
        let mut before = heard_at_start();
        before.look(at(START + 10 * HOUR), 10 * 3_600_000);
        let mut time = TrustedTime::new(before.heard());
        time.look(at(0), 0);
        time.look(at(HOUR), 3_600_000);
        assert_eq!((passed_hours(&time), time.known().unwrap().is_confirmed), (11, false));
        let mut heard = time.clone();
        heard.hear(at(START + 30 * HOUR), at(HOUR), 3_600_000);
        assert!(heard.known().unwrap().is_confirmed);
        time.look(at(START + 30 * HOUR), 3_600_000);
        assert_eq!((passed_hours(&time), time.known().unwrap().is_confirmed), (30, true));
    }

    #[test]
    fn a_conversation_that_goes_on_is_heard_by_the_monotonic_clock() {
        let mut time = heard_at_start();
        time.look(at(START + 900 * HOUR), 3_600_000);
        assert_eq!(passed_hours(&time), 900);
        time.still_hear(at(START + 900 * HOUR), 7_200_000);
        let known = time.known().unwrap();
        assert_eq!((known.hub, known.passed_s), (at(START + 3 * HOUR), 0));
        let mut silent = TrustedTime::new(time.heard());
        silent.still_hear(at(START), 5);
        assert_eq!(silent.heard(), time.heard(), "this process has not heard it");
    }

    #[test]
    fn what_a_courier_brings_tells_that_the_hub_was_heard_when_it_was_signed() {
        let mut time = heard_at_start();
        time.look(at(START + 100 * HOUR), 100 * 3_600_000);
        // The hub's clock is an hour ahead of ours. Signed 40 hours ago:
        time.hear_of(at(START + 61 * HOUR), at(START + 100 * HOUR), 100 * 3_600_000);
        let known = time.known().unwrap();
        assert_eq!((passed_hours(&time), known.hub), (40, at(START + 101 * HOUR)));
        // An older one says nothing.
        time.hear_of(at(START + 20 * HOUR), at(START + 100 * HOUR), 100 * 3_600_000);
        assert_eq!(passed_hours(&time), 40);
        time.look(at(START + 102 * HOUR), 102 * 3_600_000);
        assert_eq!(passed_hours(&time), 42);

        let mut unsure = TrustedTime::new(time.heard());
        unsure.look(at(0), 0);
        assert!(!unsure.known().unwrap().is_confirmed);
        unsure.hear_of(at(START + 70 * HOUR), at(0), 0);
        assert!(!unsure.known().unwrap().is_confirmed, "it is later than that in any case");
        unsure.hear_of(at(START + 900 * HOUR), at(0), 0);
        let known = unsure.known().unwrap();
        assert_eq!((passed_hours(&unsure), known.is_confirmed), (0, true));
    }

    #[test]
    fn a_hub_that_was_never_heard_tells_no_time() {
        let mut time = TrustedTime::new(None);
        time.look(at(START), 5);
        assert_eq!((time.known(), time.heard()), (None, None));
    }

    proptest! {
        /// Whatever is done to the wall clock, and however often the process is started: no less
        /// has passed than the processes counted, and it never becomes less.
        #[test]
        fn no_setting_of_the_clock_takes_time_back(
            steps in prop::collection::vec((any::<i64>(), 0..10_000_000_u64, any::<bool>()), 1..40),
        ) {
            let mut time = heard_at_start();
            let (mut monotonic, mut counted, mut before) = (0, 0, 0);
            for (wall, passed, starts) in steps {
                if starts {
                    time = TrustedTime::new(time.heard());
                    monotonic = 0;
                    time.look(Timestamp::from_nanos(wall), monotonic);
                }
                monotonic += passed;
                counted += i64::try_from(passed).unwrap();
                time.look(Timestamp::from_nanos(wall), monotonic);
                let now = time.heard().unwrap().passed_ms;
                prop_assert!(now >= counted && now >= before);
                before = now;
            }
        }
    }
}
