//! What a loss leaves: whatever anybody still has after the last one must be at the hub in the end,
//! whoever wrote it and whoever has it.

use std::collections::BTreeSet;

use replication::hub::SqliteHub;
use replication::ledger::inspect::walk;
use replication::streams::{Topic, topic};
use store::Connection;
use sync_protocol::EntryId;
use vocab::PatientId;

use super::{Broken, World};
use crate::clinic::{Clinic, Sent};
use crate::faults::Fault;
use crate::hub::BoxHub;
use crate::invariants::readings_at;

const SOUND: &str = "sound storage";

impl World {
    /// Whether a clinic is there.
    #[must_use]
    pub fn is_there(&self, at: usize) -> bool {
        self.gone != Some(at)
    }

    /// The clinics that are there, with their numbers.
    pub fn there(&self) -> impl Iterator<Item = (usize, &Clinic)> {
        self.clinics.iter().enumerate().filter(|(at, _)| self.is_there(*at))
    }

    /// The hub comes back from a backup, and one clinic not at all: its machine is gone, and the
    /// operator lets it in no more.
    pub(super) fn lose_author(&mut self) {
        if !self.plan.loses_author || self.hub_backups.is_empty() {
            return;
        }
        self.restore_hub();
        let at = usize::try_from(self.dice.below(self.clinics.len() as u64)).unwrap_or(0);
        self.figures.count(Fault::ClinicGone);
        self.cut(at);
        self.gone = Some(at);
        let left = self.readings_left(None);
        if let Some(clinic) = self.clinics.get_mut(at) {
            clinic.vanish(&left);
            let now = BoxHub::wall(self.now);
            SqliteHub::new(&self.hub.conn).shut_out(now, clinic.site).expect(SOUND);
        }
        self.note_what_is_left();
    }

    /// The databases that are there, but not that of clinic `but`.
    fn conns(&self, but: Option<usize>) -> impl Iterator<Item = &Connection> {
        let clinics = self.there().filter(move |(at, _)| Some(*at) != but);
        clinics.map(|(_, clinic)| &*clinic.conn).chain([&*self.hub.conn])
    }

    /// The patients whose record somebody has from its beginning: only that says whose it is, and what
    /// stands behind it waits for it.
    fn opened(&self, but: Option<usize>) -> BTreeSet<PatientId> {
        let at_hub = patients_in(&self.hub.conn);
        let all: BTreeSet<PatientId> = self.conns(but).flat_map(patients_in).collect();
        let shown = |patient| {
            let shown = |conn| patients::store::get(conn, patient).expect(SOUND).is_some();
            at_hub.contains(&patient) || self.conns(but).any(shown)
        };
        all.into_iter().filter(|patient| shown(*patient)).collect()
    }

    /// Readings that can come back from somebody else than clinic `but`.
    pub(super) fn readings_left(&self, but: Option<usize>) -> BTreeSet<Sent> {
        let opened = self.opened(but);
        let all = self.conns(but).flat_map(readings_at);
        all.filter(|sent| opened.contains(&sent.patient)).collect()
    }

    /// After a loss: what is left anywhere has to come back. What is nowhere need not, though a newer
    /// copy of some disk may bring it back.
    pub(super) fn note_what_is_left(&mut self) {
        let opened = self.opened(None);
        let ids = |conn| ids_of(conn, |patient| opened.contains(patient));
        self.left = self.conns(None).flat_map(ids).collect();
        let readings = self.readings_left(None);
        self.clinics.iter_mut().for_each(|clinic| clinic.others_lost(&readings));
        let has = |conn: &_, event: &_| consent::store::has(conn, event).expect(SOUND);
        let hub = &self.hub.conn;
        for (at, clinic) in self.clinics.iter().enumerate() {
            let (here, is_there) = (&clinic.conn, self.gone != Some(at));
            self.decisions
                .left(clinic.site, |event| has(hub, event) || is_there && has(here, event));
        }
    }

    /// 28: what was left somewhere after the last loss is at the hub.
    pub(crate) fn check_left(&self, broken: &mut Vec<Broken>) {
        let at_hub = ids_of(&self.hub.conn, |_| true);
        let missing = self.left.difference(&at_hub).count();
        if missing > 0 {
            let what = format!("{missing} of {} entries did not come back", self.left.len());
            broken.push(Broken { invariant: 28, what });
        }
    }
}

/// The entries held of patients that `which` names, and of the directory.
fn ids_of(conn: &Connection, which: impl Fn(&PatientId) -> bool) -> BTreeSet<EntryId> {
    let walks = walk(conn).expect(SOUND);
    let counts = walks.into_iter().filter(|walk| match topic(&walk.stream) {
        Topic::Patient(patient, _) => which(&patient),
        Topic::Policy | Topic::Site(_) | Topic::Emergencies(_) => true,
        Topic::Unknown => false,
    });
    counts.flat_map(|walk| walk.entries).map(|(id, _)| id).collect()
}

/// The patients of whom anything is held.
fn patients_in(conn: &Connection) -> BTreeSet<PatientId> {
    let held = walk(conn).expect(SOUND).into_iter().filter(|walk| !walk.entries.is_empty());
    let of = held.filter_map(|walk| match topic(&walk.stream) {
        Topic::Patient(patient, _) => Some(patient),
        Topic::Policy | Topic::Site(_) | Topic::Emergencies(_) | Topic::Unknown => None,
    });
    of.collect()
}
