//! What the simulator says last, and what we say last.

use serde::{Deserialize, Serialize};

/// What the simulator says last.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) first_broken: Option<u64>,
}

/// The last line.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Storms within which each had to be seen.
    pub(super) seeds: u64,
    /// Bugs planted.
    pub(super) planted: usize,
    /// Of those, seen.
    pub(super) seen: usize,
    /// The others.
    pub(super) unseen: Vec<String>,
}
