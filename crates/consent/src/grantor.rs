//! Who gave a permission, and how long a copy outlives the last word from the hub.

use std::time::Duration;

/// How much longer than childhood what a guardian granted releases the parts of a record that going
/// on with a treatment needs most.
pub const GRACE: Duration = Duration::from_secs(30 * 86_400);

/// The age at which a patient decides alone, in years.
///
/// Source: Digital Personal Data Protection Act 2023 (India), section 2(f).
pub const OF_AGE_YEARS: u16 = 18;

/// Who gave a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Grantor {
    /// The patient.
    #[default]
    Patient,
    /// Who decides for a child; counts until the child comes of age.
    Guardian(Relationship),
    /// Whom the patient named for the time after death or loss of capacity.
    Nominee,
    /// A court.
    Court,
}

/// What a guardian is to the child. Numbers are on the wire and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Relationship {
    /// Mother or father.
    Parent = 1,
    /// A parent's parent.
    Grandparent = 2,
    /// Sister or brother.
    Sibling = 3,
    /// Another relative.
    Relative = 4,
    /// Whom a court appointed.
    Appointed = 5,
}

impl Relationship {
    /// Every one, by number.
    pub const ALL: [Self; 5] =
        [Self::Parent, Self::Grandparent, Self::Sibling, Self::Relative, Self::Appointed];

    /// Its word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Grandparent => "grandparent",
            Self::Sibling => "sibling",
            Self::Relative => "relative",
            Self::Appointed => "appointed",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

impl Grantor {
    /// Whether it decides for a child.
    #[must_use]
    pub const fn is_guardian(self) -> bool {
        matches!(self, Self::Guardian(_))
    }

    /// The numbers on the wire: who, and what they are to the patient (0 for nothing).
    pub(crate) const fn numbers(self) -> (u8, u8) {
        match self {
            Self::Patient => (1, 0),
            Self::Guardian(relationship) => (2, relationship as u8),
            Self::Nominee => (3, 0),
            Self::Court => (4, 0),
        }
    }

    pub(crate) fn from_numbers(numbers: (u8, u8)) -> Option<Self> {
        let guardians = Relationship::ALL.into_iter().map(Self::Guardian);
        let known = [Self::Patient, Self::Nominee, Self::Court].into_iter().chain(guardians);
        known.into_iter().find(|grantor| grantor.numbers() == numbers)
    }
}

/// How long a copy may be opened after its holder last heard from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfflineTime {
    hours: u16,
}

impl OfflineTime {
    /// A clinic that treats the patient.
    pub const TREATING: Self = Self { hours: 7 * 24 };
    /// A clinic that the patient happens to come to.
    pub const VISIT: Self = Self { hours: 72 };
    /// Longest that may be named: 90 days, a season without a road.
    pub const HOURS_MAX: u16 = 90 * 24;

    /// So many hours; `None` above [`HOURS_MAX`](Self::HOURS_MAX). None at all means that a copy is
    /// opened only while the hub answers.
    #[must_use]
    pub const fn from_hours(hours: u16) -> Option<Self> {
        if hours <= Self::HOURS_MAX { Some(Self { hours }) } else { None }
    }

    /// In hours.
    #[must_use]
    pub const fn hours(self) -> u16 {
        self.hours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grantor_has_numbers_of_its_own() {
        let guardians = Relationship::ALL.into_iter().map(Grantor::Guardian);
        for grantor in
            [Grantor::Patient, Grantor::Nominee, Grantor::Court].into_iter().chain(guardians)
        {
            assert_eq!(Grantor::from_numbers(grantor.numbers()), Some(grantor));
        }
        for numbers in [(0, 0), (1, 1), (2, 0), (2, 6), (3, 1), (5, 0)] {
            assert_eq!(Grantor::from_numbers(numbers), None, "{numbers:?}");
        }
        for relationship in Relationship::ALL {
            assert_eq!(Relationship::from_word(relationship.word()), Some(relationship));
        }
    }

    #[test]
    fn nobody_may_keep_a_copy_open_for_longer_than_a_season() {
        assert_eq!(OfflineTime::from_hours(90 * 24).map(OfflineTime::hours), Some(2_160));
        assert_eq!(OfflineTime::from_hours(90 * 24 + 1), None);
    }
}
