//! What is known of the way to the hub, for status and pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sync_protocol::exchange::{Closed, Tally};
use tokio::sync::Notify;
use transport::drive::{Ended, Progress};
use transport::link::{LinkError, LinkStats};
use transport::{Link, Road, close_code};
use vocab::Timestamp;

/// A conversation that is idle counts as a success again at most this often, so that "last
/// success" moves while nothing is written.
const SUCCESS_EVERY_SECONDS: i64 = 1;

const SECOND_COPY: &str = "two copies of this node run, and the hub goes on with the other one; what \
    was written here is at the hub. Stop one of the two. If this is the one to go on, stop it, start \
    an empty data folder with `edge-node init`, and join with a new invitation for this clinic \
    (`hub invite --site NAME`)";
const NOT_LET_IN: &str = "the hub no longer lets this node in: another node has taken its place, or \
    an operator has shut it out; what is here stays readable";

/// What is known of the way to the hub.
#[derive(Debug, Default)]
pub(crate) struct SyncBoard {
    state: Mutex<SyncFacts>,
    link: Mutex<Option<Arc<Link>>>,
    asked: Notify,
    joined: Notify,
}

/// The facts that the one sync state is computed from, and a few figures.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncFacts {
    pub(crate) last_success: Option<Timestamp>,
    pub(crate) last_attempt_failed: bool,
    pub(crate) session_open: bool,
    /// The road of the conversation that is open.
    pub(crate) road: Option<Road>,
    pub(crate) steady: bool,
    pub(crate) idle: bool,
    pub(crate) refusal: Option<String>,
    /// Whether that was that the hub lets this node in no more.
    pub(crate) shut_out: bool,
    pub(crate) second_copy: bool,
    pub(crate) hub_clock_ahead_ms: Option<i64>,
    pub(crate) tally: Tally,
    pub(crate) link_sent_bytes: u64,
    pub(crate) link_received_bytes: u64,
    finished: (u64, u64),
}

impl SyncBoard {
    /// A board that knows when a process before this one last succeeded.
    pub(crate) fn new(last_success: Option<Timestamp>) -> Self {
        let board = Self::default();
        board.lock().last_success = last_success;
        board
    }

    /// What is known now. A conversation in which nothing waits is a success as long as it is open.
    pub(crate) fn facts(&self, now: Timestamp) -> SyncFacts {
        let mut state = self.lock();
        if state.session_open && state.steady && state.idle {
            state.last_success = Some(now);
        }
        let mut facts = state.clone();
        drop(state);
        let live = self.link().as_ref().map(|link| link.stats()).unwrap_or_default();
        facts.link_sent_bytes = facts.finished.0 + live.sent_bytes;
        facts.link_received_bytes = facts.finished.1 + live.received_bytes;
        facts
    }

    /// Entries of others stored in this conversation.
    pub(crate) fn stored(&self) -> u64 {
        self.lock().tally.entries_stored
    }

    /// Somebody wants a conversation now.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }

    pub(crate) async fn asked_for(&self) {
        self.asked.notified().await;
    }

    /// A hub was joined.
    pub(crate) fn join(&self) {
        self.joined.notify_one();
    }

    pub(crate) async fn joined(&self) {
        self.joined.notified().await;
    }

    pub(crate) fn waiting(&self, wait: Duration) {
        tracing::debug!(wait_ms = wait.as_millis(), "waiting before the next attempt");
    }

    pub(crate) fn failed(&self, sentence: &str) {
        let mut facts = self.lock();
        facts.last_attempt_failed = true;
        facts.refusal = Some(sentence.to_owned());
    }

    pub(crate) fn connected(&self, link: Arc<Link>) {
        let road = link.road();
        *self.link() = Some(link);
        let mut facts = self.lock();
        facts.session_open = true;
        facts.road = Some(road);
        facts.steady = false;
        facts.idle = false;
    }

    pub(crate) fn disconnected(&self, ended: &Ended) {
        let stats: LinkStats = self.link().take().map(|link| link.stats()).unwrap_or_default();
        let mut facts = self.lock();
        facts.finished.0 += stats.sent_bytes;
        facts.finished.1 += stats.received_bytes;
        facts.session_open = false;
        facts.road = None;
        facts.idle = false;
        facts.shut_out = matches!(
            ended,
            Ended::Link(
                LinkError::NotAdmitted | LinkError::ClosedByPeer { code: close_code::REVOKED }
            )
        );
        facts.second_copy = matches!(ended, Ended::Conversation(Closed::SecondCopy));
        facts.last_attempt_failed = !matches!(ended, Ended::Finished);
        facts.refusal = match ended {
            Ended::Link(_) if facts.shut_out => Some(NOT_LET_IN.to_owned()),
            Ended::Link(LinkError::ClosedByPeer { code: close_code::STOPPING }) => {
                Some("the hub was stopped".to_owned())
            }
            Ended::Conversation(Closed::SecondCopy) => Some(SECOND_COPY.to_owned()),
            Ended::Conversation(Closed::NoCommonVersion) | Ended::Link(_) => {
                Some(ended.to_string())
            }
            Ended::Conversation(_) | Ended::Finished => None,
        };
    }

    pub(crate) fn progress(&self, progress: Progress, now: Timestamp) {
        let mut facts = self.lock();
        facts.steady = progress.steady;
        facts.shut_out &= !progress.steady;
        facts.second_copy &= !progress.steady;
        facts.idle = progress.idle;
        facts.tally = progress.tally;
        if let Some(hub) = progress.peer_wall_ms
            && facts.hub_clock_ahead_ms.is_none()
        {
            let hub = i64::try_from(hub).unwrap_or(i64::MAX);
            facts.hub_clock_ahead_ms = Some(hub.saturating_sub(now.millis()));
        }
        let stale = facts
            .last_success
            .is_none_or(|last| now.seconds_since(last).abs() >= SUCCESS_EVERY_SECONDS);
        if progress.steady && progress.idle && stale {
            facts.last_success = Some(now);
            facts.last_attempt_failed = false;
            facts.refusal = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, SyncFacts> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_conversation_in_which_nothing_waits_is_a_success() {
        let now = Timestamp::from_millis(1_000_000_000_000);
        check(true, true, now, Some(now));
        check(true, false, now, None);
        check(false, true, now, None);
        check(false, false, now, None);
    }

    #[track_caller]
    fn check(steady: bool, idle: bool, now: Timestamp, expected: Option<Timestamp>) {
        let board = SyncBoard::default();
        board.failed("the hub is not reached");
        let tally = Tally::default();
        board.progress(Progress { steady, idle, tally, closed: None, peer_wall_ms: None }, now);
        let facts = board.facts(now);
        assert_eq!(facts.last_success, expected);
        assert_eq!(facts.last_attempt_failed, expected.is_none());
        // As long as it is open; not longer.
        let later = now.plus_seconds(3_600);
        assert_eq!(board.facts(later).last_success, expected);
        board.lock().session_open = true;
        assert_eq!(board.facts(later).last_success, expected.map(|_| later));
    }
}
