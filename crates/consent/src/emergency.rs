//! A record opened without permission, for a reason: written down before anything is shown.
//!
//! Opening is never a consent and gives nothing to anybody else. It reads only, ends by itself, and goes
//! to the hub before everything else. What a site opened is one chain of entries, so that one that was
//! held back shows as a gap.
//!
//! Source: IHE Privacy Consent on FHIR, break-glass; HL7 v3 PurposeOfUse `ETREAT` and `BTG`.

mod fact;
mod store;

use std::fmt;

use vocab::{Compartment, PatientId, Sensitive, Timestamp};

use crate::scope::{SetOf, is_grantable};

pub use store::{Opened, all, open_at, record};

/// How long a record stays open, in seconds.
pub const OPEN_SECONDS: u32 = 2 * 3_600;

/// Longest text of a reason, in bytes; shortest in characters.
pub const TEXT_BYTES_MAX: usize = 500;
const TEXT_CHARS_MIN: usize = 5;

/// Why a record is opened. Numbers are on the wire and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// A life is at risk.
    LifeAtRisk = 1,
    /// The patient cannot be asked.
    CannotAsk = 2,
    /// The patient is here and being treated, and the copy is locked because the hub was not heard.
    CopyLocked = 3,
}

impl Reason {
    /// Every reason, by number.
    pub const ALL: [Self; 3] = [Self::LifeAtRisk, Self::CannotAsk, Self::CopyLocked];

    /// Its word on the command line and in lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LifeAtRisk => "life-at-risk",
            Self::CannotAsk => "cannot-ask",
            Self::CopyLocked => "copy-locked",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

/// What somebody wrote as a reason, in their words.
#[derive(Clone, PartialEq, Eq)]
pub struct ReasonText(Sensitive<String>);

impl ReasonText {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`BadEmergency::Text`].
    pub fn parse(text: &str) -> Result<Self, BadEmergency> {
        let text = text.trim();
        let long_enough = text.chars().count() >= TEXT_CHARS_MIN;
        if long_enough && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control) {
            Ok(Self(Sensitive::new(text.to_owned())))
        } else {
            Err(BadEmergency::Text)
        }
    }

    /// The words.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl fmt::Debug for ReasonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReasonText([redacted])")
    }
}

/// A record that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencyAccess {
    /// Sixteen random bytes: its name.
    pub draw: [u8; 16],
    /// Whose record.
    pub patient: PatientId,
    /// Which parts.
    pub parts: SetOf<Compartment>,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub text: ReasonText,
    /// Why more than who it is and what saves a life.
    pub further: Option<ReasonText>,
    /// When, by the clinic's clock.
    pub opened_at: Timestamp,
    /// When, by the hub's clock as far as the clinic knew it: the time it ends is counted from here.
    pub hub_time: Timestamp,
    /// Whether the clinic was sure of the time.
    pub is_time_confirmed: bool,
}

/// Why a record is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadEmergency {
    /// The reason.
    #[error("say why in {TEXT_CHARS_MIN} letters to {TEXT_BYTES_MAX} bytes, in one line")]
    Text,
    /// More than the default parts, and nobody said why.
    #[error(
        "more than identity and lifesaver needs a second reason: say why these parts are needed"
    )]
    FurtherReasonMissing,
    /// No part, or one that nobody ever opens by name.
    #[error(
        "name at least one part of the record; alerts come with vitals, the consent record never"
    )]
    Parts,
    /// The bytes cannot be read, or are not the one form of what they say.
    #[error("the emergency record cannot be read")]
    Malformed,
}

/// What is opened without a second reason.
const DEFAULT_PARTS: [Compartment; 2] = [Compartment::Identity, Compartment::Lifesaver];

impl EmergencyAccess {
    /// Checks the rules.
    ///
    /// # Errors
    ///
    /// [`BadEmergency`].
    pub fn checked(self) -> Result<Self, BadEmergency> {
        if self.parts.is_empty() || !self.parts.iter().all(is_grantable) {
            return Err(BadEmergency::Parts);
        }
        let more = self.parts.iter().any(|part| !DEFAULT_PARTS.contains(&part));
        if more && self.further.is_none() {
            return Err(BadEmergency::FurtherReasonMissing);
        }
        Ok(self)
    }

    /// The parts, alerts among them where vitals are.
    #[must_use]
    pub fn opened_parts(&self) -> Vec<Compartment> {
        let mut parts: Vec<_> = self.parts.iter().collect();
        if parts.contains(&Compartment::Vitals) {
            parts.push(Compartment::Alerts);
        }
        parts
    }

    /// The first moment, by the hub's clock, at which the record is closed again.
    #[must_use]
    pub fn closes_at(&self) -> Timestamp {
        self.hub_time.plus_seconds(i64::from(OPEN_SECONDS))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn plain() -> EmergencyAccess {
        EmergencyAccess {
            draw: [1; 16],
            patient: PatientId::from_bytes([7; 16]),
            parts: SetOf::of(&DEFAULT_PARTS),
            reason: Reason::CannotAsk,
            text: ReasonText::parse("found unconscious").unwrap(),
            further: None,
            opened_at: Timestamp::from_millis(5_000),
            hub_time: Timestamp::from_millis(6_000),
            is_time_confirmed: true,
        }
    }

    #[test]
    fn more_than_the_least_needs_a_second_reason() {
        let more = SetOf::of(&[Compartment::Identity, Compartment::Vitals]);
        let further = Some(ReasonText::parse("sats are falling").unwrap());
        let check = |change: EmergencyAccess, expected: Result<(), BadEmergency>| {
            assert_eq!(change.checked().map(|_| ()), expected);
        };
        check(plain(), Ok(()));
        check(EmergencyAccess { parts: more, ..plain() }, Err(BadEmergency::FurtherReasonMissing));
        check(EmergencyAccess { parts: more, further, ..plain() }, Ok(()));
        check(EmergencyAccess { parts: SetOf::of(&[]), ..plain() }, Err(BadEmergency::Parts));
        let consent = SetOf::of(&[Compartment::Consent]);
        check(EmergencyAccess { parts: consent, ..plain() }, Err(BadEmergency::Parts));
    }

    #[test]
    fn a_reason_is_said_in_words() {
        for (text, good) in [
            ("bleeding", true),
            ("  ache ", false),
            ("", false),
            ("two\nlines", false),
            ("बेहोश मिला", true),
            (&"a".repeat(500), true),
            (&"a".repeat(501), false),
        ] {
            assert_eq!(ReasonText::parse(text).is_ok(), good, "{text:?}");
        }
        assert!(!format!("{:?}", plain()).contains("unconscious"));
    }

    proptest! {
        #[test]
        fn what_was_read_writes_back_to_the_same_bytes(
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = plain().to_bytes();
            prop_assert_eq!(EmergencyAccess::from_bytes(&bytes), Ok(plain()));
            *at.get_mut(&mut bytes) = byte;
            if let Ok(read) = EmergencyAccess::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
            let whole = plain().to_bytes();
            let short = &whole[..cut.index(whole.len())];
            prop_assert!(EmergencyAccess::from_bytes(short).is_err());
        }
    }
}
