//! The time as far as it can be trusted, and what is locked by it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use host::Clock;
use replication::edge::lease::Locks;
use replication::edge::trusted_time::{Heard, Known, TrustedTime};
use store::{Connection, StoreError};
use tokio::sync::Notify;
use vocab::{SiteId, Timestamp};

/// How often what is known of the time is kept for the next start, in milliseconds of the monotonic
/// clock.
const KEEP_EVERY_MS: u64 = 60_000;

/// Follows the clocks of this machine and the hub's.
#[derive(Debug)]
pub(crate) struct HubTime {
    clock: Clock,
    state: Mutex<State>,
    /// Notified when the hub was heard, so that this is kept at once.
    pub(crate) was_heard: Notify,
}

#[derive(Debug)]
struct State {
    time: TrustedTime,
    kept_ms: Option<u64>,
}

impl HubTime {
    /// Goes on from what was kept; `last_success` stands for it after a version that kept nothing.
    pub(crate) fn new(clock: Clock, kept: Option<Heard>, last_success: Option<Timestamp>) -> Self {
        let time = match (kept, last_success) {
            (None, Some(contact)) => TrustedTime::since(contact),
            (kept, _) => TrustedTime::new(kept),
        };
        Self { clock, state: Mutex::new(State { time, kept_ms: None }), was_heard: Notify::new() }
    }

    /// The hub answered, and its clock showed `hub_ms`, in milliseconds since 1970.
    pub(crate) fn heard(&self, hub_ms: u64) {
        let hub = Timestamp::from_millis(i64::try_from(hub_ms).unwrap_or(i64::MAX));
        let mut state = self.lock();
        state.time.hear(hub, self.clock.now(), self.monotonic_ms());
        state.kept_ms = None;
        self.was_heard.notify_one();
    }

    /// A bundle came that the hub signed when its clock showed this.
    pub(crate) fn heard_of(&self, hub_ms: u64) {
        let hub = Timestamp::from_millis(i64::try_from(hub_ms).unwrap_or(i64::MAX));
        let mut state = self.lock();
        state.time.hear_of(hub, self.clock.now(), self.monotonic_ms());
        state.kept_ms = None;
    }

    /// The conversation in which it answered goes on.
    pub(crate) fn still_heard(&self) {
        self.lock().time.still_hear(self.clock.now(), self.monotonic_ms());
    }

    /// The time now; `None` if the hub was never heard.
    pub(crate) fn known(&self) -> Option<Known> {
        let mut state = self.lock();
        state.time.look(self.clock.now(), self.monotonic_ms());
        state.time.known()
    }

    /// What to keep for the next start, when that is due.
    pub(crate) fn to_keep(&self) -> Option<Heard> {
        let now_ms = self.monotonic_ms();
        self.known();
        let mut state = self.lock();
        if state.kept_ms.is_some_and(|kept| now_ms.saturating_sub(kept) < KEEP_EVERY_MS) {
            return None;
        }
        state.kept_ms = Some(now_ms);
        state.time.heard()
    }

    /// What to keep at the end of the process.
    pub(crate) fn last(&self) -> Option<Heard> {
        self.known();
        self.lock().time.heard()
    }

    /// The time that an emergency's end is counted by, and whether it is confirmed.
    pub(crate) fn counted(&self) -> (Timestamp, bool) {
        self.known().map_or_else(
            // Where the hub was never heard nothing else is known.
            || (self.clock.now(), false),
            |known| (known.hub, known.is_confirmed),
        )
    }

    /// What the clinic `site` may not open now.
    pub(crate) fn locks(&self, conn: &Connection, site: SiteId) -> Result<Locks, StoreError> {
        let mut locks = Locks::now(conn, self.known())?;
        if !locks.is_empty() {
            for opened in consent::emergency::open_at(conn, site, self.counted().0)? {
                locks.open(opened.access.patient, &opened.access.opened_parts());
            }
        }
        Ok(locks)
    }

    fn monotonic_ms(&self) -> u64 {
        self.clock.monotonic_nanos() / 1_000_000
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use host::clock::ManualClock;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_start_goes_on_from_what_was_kept() {
        let hands = ManualClock::new(Timestamp::from_millis(1_000_000));
        let time = HubTime::new(hands.clock(), None, None);
        assert_eq!((time.known(), time.to_keep()), (None, None));
        time.heard(9_000_000);
        let first = time.to_keep().unwrap();
        assert_eq!((first.hub_ms, first.passed_ms), (9_000_000, 0));
        assert_eq!(time.to_keep(), None, "not every second");
        hands.advance(DAY);
        let kept = time.to_keep().unwrap();
        assert_eq!(kept.passed_ms, 86_400_000);
        let again = HubTime::new(hands.clock(), Some(kept), None);
        assert_eq!(again.known().unwrap().passed_s, 86_400);
        again.still_heard();
        assert_eq!(again.known().unwrap().passed_s, 86_400, "not by this process");
        let upgraded = HubTime::new(hands.clock(), None, Some(Timestamp::from_millis(1_000_000)));
        assert_eq!(upgraded.known().unwrap().passed_s, 86_400);
    }
}
