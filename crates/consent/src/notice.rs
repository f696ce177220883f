//! What a person was told before they decided, and how their decision was taken down.

use std::fmt;
use std::str::FromStr;

/// Which notice was shown, and in which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Notice {
    /// The version of the notice's text.
    pub version: u16,
    /// The language it was read or read out in.
    pub language: Language,
}

/// A language by its ISO 639-3 code: `hin`, `tam`, `eng`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language([u8; 3]);

/// The text is not three lower-case letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a language is an ISO 639-3 code of three lower-case letters, such as hin")]
pub struct BadLanguage;

impl Language {
    /// Reads the three letters.
    ///
    /// # Errors
    ///
    /// [`BadLanguage`] for anything but lower-case ASCII letters.
    pub fn from_letters(letters: [u8; 3]) -> Result<Self, BadLanguage> {
        if letters.iter().all(u8::is_ascii_lowercase) {
            Ok(Self(letters))
        } else {
            Err(BadLanguage)
        }
    }

    /// The three letters.
    #[must_use]
    pub const fn letters(self) -> [u8; 3] {
        self.0
    }
}

impl FromStr for Language {
    type Err = BadLanguage;

    fn from_str(text: &str) -> Result<Self, BadLanguage> {
        Self::from_letters(text.as_bytes().try_into().map_err(|_| BadLanguage)?)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Language({self})")
    }
}

/// How the decision was taken down. Numbers are on the wire and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Capture {
    /// The person confirmed it on a screen themself.
    OnScreen = 1,
    /// The person signed.
    Signature = 2,
    /// The person gave a thumb print on paper.
    ThumbPrint = 3,
    /// The person said so and somebody of the staff entered it; needs a witness.
    Spoken = 4,
}

impl Capture {
    /// Every way, by number.
    pub const ALL: [Self; 4] = [Self::OnScreen, Self::Signature, Self::ThumbPrint, Self::Spoken];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The way with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|capture| capture.number() == number)
    }
}

/// How a decision was taken down, and who saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence {
    /// The way.
    pub capture: Capture,
    /// The clinic's own staff number of the witness. A number and no text, so that no name or
    /// remark can travel in it.
    pub witness: Option<u32>,
}

impl Evidence {
    /// Whether a witness is missing who has to be there: what was only said needs one.
    #[must_use]
    pub fn lacks_witness(self) -> bool {
        self.capture == Capture::Spoken && self.witness.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_three_lower_case_letters() {
        check("hin", true);
        for text in ["", "hi", "hindi", "HIN", "h1n", "hé"] {
            check(text, false);
        }
    }

    #[track_caller]
    fn check(text: &str, good: bool) {
        let language = text.parse::<Language>();
        assert_eq!(language.is_ok(), good, "{text:?}");
        if let Ok(language) = language {
            assert_eq!(language.to_string(), text);
        }
    }

    #[test]
    fn only_what_was_said_needs_a_witness() {
        for capture in Capture::ALL {
            assert_eq!(Capture::from_number(capture.number()), Some(capture));
            assert!(!Evidence { capture, witness: Some(7) }.lacks_witness());
            let lacks = Evidence { capture, witness: None }.lacks_witness();
            assert_eq!(lacks, capture == Capture::Spoken);
        }
        assert_eq!(Capture::from_number(0), None);
        assert_eq!(Capture::from_number(5), None);
    }
}
