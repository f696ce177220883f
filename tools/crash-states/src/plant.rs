//! Breaks that are planted into a recording, to see that they are found.

use crate::trace::{Call, Event};

/// A break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Plant {
    /// The database is never synced, as with `synchronous=OFF`.
    SyncOff,
    /// The log is synced before it is brought into the database, and not at a commit, as with
    /// `synchronous=NORMAL`.
    SyncNormal,
    /// Somebody is told before the commit that holds what they were told.
    EarlyAnswer,
    /// No folder is ever synced.
    NoFolderSync,
}

/// By how much an answer comes too early, where it is seen in the database of whoever got it,
/// microseconds: the longest that a commit took.
const EARLY_MICROS: u64 = 50_000;

impl Plant {
    /// Every break.
    pub const ALL: [Self; 4] =
        [Self::SyncOff, Self::SyncNormal, Self::EarlyAnswer, Self::NoFolderSync];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyncOff => "sync-off",
            Self::SyncNormal => "sync-normal",
            Self::EarlyAnswer => "early-answer",
            Self::NoFolderSync => "no-folder-sync",
        }
    }

    /// Takes syncs out of what a program did below `root`.
    #[must_use]
    pub fn without_syncs(self, events: &[Event], root: &str) -> Vec<Event> {
        let mut events = events.to_vec();
        let ends = |path: &str, end: &str| path.starts_with(root) && path.ends_with(end);
        let mut is_folder = std::collections::BTreeSet::from([root.to_owned()]);
        for at in 0..events.len() {
            let Some(call) = events.get(at).map(|event| &event.call) else { continue };
            if let Call::MakeFolder { path } = call {
                is_folder.insert(path.clone());
            }
            let Some(path) = call.synced().map(str::to_owned) else { continue };
            let is_left_out = match self {
                Self::SyncOff => path.contains("/data.db"),
                Self::NoFolderSync => is_folder.contains(&path),
                Self::SyncNormal => {
                    // What is written next says what the sync was for.
                    let later = events.iter().skip(at + 1);
                    let next = later
                        .filter_map(|event| event.call.written())
                        .find(|path| path.starts_with(root));
                    ends(&path, "-wal") && !next.is_some_and(|next| ends(next, "data.db"))
                }
                Self::EarlyAnswer => false,
            };
            if is_left_out && let Some(event) = events.get_mut(at) {
                event.call = Call::Nothing;
            }
        }
        events
    }

    /// The place of an answer that stood at `place`: before the commit that it speaks of.
    #[must_use]
    pub fn place_of_answer(self, events: &[Event], place: usize) -> usize {
        if self != Self::EarlyAnswer {
            return place;
        }
        let before = events.get(..place).unwrap_or_default();
        let is_sync =
            |event: &Event| event.call.synced().is_some_and(|path| path.ends_with("-wal"));
        // The last sync ended this commit, the one before it ended another.
        let mut syncs = before.iter().enumerate().rev().filter(|(_, event)| is_sync(event));
        syncs.nth(1).map_or(0, |(at, _)| at + 1)
    }

    /// How much later than now the other side is looked at, microseconds.
    #[must_use]
    pub const fn early_micros(self) -> u64 {
        match self {
            Self::EarlyAnswer => EARLY_MICROS,
            Self::SyncOff | Self::SyncNormal | Self::NoFolderSync => 0,
        }
    }
}
