//! Why a reading was not simply accepted.

/// A reason, with a number that stands in stored receipts and never changes its meaning. None of
/// its texts holds anything about a person.
///
/// Numbers 16 to 63 are rejections: the reading could not be read and nothing of it is kept. From
/// 64 on it was readable but is not trusted: it lies in quarantine for a person to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The reading is no JSON object.
    NotAnObject = 16,
    /// One of patient, code, unit, time, value is absent.
    MissingField = 17,
    /// A field holds another type than it should.
    WrongType = 18,
    /// The patient's number is empty, too long, or holds characters that no number has.
    BadPatient = 19,
    /// The code has not the shape of a LOINC code, or its check digit does not hold.
    BadCode = 20,
    /// The unit is too long or holds control characters.
    BadUnit = 21,
    /// The time is not RFC 3339.
    BadTime = 22,
    /// The value is no number of at most 32 characters.
    BadValue = 23,
    /// The sequence is no whole number from 0 to 2^64 - 1.
    BadSequence = 24,
    /// The patient is not known at this clinic.
    UnknownPatient = 64,
    /// The unit is not UCUM.
    UnknownUnit = 65,
    /// The unit measures something else than this vital type, or is not converted.
    UnitMismatch = 66,
    /// No living person can show this value.
    ImpossibleValue = 67,
    /// The time lies more than ten minutes ahead.
    TimeAhead = 68,
    /// The time lies before 1990: a clock that was never set.
    TimeTooOld = 69,
}

impl Reason {
    /// Every reason, by number.
    pub const ALL: [Self; 15] = [
        Self::NotAnObject,
        Self::MissingField,
        Self::WrongType,
        Self::BadPatient,
        Self::BadCode,
        Self::BadUnit,
        Self::BadTime,
        Self::BadValue,
        Self::BadSequence,
        Self::UnknownPatient,
        Self::UnknownUnit,
        Self::UnitMismatch,
        Self::ImpossibleValue,
        Self::TimeAhead,
        Self::TimeTooOld,
    ];

    /// The number in stored receipts.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The reason with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.number() == number)
    }

    /// Whether the reading is kept in quarantine; otherwise nothing of it is kept.
    #[must_use]
    pub const fn quarantines(self) -> bool {
        self.number() >= Self::UnknownPatient.number()
    }

    /// The word in receipts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotAnObject => "not-an-object",
            Self::MissingField => "missing-field",
            Self::WrongType => "wrong-type",
            Self::BadPatient => "bad-patient",
            Self::BadCode => "bad-code",
            Self::BadUnit => "bad-unit",
            Self::BadTime => "bad-time",
            Self::BadValue => "bad-value",
            Self::BadSequence => "bad-sequence",
            Self::UnknownPatient => "unknown-patient",
            Self::UnknownUnit => "unknown-unit",
            Self::UnitMismatch => "unit-mismatch",
            Self::ImpossibleValue => "impossible-value",
            Self::TimeAhead => "time-ahead",
            Self::TimeTooOld => "time-before-1990",
        }
    }

    /// One sentence for the person who reads the receipt; needs no escaping in JSON.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotAnObject => "A reading is a JSON object.",
            Self::MissingField => "A reading needs patient, code, unit, time and value.",
            Self::WrongType => "Patient, code, unit and time are texts.",
            Self::BadPatient => {
                "A patient's number has 1 to 64 letters, digits, dots, dashes or underscores."
            }
            Self::BadCode => {
                "The code is not a LOINC code such as 8867-4, or its check digit is wrong."
            }
            Self::BadUnit => "A unit has at most 32 characters, all of them printable.",
            Self::BadTime => "The time is not RFC 3339, such as 2026-06-12T17:22:00Z.",
            Self::BadValue => "The value is not a number of at most 32 characters.",
            Self::BadSequence => "The sequence is not a whole number from 0 upwards.",
            Self::UnknownPatient => "This patient is not known at this clinic.",
            Self::UnknownUnit => "The unit is not a UCUM unit.",
            Self::UnitMismatch => "This vital sign is not measured in this unit.",
            Self::ImpossibleValue => "No living person can show this value.",
            Self::TimeAhead => "The time is more than ten minutes ahead of this clinic's clock.",
            Self::TimeTooOld => "The time is before 1990; the device's clock was never set.",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_lead_back_and_words_are_distinct_and_plain() {
        let mut words = BTreeSet::new();
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(reason.number()), Some(reason));
            assert!(words.insert(reason.word()), "{reason:?}");
            assert!(reason.word().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            assert!(!reason.sentence().contains(['"', '\\']), "{reason:?}");
        }
        assert_eq!(Reason::from_number(0), None);
    }

    #[test]
    fn what_can_be_read_is_kept_aside() {
        assert!(!Reason::BadSequence.quarantines());
        assert!(Reason::UnknownPatient.quarantines());
    }
}
