//! The form of the last line.

use std::collections::BTreeMap;

use serde::Serialize;

/// The last line.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Storms.
    pub(crate) seeds: u64,
    /// Of those, with a broken invariant.
    pub(crate) broken: u64,
    /// The lowest of those.
    pub(crate) first_broken: Option<u64>,
    /// What they lasted, in hours of their own clocks.
    pub(crate) virtual_hours: f64,
    /// Clinics that took part, in all storms together.
    pub(crate) clinics: u64,
    /// Frames put on their way.
    pub(crate) frames: u64,
    /// Entries that hubs have in the end from others than their authors.
    pub(crate) resupplied: u64,
    /// How often each kind of fault happened.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}
