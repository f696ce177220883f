//! How backups stand, in one place for status, page, health and metrics.

use std::path::PathBuf;

use vocab::Timestamp;

/// A backup that was read back when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    /// Its number.
    pub number: u64,
    /// When its state of the database was read.
    pub made_at: Timestamp,
    /// Length of the database in it.
    pub bytes: u64,
    /// Whether its folder is on another file system than the data.
    pub second_medium: bool,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// When.
    pub at: Timestamp,
    /// One word of a small set.
    pub word: &'static str,
    /// For the operator.
    pub sentence: String,
}

/// One word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// None is configured.
    Off,
    /// None is there yet.
    NoneYet,
    /// The last is as young as the settings want.
    Fresh,
    /// The last is older than two intervals.
    Late,
    /// The last attempt failed.
    Failing,
}

impl State {
    /// For programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::NoneYet => "none-yet",
            Self::Fresh => "fresh",
            Self::Late => "late",
            Self::Failing => "failing",
        }
    }
}

/// How backups stand at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where they go; `None` when none are configured.
    pub folder: Option<PathBuf>,
    /// Minutes between two; 0 for only when asked.
    pub every_minutes: u32,
    /// Whether a folder on the data's own file system counts.
    pub same_disk_counts: bool,
    /// The last good one in that folder.
    pub last_good: Option<Good>,
    /// The last attempt, if it failed.
    pub failed: Option<Failed>,
    /// The time of this look.
    pub now: Timestamp,
}

impl Standing {
    /// Seconds since the last good one.
    #[must_use]
    pub fn age_seconds(&self) -> Option<u64> {
        let good = self.last_good.as_ref()?;
        Some(self.now.seconds_since(good.made_at).max(0).unsigned_abs())
    }

    /// In one word.
    #[must_use]
    pub fn state(&self) -> State {
        let late_seconds = u64::from(self.every_minutes) * 2 * 60;
        match (&self.folder, &self.failed, self.age_seconds()) {
            (None, _, _) => State::Off,
            (Some(_), Some(_), _) => State::Failing,
            (Some(_), None, None) => State::NoneYet,
            (Some(_), None, Some(age)) if late_seconds > 0 && age > late_seconds => State::Late,
            (Some(_), None, Some(_)) => State::Fresh,
        }
    }

    /// Whether what is in the last good one is on a second medium.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.last_good.as_ref().is_some_and(|good| good.second_medium || self.same_disk_counts)
    }

    /// When the state of the last good one was read, seconds since 1970; 0 for none.
    #[must_use]
    pub fn last_good_seconds(&self) -> u64 {
        let at = self.last_good.as_ref().map_or(0, |good| good.made_at.millis() / 1_000);
        at.max(0).unsigned_abs()
    }

    /// What a person should look at, or nothing.
    #[must_use]
    pub fn trouble(&self) -> String {
        match self.state() {
            State::Late | State::Failing => format!("Backup: {}.", self.sentence()),
            State::Off | State::NoneYet | State::Fresh => String::new(),
        }
    }

    /// In a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Some(folder) = &self.folder else {
            return "no backup is configured: what is here is on this disk only".to_owned();
        };
        let mut text = match (&self.last_good, self.age_seconds()) {
            (Some(good), Some(age)) => format!(
                "number {} of {} ({} minutes ago) in {}",
                good.number,
                good.made_at,
                age / 60,
                folder.display()
            ),
            _ => format!("none yet in {}", folder.display()),
        };
        if self.last_good.is_some() && !self.counts() {
            text.push_str(
                "; it is on the same disk as the data and counts for nothing when that is lost",
            );
        }
        if self.state() == State::Late {
            text.push_str("; the next is overdue");
        }
        if let Some(failed) = &self.failed {
            text.push_str(&format!(
                "; the last attempt failed at {}: {}",
                failed.at, failed.sentence
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_follows_from_settings_age_and_the_last_attempt() {
        let good = |seconds: i64| Good {
            number: 3,
            made_at: Timestamp::from_millis(1_000_000 - seconds * 1_000),
            bytes: 1,
            second_medium: true,
        };
        let failed =
            Failed { at: Timestamp::from_millis(0), word: "medium", sentence: String::new() };
        let off = Standing {
            folder: None,
            every_minutes: 1,
            same_disk_counts: false,
            last_good: None,
            failed: None,
            now: Timestamp::from_millis(1_000_000),
        };
        let on = Standing { folder: Some(PathBuf::from("/b")), ..off.clone() };
        let made = |seconds: i64| Standing { last_good: Some(good(seconds)), ..on.clone() };
        check(&off, State::Off);
        check(&on, State::NoneYet);
        check(&made(0), State::Fresh);
        check(&made(120), State::Fresh);
        check(&made(121), State::Late);
        // A clock that was put back.
        check(&made(-500), State::Fresh);
        check(&Standing { every_minutes: 0, ..made(900) }, State::Fresh);
        check(&Standing { failed: Some(failed), ..made(0) }, State::Failing);
    }

    #[track_caller]
    fn check(standing: &Standing, state: State) {
        assert_eq!(standing.state(), state, "{standing:?}");
    }

    #[test]
    fn a_backup_on_the_same_disk_counts_only_where_the_settings_say_so() {
        let good =
            Good { number: 1, made_at: Timestamp::from_millis(0), bytes: 1, second_medium: false };
        let standing = Standing {
            folder: Some(PathBuf::from("/b")),
            every_minutes: 0,
            same_disk_counts: false,
            last_good: Some(good),
            failed: None,
            now: Timestamp::from_millis(0),
        };
        assert!(!standing.counts());
        assert!(standing.sentence().contains("on the same disk"));
        assert!(Standing { same_disk_counts: true, ..standing }.counts());
    }
}
