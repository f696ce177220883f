//! A permission that a patient took back.

use std::collections::BTreeSet;

use vocab::{PatientId, SiteId, Timestamp};

use crate::fact;
use crate::grant::Grant;
use crate::id::{GrantId, RevokeId};
use crate::notice::Evidence;

/// Grants that one revocation may name; whoever wants to name more revokes everything.
pub const NAMED_MAX: usize = 1_024;

/// How far a revocation reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokeScope {
    /// These grants, for everybody they allow.
    Grants(BTreeSet<GrantId>),
    /// Whatever any grant allows this clinic, also one that allows every clinic.
    Site(SiteId),
    /// Whatever any grant allows anybody.
    Everything,
}

/// What a revocation says. [`Revoke::new`] makes it an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeTerms {
    /// Sixteen random bytes, so that the same thing taken back twice is two events: the second one
    /// also closes what was granted in between.
    pub draw: [u8; 16],
    /// Whose record.
    pub patient: PatientId,
    /// How far it reaches.
    pub scope: RevokeScope,
    /// When the patient took it back, by the clock of the clinic; shown, never decided on. A
    /// revocation counts as soon as it is known, whatever any clock says.
    pub revoked_at: Timestamp,
    /// How it was taken down.
    pub evidence: Evidence,
}

/// Why terms are no revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRevoke {
    /// It names no grant.
    #[error("a revocation of named grants names at least one")]
    Empty,
    /// More than [`NAMED_MAX`] grants.
    #[error("a revocation names at most {NAMED_MAX} grants")]
    TooMany,
}

/// A permission that a patient took back, complete and named by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoke {
    id: RevokeId,
    terms: RevokeTerms,
}

impl Revoke {
    /// Makes the event that says `terms`. It may name grants that are not known here yet, and a
    /// witness is never demanded: taking back must not be harder than giving.
    ///
    /// # Errors
    ///
    /// [`BadRevoke`] says which rule the terms break.
    pub fn new(terms: RevokeTerms) -> Result<Self, BadRevoke> {
        if let RevokeScope::Grants(named) = &terms.scope {
            if named.is_empty() {
                return Err(BadRevoke::Empty);
            }
            if named.len() > NAMED_MAX {
                return Err(BadRevoke::TooMany);
            }
        }
        Ok(Self { id: RevokeId::of(&fact::revoke_bytes(&terms)), terms })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> RevokeId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub const fn terms(&self) -> &RevokeTerms {
        &self.terms
    }

    /// Whether `grant` overcomes this revocation: the person asking had seen it.
    #[must_use]
    pub fn is_overcome_by(&self, grant: &Grant) -> bool {
        grant.terms().acks.contains(&self.id)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::notice::Capture;

    /// A revocation of everything for the patient of [`crate::grant::tests::plain`].
    pub(crate) fn plain() -> RevokeTerms {
        RevokeTerms {
            draw: [0; 16],
            patient: PatientId::from_bytes([1; 16]),
            scope: RevokeScope::Everything,
            revoked_at: Timestamp::from_nanos(15),
            evidence: Evidence { capture: Capture::Spoken, witness: None },
        }
    }

    #[test]
    fn a_revocation_names_something() {
        check(RevokeScope::Everything, Ok(()));
        check(RevokeScope::Site(SiteId::from_bytes([2; 16])), Ok(()));
        check(RevokeScope::Grants(ids(0)), Err(BadRevoke::Empty));
        check(RevokeScope::Grants(ids(1)), Ok(()));
        check(RevokeScope::Grants(ids(NAMED_MAX)), Ok(()));
        check(RevokeScope::Grants(ids(NAMED_MAX + 1)), Err(BadRevoke::TooMany));
    }

    fn ids(count: usize) -> BTreeSet<GrantId> {
        (0..count).map(|n| GrantId::of(&u64::try_from(n).unwrap().to_le_bytes())).collect()
    }

    #[track_caller]
    fn check(scope: RevokeScope, expected: Result<(), BadRevoke>) {
        assert_eq!(Revoke::new(RevokeTerms { scope, ..plain() }).map(|_| ()), expected);
    }

    #[test]
    fn the_same_thing_taken_back_twice_is_two_revocations() {
        let first = Revoke::new(plain()).unwrap();
        let second = Revoke::new(RevokeTerms { draw: [9; 16], ..plain() }).unwrap();
        assert_ne!(first.id(), second.id());
    }
}
