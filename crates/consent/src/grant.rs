//! A permission that a patient gave.

use std::collections::BTreeSet;

use vocab::{Compartment, PatientId, Purpose, Timestamp};

use crate::fact;
use crate::grantor::{GRACE, Grantor, OfflineTime};
use crate::id::{GrantId, RevokeId};
use crate::notice::{Evidence, Notice};
use crate::scope::{Action, Recipient, SetOf, is_grantable};

/// Revocations that one grant may acknowledge.
///
/// A patient's whole consent record is planned for 1,000 events, so a person who changed their mind
/// every day for years can still allow again.
pub const ACKS_MAX: usize = 1_024;

/// What a grant says. [`Grant::new`] makes it an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantTerms {
    /// Sixteen random bytes, so that the same permission given twice is two events.
    pub draw: [u8; 16],
    /// Whose record.
    pub patient: PatientId,
    /// Who may.
    pub recipient: Recipient,
    /// Which parts. Sensitive ones are released only when they stand here by name; alerts go with
    /// vitals and are not named.
    pub compartments: SetOf<Compartment>,
    /// What for.
    pub purposes: SetOf<Purpose>,
    /// What may be done.
    pub actions: SetOf<Action>,
    /// When the patient gave it, by the clock of the clinic; shown, never decided on.
    pub granted_at: Timestamp,
    /// The first moment it counts.
    pub valid_from: Timestamp,
    /// The first moment it no longer counts; `None` until it is revoked.
    pub valid_to: Option<Timestamp>,
    /// What the patient was told.
    pub notice: Notice,
    /// How it was taken down.
    pub evidence: Evidence,
    /// The revocations that the person asking saw and that this grant is meant to overcome.
    pub acks: BTreeSet<RevokeId>,
    /// Who gave it.
    pub grantor: Grantor,
    /// How long a copy may be opened after its holder last heard from the hub; `None` for what is
    /// usual for the recipient ([`Grant::offline_time`]).
    pub offline: Option<OfflineTime>,
}

/// Why terms are no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGrant {
    /// No compartment, no purpose or no action.
    #[error("a grant names at least one compartment, one purpose and one action")]
    Empty,
    /// It names alerts or the consent record.
    #[error(
        "alerts are released with vitals, the consent record never; neither is granted by name"
    )]
    NotGrantable,
    /// It ends before it begins, or at the same moment.
    #[error("a grant ends after it begins")]
    Window,
    /// Somebody entered what the patient said, and no witness is named.
    #[error("a spoken decision needs a witness")]
    WitnessMissing,
    /// A guardian's, without an end.
    #[error(
        "what a guardian grants has an end, at the latest the day on which the patient comes of age"
    )]
    GuardianEnd,
    /// More than [`ACKS_MAX`] revocations.
    #[error("a grant acknowledges at most {ACKS_MAX} revocations")]
    TooManyAcks,
}

/// A permission that a patient gave, complete and named by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    id: GrantId,
    terms: GrantTerms,
}

impl Grant {
    /// Makes the event that says `terms`.
    ///
    /// # Errors
    ///
    /// [`BadGrant`] says which rule the terms break.
    pub fn new(terms: GrantTerms) -> Result<Self, BadGrant> {
        if terms.compartments.is_empty() || terms.purposes.is_empty() || terms.actions.is_empty() {
            return Err(BadGrant::Empty);
        }
        if !terms.compartments.iter().all(is_grantable) {
            return Err(BadGrant::NotGrantable);
        }
        if terms.valid_to.is_some_and(|end| end <= terms.valid_from) {
            return Err(BadGrant::Window);
        }
        if terms.grantor.is_guardian() && terms.valid_to.is_none() {
            return Err(BadGrant::GuardianEnd);
        }
        if terms.evidence.lacks_witness() {
            return Err(BadGrant::WitnessMissing);
        }
        if terms.acks.len() > ACKS_MAX {
            return Err(BadGrant::TooManyAcks);
        }
        Ok(Self { id: GrantId::of(&fact::grant_bytes(&terms)), terms })
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> GrantId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub const fn terms(&self) -> &GrantTerms {
        &self.terms
    }

    /// The first moment at which it no longer releases `compartment`; `None` until it is revoked.
    /// What a guardian granted ends at the latest when the patient comes of age, at `of_age`; what
    /// going on with a treatment needs most, [`GRACE`] later.
    #[must_use]
    pub fn end(&self, compartment: Compartment, of_age: Option<Timestamp>) -> Option<Timestamp> {
        let named = self.terms.valid_to;
        let Some(of_age) = of_age.filter(|_| self.terms.grantor.is_guardian()) else {
            return named;
        };
        let goes_on = matches!(compartment, Compartment::Lifesaver | Compartment::Clinical);
        // A guardian names an end at the latest on that day, so the grace counts from either.
        match named {
            Some(named) if named < of_age => Some(named),
            _ if goes_on => Some(of_age.plus_seconds(GRACE.as_secs().cast_signed())),
            _ => Some(of_age),
        }
    }

    /// Whether its time has come and is not over at `at`, for `compartment` and a patient who comes
    /// of age at `of_age`, where that is known.
    #[must_use]
    pub fn is_in_time(
        &self,
        at: Timestamp,
        compartment: Compartment,
        of_age: Option<Timestamp>,
    ) -> bool {
        self.terms.valid_from <= at && self.end(compartment, of_age).is_none_or(|end| at < end)
    }

    /// How long a copy may be opened after its holder last heard from the hub: what the grant says,
    /// else a week for a clinic that it names and three days for any other.
    #[must_use]
    pub fn offline_time(&self) -> OfflineTime {
        self.terms.offline.unwrap_or(match self.terms.recipient {
            Recipient::Site(_) => OfflineTime::TREATING,
            Recipient::AnySite => OfflineTime::VISIT,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use vocab::SiteId;

    use super::*;
    use crate::grantor::Relationship;
    use crate::notice::Capture;

    /// A grant of vitals to clinic 2 for treatment, from time 10 to time 20.
    pub(crate) fn plain() -> GrantTerms {
        GrantTerms {
            draw: [0; 16],
            patient: PatientId::from_bytes([1; 16]),
            recipient: Recipient::Site(SiteId::from_bytes([2; 16])),
            compartments: SetOf::of(&[Compartment::Vitals]),
            purposes: SetOf::of(&[Purpose::Treatment]),
            actions: SetOf::of(&[Action::View, Action::Replicate]),
            granted_at: Timestamp::from_nanos(9),
            valid_from: Timestamp::from_nanos(10),
            valid_to: Some(Timestamp::from_nanos(20)),
            notice: Notice { version: 1, language: "hin".parse().unwrap() },
            evidence: Evidence { capture: Capture::OnScreen, witness: None },
            acks: BTreeSet::new(),
            grantor: Grantor::Patient,
            offline: None,
        }
    }

    #[test]
    fn terms_that_allow_nothing_or_say_nonsense_are_no_grant() {
        check(|_| {}, Ok(()));
        check(|t| t.compartments = SetOf::of(&[]), Err(BadGrant::Empty));
        check(|t| t.purposes = SetOf::of(&[]), Err(BadGrant::Empty));
        check(|t| t.actions = SetOf::of(&[]), Err(BadGrant::Empty));
        let with = |more| SetOf::of(&[Compartment::Vitals, more]);
        check(|t| t.compartments = with(Compartment::Genetic), Ok(()));
        check(|t| t.compartments = with(Compartment::Alerts), Err(BadGrant::NotGrantable));
        check(|t| t.compartments = with(Compartment::Consent), Err(BadGrant::NotGrantable));
        check(|t| t.valid_to = Some(Timestamp::from_nanos(11)), Ok(()));
        check(|t| t.valid_to = Some(Timestamp::from_nanos(10)), Err(BadGrant::Window));
        check(|t| t.valid_to = Some(Timestamp::from_nanos(9)), Err(BadGrant::Window));
        check(|t| t.valid_to = None, Ok(()));
        check(|t| t.evidence.capture = Capture::Spoken, Err(BadGrant::WitnessMissing));
        check(|t| t.acks = acks(ACKS_MAX), Ok(()));
        check(|t| t.acks = acks(ACKS_MAX + 1), Err(BadGrant::TooManyAcks));
    }

    fn acks(count: usize) -> BTreeSet<RevokeId> {
        (0..count).map(|n| RevokeId::of(&u64::try_from(n).unwrap().to_le_bytes())).collect()
    }

    #[track_caller]
    fn check(change: impl Fn(&mut GrantTerms), expected: Result<(), BadGrant>) {
        let mut terms = plain();
        change(&mut terms);
        assert_eq!(Grant::new(terms).map(|_| ()), expected);
    }

    #[test]
    fn a_grant_counts_from_its_first_moment_until_just_before_its_end() {
        let grant = Grant::new(plain()).unwrap();
        let counts = |grant: &Grant, n| {
            // A patient's own grant does not end with childhood.
            let of_age = Some(Timestamp::from_nanos(12));
            grant.is_in_time(Timestamp::from_nanos(n), Compartment::Vitals, of_age)
        };
        let counted = [9, 10, 11, 19, 20, 21].map(|n| counts(&grant, n));
        assert_eq!(counted, [false, true, true, true, false, false]);
        let open = Grant::new(GrantTerms { valid_to: None, ..plain() }).unwrap();
        assert!(counts(&open, i64::MAX));
    }

    #[test]
    fn what_a_guardian_granted_ends_with_childhood() {
        let day = 86_400;
        let at = |days: i64| Timestamp::from_millis(days * day * 1_000);
        let ends = |valid_to: i64, compartment, of_age: Option<i64>| {
            let (valid_from, valid_to) = (at(0), Some(at(valid_to)));
            let grantor = Grantor::Guardian(Relationship::Parent);
            let terms = GrantTerms { valid_from, valid_to, grantor, ..plain() };
            let end = Grant::new(terms).unwrap().end(compartment, of_age.map(at));
            end.unwrap().millis() / 1_000 / day
        };
        assert_eq!(ends(100, Compartment::Vitals, None), 100, "not known: as the grant says");
        assert_eq!(ends(100, Compartment::Vitals, Some(100)), 100);
        // The birth date was put right later.
        assert_eq!(ends(100, Compartment::Vitals, Some(40)), 40);
        assert_eq!(ends(100, Compartment::Vitals, Some(400)), 100);
        // A treatment goes on for a while.
        assert_eq!(ends(100, Compartment::Lifesaver, Some(100)), 130);
        assert_eq!(ends(100, Compartment::Clinical, Some(40)), 70);
        assert_eq!(ends(50, Compartment::Clinical, Some(100)), 50, "it was meant to end before");
        let open = GrantTerms {
            grantor: Grantor::Guardian(Relationship::Sibling),
            valid_to: None,
            ..plain()
        };
        assert_eq!(Grant::new(open).map(|_| ()), Err(BadGrant::GuardianEnd));
    }

    #[test]
    fn a_copy_may_be_opened_offline_as_long_as_its_grant_says() {
        let time = |recipient, offline| {
            Grant::new(GrantTerms { recipient, offline, ..plain() }).unwrap().offline_time()
        };
        assert_eq!(time(plain().recipient, None).hours(), 7 * 24);
        assert_eq!(time(Recipient::AnySite, None).hours(), 72);
        let day = OfflineTime::from_hours(24).unwrap();
        assert_eq!(time(Recipient::AnySite, Some(day)).hours(), 24);
    }

    #[test]
    fn the_same_permission_given_twice_is_two_grants() {
        let first = Grant::new(plain()).unwrap();
        let second = Grant::new(GrantTerms { draw: [9; 16], ..plain() }).unwrap();
        assert_ne!(first.id(), second.id());
        assert_eq!(first.id(), Grant::new(plain()).unwrap().id());
    }
}
