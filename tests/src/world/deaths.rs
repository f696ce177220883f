//! What dies, and what is lost with it.

use std::collections::BTreeSet;

use super::World;
use crate::faults::Fault;

/// Copies of one disk that are kept, any of which may be put back.
const COPIES_KEPT: usize = 4;

/// Of so many questions to storage one is the last.
const QUESTIONS_PER_DEATH: u64 = 400;

impl World {
    /// Whether the process dies at this very moment.
    pub(super) fn dies_here(&mut self) -> bool {
        let may = self.storms && self.plan.kills_at_storage;
        let dies = may && self.dice.below(QUESTIONS_PER_DEATH) == 0;
        self.figures.count_many(Fault::KilledAtStorage, u64::from(dies));
        dies
    }

    /// A clinic's process is killed and started again.
    pub(super) fn kill(&mut self, at: usize) {
        self.figures.count(Fault::ClinicKilled);
        self.cut(at);
        self.with_clinic(at, |clinic, _| clinic.restart());
    }

    /// The hub's process is killed and started again.
    pub(super) fn kill_hub(&mut self) {
        self.figures.count(Fault::HubKilled);
        self.cut_all();
        self.hub.restart();
    }

    /// Somebody copies a disk.
    pub(super) fn back_up(&mut self, at: usize) {
        if self.plan.loses_hub && self.dice.percent(50) {
            self.hub_backups.push(self.hub.backup());
            keep_some(&mut self.hub_backups);
        }
        if self.plan.loses_clinics
            && let (Some(clinic), Some(backups)) = (self.clinics.get(at), self.backups.get_mut(at))
        {
            backups.push(clinic.backup());
            keep_some(backups);
        }
    }

    /// A disk is lost, and an older copy of it put in its place.
    pub(super) fn lose(&mut self, at: usize) {
        match (self.plan.loses_clinics, self.plan.loses_hub) {
            (true, true) if self.dice.percent(50) => self.restore(at),
            (true, false) => self.restore(at),
            (_, true) => self.restore_hub(),
            (false, false) => {}
        }
    }

    fn restore(&mut self, at: usize) {
        let Some(copies) = self.backups.get_mut(at).filter(|copies| !copies.is_empty()) else {
            return;
        };
        let which = usize::try_from(self.dice.below(copies.len() as u64)).unwrap_or(0);
        // Copies of what is left behind now are copies of another clinic, as far as the hub can tell.
        copies.truncate(which + 1);
        let Some(backup) = copies.pop() else { return };
        self.figures.count(Fault::ClinicRestored);
        self.cut(at);
        self.restored.insert(at);
        let elsewhere = self.readings_left(Some(at));
        if let Some(clinic) = self.clinics.get_mut(at) {
            clinic.restore(&backup, &elsewhere);
        }
        self.note_what_is_left();
        if let Some(copies) = self.backups.get_mut(at) {
            copies.push(backup);
        }
    }

    pub(super) fn restore_hub(&mut self) {
        // Nobody brings a backup back twice within two seconds.
        if self.now < self.hub_restored_at + 2_000 || self.hub_backups.is_empty() {
            return;
        }
        let which = usize::try_from(self.dice.below(self.hub_backups.len() as u64)).unwrap_or(0);
        let backup = self.hub_backups.swap_remove(which);
        self.hub_restored_at = self.now;
        self.figures.count(Fault::HubRestored);
        self.cut_all();
        self.hub.restore(self.now, &backup);
        self.hub_backups.push(backup);
        self.note_what_is_left();
        let conn = &self.hub.conn;
        self.decisions.hub_restored(|event| consent::store::has(conn, event).unwrap_or(false));
    }

    /// Clinics whose conversation is with a liar, or that are lied to, begin anew.
    pub(super) fn cut_off_liars(&mut self) {
        let touched: BTreeSet<usize> = self.captured.take_touched();
        touched.into_iter().for_each(|at| self.cut(at));
    }
}

fn keep_some<T>(copies: &mut Vec<T>) {
    if copies.len() > COPIES_KEPT {
        copies.remove(0);
    }
}
