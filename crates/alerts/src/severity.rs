//! How bad, and in which direction.

/// How much an alert matters, the least first. Numbers are on the wire and never change their
/// meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// Worth a note. No rule uses it yet.
    Low = 1,
    /// Worth a look at the next round.
    Medium = 2,
    /// Somebody should go and look soon.
    High = 3,
    /// Somebody must come now.
    Critical = 4,
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The severity with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.number() == number)
    }

    /// The word in exports and on pages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

/// On which side of its bound a reading lies. Numbers are on the wire and never change their
/// meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// Lower than the bound.
    Below = 1,
    /// Higher than the bound.
    Above = 2,
}

impl Direction {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The direction with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Below, Self::Above].into_iter().find(|direction| direction.number() == number)
    }

    /// The word in exports and on pages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Below => "below",
            Self::Above => "above",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_ordered_and_numbered_from_low_to_critical() {
        assert!(Severity::ALL.is_sorted());
        let numbers = Severity::ALL.map(Severity::number);
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(Severity::ALL.map(Severity::word), ["LOW", "MEDIUM", "HIGH", "CRITICAL"]);
        assert_eq!(numbers.map(Severity::from_number), Severity::ALL.map(Some));
        assert_eq!((Severity::from_number(0), Severity::from_number(5)), (None, None));
    }

    #[test]
    fn a_direction_is_below_or_above() {
        assert_eq!(
            [0, 1, 2, 3].map(Direction::from_number).map(|d| d.map(Direction::word)),
            [None, Some("below"), Some("above"), None]
        );
    }
}
