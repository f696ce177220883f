//! What all consent events about one patient amount to.
//!
//! The state is a function of the *set* of events: the order they arrive in, and how often, changes
//! nothing. It is kept ready for [`decide`](crate::decide()): for each grant, whom it is closed to.

use std::collections::BTreeMap;

use vocab::{PatientId, SiteId, Timestamp};

use crate::fact::ConsentEvent;
use crate::grant::Grant;
use crate::id::{GrantId, RevokeId};
use crate::revoke::{Revoke, RevokeScope};
use crate::scope::Recipient;

/// Everything known about what one patient allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentState {
    patient: PatientId,
    of_age: Option<Timestamp>,
    grants: BTreeMap<GrantId, Judged>,
    revokes: BTreeMap<RevokeId, Revoke>,
}

/// A grant with the revocations that it does not overcome. Where several close it, the one with the
/// lowest id is named, so that every node names the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) grant: Grant,
    closed: Option<RevokeId>,
    closed_to: BTreeMap<SiteId, RevokeId>,
}

/// How a grant stands at some moment; for lists that people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    InForce,
    /// Its time has not come.
    NotYet,
    /// Its time is over.
    Over,
    /// It was taken back as a whole.
    Withdrawn(RevokeId),
}

impl ConsentState {
    /// Nothing allowed yet.
    #[must_use]
    pub const fn new(patient: PatientId) -> Self {
        Self { patient, of_age: None, grants: BTreeMap::new(), revokes: BTreeMap::new() }
    }

    /// The same about a patient who comes of age at `of_age`; `None` if nobody knows when.
    #[must_use]
    pub fn coming_of_age(mut self, of_age: Option<Timestamp>) -> Self {
        self.of_age = of_age;
        self
    }

    /// When the patient comes of age, if that is known.
    #[must_use]
    pub const fn of_age(&self) -> Option<Timestamp> {
        self.of_age
    }

    /// What these events amount to.
    #[must_use]
    pub fn from_events(patient: PatientId, events: impl IntoIterator<Item = ConsentEvent>) -> Self {
        let mut state = Self::new(patient);
        for event in events {
            state.insert(event);
        }
        state
    }

    /// Whose record this is about.
    #[must_use]
    pub const fn patient(&self) -> PatientId {
        self.patient
    }

    /// Adds an event and answers whether it was new. An event about another patient is not added.
    pub fn insert(&mut self, event: ConsentEvent) -> bool {
        if event.patient() != self.patient {
            return false;
        }
        match event {
            ConsentEvent::Grant(grant) => self.insert_grant(grant),
            ConsentEvent::Revoke(revoke) => self.insert_revoke(revoke),
        }
    }

    fn insert_grant(&mut self, grant: Grant) -> bool {
        if self.grants.contains_key(&grant.id()) {
            return false;
        }
        let mut judged = Judged { grant, closed: None, closed_to: BTreeMap::new() };
        self.revokes.values().for_each(|revoke| judged.weigh(revoke));
        self.grants.insert(judged.grant.id(), judged);
        true
    }

    fn insert_revoke(&mut self, revoke: Revoke) -> bool {
        if self.revokes.contains_key(&revoke.id()) {
            return false;
        }
        self.grants.values_mut().for_each(|judged| judged.weigh(&revoke));
        self.revokes.insert(revoke.id(), revoke);
        true
    }

    /// Every event, grants first, each by id.
    pub fn events(&self) -> impl Iterator<Item = ConsentEvent> {
        let grants = self.grants.values().map(|judged| ConsentEvent::Grant(judged.grant.clone()));
        grants.chain(self.revokes.values().cloned().map(ConsentEvent::Revoke))
    }

    /// The revocations that a new grant to `recipient` has to name in its
    /// [`acks`](crate::GrantTerms::acks) to count, for the person asking to see first.
    ///
    /// A grant to every clinic does not have to name what was taken back from single clinics; it
    /// then counts for all the others.
    pub fn revokes_to_overcome(&self, recipient: Recipient) -> impl Iterator<Item = &Revoke> {
        self.revokes.values().filter(move |revoke| match revoke.terms().scope {
            RevokeScope::Everything => true,
            RevokeScope::Site(site) => recipient == Recipient::Site(site),
            RevokeScope::Grants(_) => false,
        })
    }

    /// How the grant named `id` stands at `at`; `None` for a grant that is not known here.
    #[must_use]
    pub fn standing(&self, id: GrantId, at: Timestamp) -> Option<Standing> {
        let judged = self.grants.get(&id)?;
        let terms = judged.grant.terms();
        let closed = match terms.recipient {
            Recipient::Site(site) => judged.closed_to(site),
            Recipient::AnySite => judged.closed,
        };
        Some(match closed {
            Some(revoke) => Standing::Withdrawn(revoke),
            None if at < terms.valid_from => Standing::NotYet,
            // It counts while it releases anything.
            None if terms
                .compartments
                .iter()
                .any(|compartment| judged.grant.is_in_time(at, compartment, self.of_age)) =>
            {
                Standing::InForce
            }
            None => Standing::Over,
        })
    }

    /// The first moment after `after` at which a grant begins or ends, so that an answer may change
    /// although nothing arrived.
    #[must_use]
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let edges = self.grants.values().flat_map(|judged| {
            let terms = judged.grant.terms();
            let ends = terms.compartments.iter().map(|part| judged.grant.end(part, self.of_age));
            ends.flatten().chain([terms.valid_from])
        });
        edges.filter(|edge| *edge > after).min()
    }

    /// Every grant with what closes it, by id.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.grants.values()
    }
}

impl Judged {
    /// The revocation that closes this grant to `site`, if one does.
    pub(crate) fn closed_to(&self, site: SiteId) -> Option<RevokeId> {
        self.closed.into_iter().chain(self.closed_to.get(&site).copied()).min()
    }

    /// Takes `revoke` into account. Applied to all revocations in any order it ends the same.
    fn weigh(&mut self, revoke: &Revoke) {
        if revoke.is_overcome_by(&self.grant) {
            return;
        }
        let id = revoke.id();
        match &revoke.terms().scope {
            RevokeScope::Everything => self.close(id),
            RevokeScope::Grants(named) if named.contains(&self.grant.id()) => self.close(id),
            RevokeScope::Grants(_) => {}
            RevokeScope::Site(site) => {
                let lowest = self.closed_to.entry(*site).or_insert(id);
                *lowest = id.min(*lowest);
            }
        }
    }

    fn close(&mut self, id: RevokeId) {
        self.closed = Some(self.closed.map_or(id, |lowest| id.min(lowest)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{self, GrantTerms};
    use crate::revoke::{self, RevokeTerms};

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn grant(change: impl Fn(&mut GrantTerms)) -> Grant {
        let mut terms = grant::tests::plain();
        change(&mut terms);
        Grant::new(terms).unwrap()
    }

    fn revoke(draw: u8, scope: RevokeScope) -> Revoke {
        Revoke::new(RevokeTerms { draw: [draw; 16], scope, ..revoke::tests::plain() }).unwrap()
    }

    fn state(grants: &[Grant], revokes: &[Revoke]) -> ConsentState {
        let grants = grants.iter().cloned().map(ConsentEvent::Grant);
        let revokes = revokes.iter().cloned().map(ConsentEvent::Revoke);
        ConsentState::from_events(grant::tests::plain().patient, grants.chain(revokes))
    }

    #[test]
    fn an_event_counts_once_and_only_for_its_patient() {
        let mut state = state(&[], &[]);
        let revoke = revoke(0, RevokeScope::Everything);
        assert!(state.insert(ConsentEvent::Grant(grant(|_| {}))));
        assert!(!state.insert(ConsentEvent::Grant(grant(|_| {}))));
        assert!(state.insert(ConsentEvent::Revoke(revoke.clone())));
        assert!(!state.insert(ConsentEvent::Revoke(revoke)));
        let foreign = grant(|terms| terms.patient = PatientId::from_bytes([7; 16]));
        assert!(!state.insert(ConsentEvent::Grant(foreign)));
        assert_eq!(state.events().count(), 2);
    }

    #[test]
    fn a_grant_stands_by_its_time_until_it_is_taken_back() {
        let plain = grant(|_| {});
        let named = RevokeScope::Grants([plain.id()].into());
        check_standing(&plain, None, 9, Standing::NotYet);
        check_standing(&plain, None, 10, Standing::InForce);
        check_standing(&plain, None, 19, Standing::InForce);
        check_standing(&plain, None, 20, Standing::Over);
        for scope in
            [named, RevokeScope::Everything, RevokeScope::Site(SiteId::from_bytes([2; 16]))]
        {
            let revoke = revoke(0, scope);
            for now in [9, 10, 20] {
                check_standing(&plain, Some(&revoke), now, Standing::Withdrawn(revoke.id()));
            }
        }
        let other = revoke(0, RevokeScope::Site(SiteId::from_bytes([3; 16])));
        check_standing(&plain, Some(&other), 10, Standing::InForce);
        let open = grant(|terms| terms.recipient = Recipient::AnySite);
        check_standing(&open, Some(&other), 10, Standing::InForce);
    }

    #[track_caller]
    fn check_standing(grant: &Grant, revoke: Option<&Revoke>, now: i64, expected: Standing) {
        let state = state(std::slice::from_ref(grant), revoke.map_or(&[], std::slice::from_ref));
        assert_eq!(state.standing(grant.id(), at(now)), Some(expected));
    }

    /// The clocks of two clinics differ: only what a grant names shows what its patient had seen.
    #[test]
    fn no_time_lets_a_grant_overcome_a_revocation_that_it_does_not_name() {
        let revoke = revoke(0, RevokeScope::Everything);
        for nanos in [1, 14, 15, 16, 19] {
            let unaware = grant(|terms| {
                terms.granted_at = at(nanos);
                terms.valid_from = at(nanos);
            });
            check_standing(&unaware, Some(&revoke), 19, Standing::Withdrawn(revoke.id()));
            let acks = [revoke.id()].into();
            let aware = Grant::new(GrantTerms { acks, ..unaware.terms().clone() }).unwrap();
            check_standing(&aware, Some(&revoke), 19, Standing::InForce);
        }
    }

    #[test]
    fn a_new_grant_has_to_name_what_would_close_it() {
        let (near, far) = (SiteId::from_bytes([2; 16]), SiteId::from_bytes([3; 16]));
        let all = revoke(0, RevokeScope::Everything);
        let one = revoke(0, RevokeScope::Site(near));
        let named = revoke(0, RevokeScope::Grants([grant(|_| {}).id()].into()));
        let state = state(&[], &[all.clone(), one.clone(), named]);
        let expected = |revokes: &[&Revoke]| {
            let mut ids: Vec<_> = revokes.iter().map(|revoke| revoke.id()).collect();
            ids.sort_unstable();
            ids
        };
        let found = |recipient| -> Vec<_> {
            state.revokes_to_overcome(recipient).map(Revoke::id).collect()
        };
        assert_eq!(found(Recipient::Site(near)), expected(&[&all, &one]));
        assert_eq!(found(Recipient::Site(far)), expected(&[&all]));
        assert_eq!(found(Recipient::AnySite), expected(&[&all]));
    }

    #[test]
    fn the_next_change_is_the_nearest_begin_or_end() {
        let long = grant(|terms| terms.valid_to = Some(at(30)));
        let state = state(&[grant(|_| {}), long], &[]);
        let next = [0, 10, 19, 20, 30].map(|now| state.next_change(at(now)).map(Timestamp::nanos));
        assert_eq!(next, [Some(10), Some(20), Some(20), Some(30), None]);
    }
}
