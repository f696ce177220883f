//! The section `backup` of both programs' settings.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;

/// Where backups go, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// An existing folder on another medium, as an absolute path; empty for no backups.
    pub folder: PathBuf,
    /// Minutes between two backups; 0 for only when asked.
    pub every_minutes: u32,
    /// Backups that are kept; the oldest go.
    pub keep: NonZeroU32,
    /// Whether a folder on the same file system as the data counts as a second medium. It is lost with
    /// that disk, so by default it does not.
    pub same_disk_counts: bool,
}

/// A week of nightly backups, or half a day of hourly ones beside them.
const KEEP: NonZeroU32 = NonZeroU32::new(14).expect("not zero");

impl Default for Settings {
    fn default() -> Self {
        Self { folder: PathBuf::new(), every_minutes: 60, keep: KEEP, same_disk_counts: false }
    }
}
