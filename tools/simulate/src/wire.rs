//! The form of the last line.

use serde::Serialize;

/// The last line.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Storms.
    pub(crate) seeds: u64,
    /// Of those, with a broken invariant.
    pub(crate) broken: u64,
    /// What they lasted, in hours of their own clocks.
    pub(crate) virtual_hours: f64,
    /// Frames put on their way.
    pub(crate) frames: u64,
    /// Connections cut.
    pub(crate) cuts: u64,
    /// Processes killed.
    pub(crate) kills: u64,
    /// Clinics' disks put back from an older copy.
    pub(crate) restores: u64,
    /// The hub's database brought back from a backup.
    pub(crate) hub_restores: u64,
    /// Entries that hubs have in the end from others than their authors.
    pub(crate) resupplied: u64,
}
