//! The states and the rule that chooses one.

use vocab::Timestamp;

use crate::ago;

/// A success younger than this makes nothing pending "up to date". Clinics are expected to sync
/// every quarter of an hour when they have a link.
pub(crate) const FRESH_SECONDS: i64 = 16 * 60;

/// Without a success for this long a person has to look.
pub(crate) const STALE_SECONDS: i64 = 12 * 60 * 60;

/// A clock that differs more from the hub's is a fault.
pub(crate) const CLOCK_OFF_MS_MAX: i64 = 2 * 60 * 1_000;

/// What the state is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Now, by this node's clock.
    pub now: Timestamp,
    /// Whether the clinic has joined a hub.
    pub joined: bool,
    /// When everything was last acknowledged.
    pub last_success: Option<Timestamp>,
    /// Whether the last attempt to reach the hub failed.
    pub last_attempt_failed: bool,
    /// Whether a conversation is open.
    pub session_open: bool,
    /// Entries that wait to reach the hub.
    pub pending: u64,
    /// Entries refused or set aside, forks, and whatever else a person has to look at.
    pub attention: u64,
    /// Whether the hub lets this node in no more.
    pub shut_out: bool,
    /// Whether the hub goes on with another copy of this node.
    pub second_copy: bool,
    /// How far the hub's clock was ahead of ours, if it was heard.
    pub clock_ahead_ms: Option<i64>,
}

/// How sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// No success yet.
    Never,
    /// Everything is at the hub.
    UpToDate,
    /// A conversation is open and entries are on their way.
    Syncing,
    /// Entries wait.
    Pending,
    /// The hub is not reached; everything is saved here.
    Offline,
    /// No success for too long.
    Stale,
    /// Something needs a person.
    Attention,
    /// The clock is wrong.
    Clock,
    /// The hub lets this node in no more: another has its place, or an operator decided so.
    ShutOut,
    /// Two copies of this node run, and the hub goes on with the other one.
    SecondCopy,
}

impl SyncState {
    /// Chooses the state: what needs a person goes first, then what is wrong, then what goes on.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        if facts.shut_out && !facts.session_open {
            return Self::ShutOut;
        }
        if facts.second_copy {
            return Self::SecondCopy;
        }
        let since = facts.last_success.map(|last| facts.now.seconds_since(last));
        let clock_off = facts.clock_ahead_ms.is_some_and(|ahead| ahead.abs() > CLOCK_OFF_MS_MAX);
        if clock_off || since.is_some_and(|seconds| seconds < -1) {
            return Self::Clock;
        }
        if facts.attention > 0 {
            return Self::Attention;
        }
        let Some(since) = since.filter(|_| facts.joined) else { return Self::Never };
        if since > STALE_SECONDS {
            Self::Stale
        } else if facts.session_open && facts.pending > 0 {
            Self::Syncing
        } else if facts.last_attempt_failed && !facts.session_open {
            Self::Offline
        } else if facts.pending > 0 || since >= FRESH_SECONDS {
            Self::Pending
        } else {
            Self::UpToDate
        }
    }

    /// The word for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::UpToDate => "up_to_date",
            Self::Syncing => "syncing",
            Self::Pending => "pending",
            Self::Offline => "offline",
            Self::Stale => "stale",
            Self::Attention => "attention",
            Self::Clock => "clock",
            Self::ShutOut => "shut_out",
            Self::SecondCopy => "second_copy",
        }
    }

    /// A mark that says it without colour.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Never => "◌",
            Self::UpToDate => "✓",
            Self::Syncing => "↻",
            Self::Pending => "●",
            Self::Offline => "○",
            Self::Stale | Self::ShutOut | Self::SecondCopy => "▲",
            Self::Attention => "!",
            Self::Clock => "⏰",
        }
    }

    /// The sentence for people.
    #[must_use]
    pub fn sentence(self, facts: &Facts) -> String {
        let last = facts
            .last_success
            .map_or_else(|| "never".to_owned(), |last| ago(facts.now.seconds_since(last)));
        let waiting = changes(facts.pending);
        match self {
            Self::Never if facts.joined => {
                format!("Not yet in step with the hub · {waiting} waiting")
            }
            Self::Never => "Not connected to a hub yet".to_owned(),
            Self::UpToDate => format!("Up to date · {last}"),
            Self::Syncing => format!("Sending · {waiting} left"),
            Self::Pending => format!("{waiting} waiting · last success {last}"),
            Self::Offline => format!("Offline · everything is saved here · last success {last}"),
            Self::Stale => format!("No sync for a long time · last success {last}"),
            Self::Attention if facts.attention == 1 => "1 item needs review".to_owned(),
            Self::Attention => format!("{} items need review", facts.attention),
            Self::ShutOut => "Shut out by the hub · nothing written here reaches it".to_owned(),
            Self::SecondCopy => {
                "A second copy of this clinic's node runs · nothing new arrives here".to_owned()
            }
            Self::Clock => "Check the clock of this machine".to_owned(),
        }
    }
}

/// `1 change`, `2 changes`.
fn changes(count: u64) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            now: Timestamp::from_millis(1_000_000_000_000),
            joined: true,
            last_success: Some(Timestamp::from_millis(1_000_000_000_000)),
            last_attempt_failed: false,
            session_open: true,
            pending: 0,
            attention: 0,
            shut_out: false,
            second_copy: false,
            clock_ahead_ms: Some(0),
        }
    }

    fn success(seconds_ago: i64) -> Option<Timestamp> {
        Some(facts().now.plus_seconds(-seconds_ago))
    }

    #[track_caller]
    fn check(facts: Facts, expected: SyncState) {
        assert_eq!(SyncState::of(&facts), expected, "{facts:?}");
    }

    #[test]
    fn the_state_changes_at_the_documented_edges() {
        check(facts(), SyncState::UpToDate);
        check(Facts { last_success: success(16 * 60 - 1), ..facts() }, SyncState::UpToDate);
        check(Facts { last_success: success(16 * 60), ..facts() }, SyncState::Pending);
        check(Facts { last_success: success(12 * 3_600), ..facts() }, SyncState::Pending);
        check(Facts { last_success: success(12 * 3_600 + 1), ..facts() }, SyncState::Stale);
        check(Facts { clock_ahead_ms: Some(120_000), ..facts() }, SyncState::UpToDate);
        check(Facts { clock_ahead_ms: Some(-120_001), ..facts() }, SyncState::Clock);
        check(Facts { last_success: success(-2), ..facts() }, SyncState::Clock);
    }

    #[test]
    fn what_was_never_acknowledged_is_never_called_up_to_date() {
        check(Facts { last_success: None, ..facts() }, SyncState::Never);
        check(Facts { joined: false, last_success: None, ..facts() }, SyncState::Never);
        check(Facts { pending: 1, ..facts() }, SyncState::Syncing);
        check(Facts { pending: 1, session_open: false, ..facts() }, SyncState::Pending);
    }

    #[test]
    fn a_hub_that_is_not_reached_is_offline_and_review_goes_before_it() {
        let offline = Facts { session_open: false, last_attempt_failed: true, ..facts() };
        check(offline, SyncState::Offline);
        check(Facts { pending: 9, ..offline }, SyncState::Offline);
        check(Facts { attention: 1, ..offline }, SyncState::Attention);
        check(Facts { attention: 1, shut_out: true, ..offline }, SyncState::ShutOut);
        check(Facts { shut_out: true, ..facts() }, SyncState::UpToDate);
        check(Facts { second_copy: true, ..facts() }, SyncState::SecondCopy);
        check(Facts { attention: 1, second_copy: true, ..offline }, SyncState::SecondCopy);
    }
}
