//! What the writer remembers between batches so that the usual batch asks the database nothing.
//!
//! All of it can be read again: an empty [`IngestCache`] gives the same answers, only slower. It
//! describes what the transaction has written, so whoever takes a transaction back empties it.

use std::collections::HashMap;
use std::sync::Arc;

use vocab::{DeviceName, PatientId, Timestamp};

use crate::reading::SealedReading;
use crate::unit::UnitCache;

/// The number that stands for a device or a patient in the tables.
pub(crate) type No = i64;

/// A device and one of its patients.
pub(crate) type Group = (No, No);

/// Groups remembered; about 200 bytes each. A clinic with fifty beds and ten devices at each has
/// 500 in use.
const GROUPS_KEPT: usize = 20_000;

/// Readings remembered for finding repeats; about 100 bytes each.
const KNOWN_READINGS_KEPT: usize = 32_768;

/// Readings of the latest time remembered per group. A monitor has some ten signals; a device that
/// sends hundreds of one moment costs a look into the database instead.
const AT_LATEST_KEPT: usize = 64;

/// The writer's memory.
#[derive(Default)]
pub struct IngestCache {
    pub(crate) units: UnitCache,
    pub(crate) devices: HashMap<DeviceName, No>,
    pub(crate) patients: HashMap<PatientId, No>,
    groups: HashMap<Group, GroupState>,
    /// Runs of readings read last, the newest last.
    known: Vec<(RunId, KnownRun)>,
}

/// Readings that were accepted together, sorted by identity.
pub(crate) type KnownRun = Arc<Vec<SealedReading>>;

/// Where a run of readings is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunId {
    /// A row of the tail.
    Tail(Group, i64),
    /// A segment's entry.
    Entry([u8; 32]),
}

/// What is known of one device and patient.
#[derive(Clone, Default)]
pub(crate) struct GroupState {
    /// Readings in the tail.
    pub(crate) open: u64,
    /// When the first of them arrived.
    pub(crate) since: Option<Timestamp>,
    /// The latest time of all readings ever accepted.
    pub(crate) latest: Option<Timestamp>,
    /// All readings of that time, if they are known. Devices send in order, so a batch may repeat
    /// these and hardly ever others.
    pub(crate) at_latest: Option<Vec<SealedReading>>,
}

impl IngestCache {
    pub(crate) fn group(&self, group: Group) -> Option<&GroupState> {
        self.groups.get(&group)
    }

    pub(crate) fn group_mut(&mut self, group: Group) -> Option<&mut GroupState> {
        self.groups.get_mut(&group)
    }

    pub(crate) fn remember_group(&mut self, group: Group, state: GroupState) {
        if self.groups.len() >= GROUPS_KEPT {
            self.groups.clear();
        }
        self.groups.insert(group, state);
    }

    /// The readings of a run, if they were read lately.
    pub(crate) fn known(&mut self, id: RunId) -> Option<KnownRun> {
        let at = self.known.iter().position(|(known, _)| *known == id)?;
        let run = self.known.remove(at);
        let readings = Arc::clone(&run.1);
        self.known.push(run);
        Some(readings)
    }

    /// Remembers a run and forgets the oldest until all fit.
    pub(crate) fn remember_run(&mut self, id: RunId, readings: KnownRun) {
        let mut kept = readings.len();
        let fit = self.known.iter().rev().take_while(|(_, run)| {
            kept += run.len();
            kept <= KNOWN_READINGS_KEPT
        });
        let drop = self.known.len() - fit.count();
        self.known.drain(..drop);
        self.known.push((id, readings));
    }

    /// Forgets the tail's runs of one group, whose row numbers will be given again.
    pub(crate) fn forget_tail(&mut self, group: Group) {
        self.known.retain(|(id, _)| !matches!(id, RunId::Tail(of, _) if *of == group));
    }
}

impl GroupState {
    /// Takes note of readings that are now stored and were not before.
    pub(crate) fn note(&mut self, readings: &[SealedReading]) {
        let Some(newest) = readings.iter().map(|reading| reading.time).max() else { return };
        if self.latest.is_none_or(|latest| newest > latest) {
            self.latest = Some(newest);
            self.at_latest = Some(Vec::new());
        }
        let Some(known) = self.at_latest.as_mut().filter(|_| self.latest == Some(newest)) else {
            return;
        };
        known.extend(readings.iter().filter(|reading| reading.time == newest).cloned());
        if known.len() > AT_LATEST_KEPT {
            self.at_latest = None;
        }
    }

    /// Takes note of readings that were stored, of which some may be known.
    pub(crate) fn note_again(&mut self, readings: &[SealedReading]) {
        let known = self.at_latest.clone().unwrap_or_default();
        let unknown = |reading: &&SealedReading| {
            known.iter().all(|known| known.identity() != reading.identity())
        };
        let unknown: Vec<_> = readings
            .iter()
            .filter(|reading| Some(reading.time) >= self.latest)
            .filter(unknown)
            .cloned()
            .collect();
        self.note(&unknown);
    }
}
