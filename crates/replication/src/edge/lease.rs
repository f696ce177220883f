//! Which copies of what others wrote may be opened here, without asking anybody.
//!
//! A lease that ran out locks its copy; it deletes nothing, and the next word from the hub opens it
//! again or orders it to be let go. What a clinic wrote itself is never locked, and neither is writing.

mod store;

use std::collections::BTreeMap;

use ::store::{Connection, StoreError};
use sync_protocol::StreamId;
use sync_protocol::lease::{Grant, LeaseTerms};
use vocab::{Compartment, PatientId, Timestamp};

use super::trusted_time::Known;
use crate::streams::{Topic, topic};

pub use store::{keep_time, kept_time};

/// What holds until the hub has said how long a copy may be opened: the shortest usual time, of a
/// clinic that the patient happens to come to.
const UNTIL_TOLD: LeaseTerms = LeaseTerms { offline_s: Some(VISIT_S), until_ms: None };

/// A lease of at most so many seconds is a visitor's copy.
const VISIT_S: u32 = 72 * 3_600;

/// When nobody knows when the hub was last heard.
const NOTHING_KNOWN: Known =
    Known { hub: Timestamp::from_millis(0), passed_s: i64::MAX, is_confirmed: false };

/// Why a copy may not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Locked {
    /// The permission ended by itself.
    Ended,
    /// The hub has not been heard for longer than the lease gives.
    NotHeard,
    /// Nobody knows how long that was: this machine's clock shows an earlier time than before.
    TimeUnknown,
}

impl Locked {
    /// What people read.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Ended => "the permission for this copy has ended",
            Self::NotHeard => "the hub has not been heard for longer than this copy may be opened",
            Self::TimeUnknown => {
                "the time is not confirmed: the clock of this machine shows an earlier time than \
                 before it was started"
            }
        }
    }
}

/// The streams that are locked now. Few are: the set is made once and asked for each record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    locked: BTreeMap<StreamId, Locked>,
    /// Whatever generation of the stream it is.
    parts: BTreeMap<(PatientId, Compartment), Locked>,
}

impl Locks {
    /// Those that hold at a time; where none is known, as long after the last word as can be.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn now(conn: &Connection, time: Option<Known>) -> Result<Self, StoreError> {
        let (mut locked, mut parts) = (BTreeMap::new(), BTreeMap::new());
        let time = time.unwrap_or(NOTHING_KNOWN);
        store::for_each_copy(conn, |stream, terms| {
            if let Some(why) = lock(&stream, terms.unwrap_or(UNTIL_TOLD), time) {
                locked.insert(stream, why);
                if let Topic::Patient(patient, part) = topic(&stream) {
                    parts.insert((patient, part), why);
                }
            }
        })?;
        Ok(Self { locked, parts })
    }

    /// Whether what others wrote in this stream may not be opened, and why.
    #[must_use]
    pub fn of(&self, stream: &StreamId) -> Option<Locked> {
        self.locked.get(stream).copied()
    }

    /// The same of a part of a patient's record.
    #[must_use]
    pub fn of_part(&self, patient: PatientId, part: Compartment) -> Option<Locked> {
        self.parts.get(&(patient, part)).copied()
    }

    /// How many there are, by reason.
    #[must_use]
    pub fn count(&self, why: Locked) -> u64 {
        self.parts.values().filter(|locked| **locked == why).count() as u64
    }

    /// Whether nothing is locked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.locked.is_empty()
    }

    /// The patients of whom something is locked.
    pub fn patients(&self) -> impl Iterator<Item = (PatientId, Compartment, Locked)> {
        self.parts.iter().map(|((patient, part), why)| (*patient, *part, *why))
    }

    /// Takes a patient's locks off: somebody opened the record for a reason.
    pub fn open(&mut self, patient: PatientId, parts: &[Compartment]) {
        self.parts.retain(|(of, part), _| *of != patient || !parts.contains(part));
        self.locked.retain(|stream, _| match topic(stream) {
            Topic::Patient(of, part) => of != patient || !parts.contains(&part),
            Topic::Site(_) | Topic::Emergencies(_) | Topic::Policy | Topic::Unknown => true,
        });
    }
}

/// The rule. What is not about a patient is never locked.
fn lock(stream: &StreamId, terms: LeaseTerms, time: Known) -> Option<Locked> {
    let Topic::Patient(_, part) = topic(stream) else { return None };
    let now_ms = u64::try_from(time.hub.millis()).unwrap_or(0);
    if terms.until_ms.is_some_and(|until| until <= now_ms) {
        return Some(Locked::Ended);
    }
    let offline_s = terms.offline_s?;
    if time.passed_s >= i64::from(offline_s) && time.passed_s > ANSWERS_S {
        return Some(Locked::NotHeard);
    }
    // What saves a life, and what a clinic has for longer than a visit, stays open meanwhile.
    let stays = part == Compartment::Lifesaver || offline_s > VISIT_S;
    (!time.is_confirmed && !stays).then_some(Locked::TimeUnknown)
}

/// A hub that was heard within so many seconds answers; a lease of no time at all asks for that.
const ANSWERS_S: i64 = 120;

/// Stores terms: those of a subscription that ended, or of an older version than the one known, are
/// of the time before.
pub(super) fn store_grants(conn: &Connection, grants: &[Grant]) -> Result<(), StoreError> {
    grants.iter().try_for_each(|grant| store::store(conn, grant))
}

/// The stream was let go, and with it the terms.
pub(super) fn forget(conn: &Connection, stream: i64) -> Result<(), StoreError> {
    store::forget(conn, stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    #[track_caller]
    fn check(
        part: Compartment,
        terms: (Option<u32>, Option<u64>),
        time: (i64, bool),
        locked: Option<Locked>,
    ) {
        let stream = crate::streams::patient_stream(PatientId::from_bytes([1; 16]), part);
        let known = Known {
            hub: Timestamp::from_millis(time.0 * 1_000),
            passed_s: time.0,
            is_confirmed: time.1,
        };
        let terms = LeaseTerms { offline_s: terms.0, until_ms: terms.1 };
        assert_eq!(lock(&stream, terms, known), locked, "{part:?} {terms:?} {time:?}");
    }

    #[test]
    fn a_lease_locks_when_its_time_is_over_and_not_before() {
        let week = Some(7 * 86_400);
        let (vitals, open) = (Compartment::Vitals, None);
        check(vitals, (week, open), (7 * DAY_S - 1, true), None);
        check(vitals, (week, open), (7 * DAY_S, true), Some(Locked::NotHeard));
        check(Compartment::Lifesaver, (week, open), (7 * DAY_S, true), Some(Locked::NotHeard));
        // It ends by itself, whatever was heard.
        check(vitals, (week, Some(5_000)), (4, true), None);
        check(vitals, (week, Some(5_000)), (5, true), Some(Locked::Ended));
        check(vitals, (None, Some(5_000)), (5, true), Some(Locked::Ended));
        // What a clinic keeps itself has no limit.
        check(vitals, (None, open), (3_650 * DAY_S, false), None);
        // No time at all: while the hub answers.
        check(vitals, (Some(0), open), (ANSWERS_S, true), None);
        check(vitals, (Some(0), open), (ANSWERS_S + 1, true), Some(Locked::NotHeard));
    }

    #[test]
    fn a_time_that_is_not_confirmed_locks_visitors_copies_only() {
        let (visit, week) = (Some(VISIT_S), Some(7 * 86_400));
        check(Compartment::Vitals, (visit, None), (5, false), Some(Locked::TimeUnknown));
        check(Compartment::Lifesaver, (visit, None), (5, false), None);
        check(Compartment::Vitals, (week, None), (5, false), None);
        check(Compartment::Vitals, (week, None), (7 * DAY_S, false), Some(Locked::NotHeard));
    }

    #[test]
    fn the_directory_is_never_locked() {
        let known =
            Known { hub: Timestamp::from_millis(9), passed_s: i64::MAX, is_confirmed: false };
        assert_eq!(lock(&crate::streams::policy_stream(), UNTIL_TOLD, known), None);
    }
}
