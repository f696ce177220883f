//! Storms in which more than one database is lost: the hub's and those of clinics, or a clinic's for
//! good. Whatever is left anywhere after the last loss must be at the hub in the end.

use std::collections::BTreeSet;

use replication::hub::SqliteHub;
use replication::ledger::inspect::walk;
use replication::streams::{Topic, topic};
use store::{Connection, StoreError};
use sync_protocol::EntryId;
use vocab::{DeviceName, PatientId};

use super::{Broken, CLINICS, World};
use crate::clinic::{Clinic, Sent};
use crate::hub::BoxHub;
use crate::invariants::readings_at;

const SOUND: &str = "sound storage";

impl World {
    /// Whether both the hub and clinics are put back from older copies.
    pub(super) const fn loses_all(&self) -> bool {
        self.seed % 9 == 5
    }

    /// Whether, after the hub was lost once more, a clinic never comes back.
    const fn loses_author(&self) -> bool {
        self.seed % 9 == 3
    }

    /// Whether a clinic is there.
    #[must_use]
    pub fn is_there(&self, at: usize) -> bool {
        self.gone != Some(at)
    }

    /// The hub comes back from its backup, and one clinic not at all: its machine is gone, and the
    /// operator lets it in no more.
    pub(super) fn lose_author(&mut self) {
        if !self.loses_author() || self.hub_backup.is_none() {
            return;
        }
        self.restore_hub();
        let at = usize::try_from(self.dice.below(CLINICS as u64)).unwrap_or(0);
        self.cut(at);
        self.gone = Some(at);
        if let Some(clinic) = self.clinics.get(at) {
            let now = BoxHub::wall(self.now);
            SqliteHub::new(&self.hub.conn).shut_out(now, clinic.site).expect(SOUND);
        }
        self.note_what_is_left();
    }

    /// Readings and patients that somebody else than a clinic has.
    pub(super) fn elsewhere(&self, than: usize) -> (BTreeSet<Sent>, BTreeSet<PatientId>) {
        let mut conns = vec![&self.hub.conn];
        if self.loses_all() {
            let others = self.clinics.iter().enumerate().filter(|(at, _)| *at != than);
            conns.extend(others.map(|(_, clinic)| &clinic.conn));
        }
        let readings = conns.iter().flat_map(|conn| readings_at(conn)).collect();
        (readings, conns.iter().flat_map(|conn| patients_in(conn)).collect())
    }

    /// After a loss: what is left anywhere has to come back, and what is nowhere is forgotten.
    pub(super) fn note_what_is_left(&mut self) {
        if !self.loses_all() && self.gone.is_none() {
            return;
        }
        let there: Vec<(usize, &Clinic)> =
            self.clinics.iter().enumerate().filter(|(at, _)| self.gone != Some(*at)).collect();
        let conns = || there.iter().map(|(_, clinic)| &clinic.conn).chain([&self.hub.conn]);
        // Only the beginning of a record says whose it is.
        let at_hub = patients_in(&self.hub.conn);
        let opened = |patient: &PatientId| {
            let shown = |conn| patients::store::get(conn, *patient).expect(SOUND).is_some();
            at_hub.contains(patient) || conns().any(shown)
        };
        let sealed: BTreeSet<Sent> = conns().flat_map(readings_at).collect();
        let left: BTreeSet<Sent> =
            sealed.into_iter().filter(|sent| opened(&sent.patient)).collect();
        let patients: BTreeSet<PatientId> =
            conns().flat_map(patients_in).filter(|patient| opened(patient)).collect();
        self.left =
            conns().flat_map(|conn| ids_of(conn, |patient| patients.contains(patient))).collect();
        let open: Vec<BTreeSet<Sent>> =
            self.clinics.iter().map(|clinic| open_readings(&clinic.conn)).collect();
        for (at, (clinic, open)) in self.clinics.iter_mut().zip(open).enumerate() {
            let is_there = self.gone != Some(at);
            clinic
                .acknowledged
                .retain(|sent| left.contains(sent) || is_there && open.contains(sent));
            clinic.own.retain(|patient| patients.contains(patient));
            let (hub, conn) = (&self.hub.conn, &clinic.conn);
            self.decisions.keep(clinic.site, |event| {
                let has = |conn| consent::store::has(conn, event).expect(SOUND);
                has(hub) || is_there && has(conn)
            });
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

/// The readings that are not sealed yet.
fn open_readings(conn: &Connection) -> BTreeSet<Sent> {
    let mut open = BTreeSet::new();
    let seen: Result<(), StoreError> =
        vitals::tail::for_each_open(conn, |_: &DeviceName, patient, reading| {
            let (time, value) = (reading.time.nanos(), reading.value.to_string());
            open.insert(Sent { patient, time, value });
            Ok(())
        });
    seen.expect(SOUND);
    open
}
