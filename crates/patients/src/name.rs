//! What a person is called.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// Longest name in characters. The longest in the registers of the field have about 120.
pub const NAME_CHARS_MAX: usize = 200;

/// A name as it is shown: one line, composed characters (NFC), single spaces, nothing invisible.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(String);

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing but spaces.
    #[error("a name is missing")]
    Empty,
    /// More than [`NAME_CHARS_MAX`].
    #[error("a name has at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// A control character, or one that hides or reorders others. Such a name can look like
    /// another one.
    #[error("a name holds visible characters only")]
    Invisible,
}

impl PersonName {
    /// Reads a name that somebody typed: composes characters and tidies spaces.
    ///
    /// # Errors
    ///
    /// [`BadName`].
    pub fn parse(text: &str) -> Result<Self, BadName> {
        // Composing looks at every character, so an oversized text is refused before it.
        if text.len() > 16 * NAME_CHARS_MAX {
            return Err(BadName::TooLong);
        }
        let composed: String = text.nfc().collect();
        let tidy: Vec<&str> = composed.split_whitespace().collect();
        Self::check(&tidy.join(" "))
    }

    /// Reads a name as it stands in a document. Another clinic may have composed it by the tables
    /// of another Unicode version, so it is taken as it is.
    ///
    /// # Errors
    ///
    /// [`BadName`].
    pub fn check(text: &str) -> Result<Self, BadName> {
        if text.trim().is_empty() {
            return Err(BadName::Empty);
        }
        if text.chars().count() > NAME_CHARS_MAX {
            return Err(BadName::TooLong);
        }
        if text.chars().any(is_invisible) {
            return Err(BadName::Invisible);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName([redacted])")
    }
}

/// Control characters, and format characters that hide or reorder text. The two joiners
/// U+200C and U+200D are kept: Persian and Indic names are misspelt without them.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_are_read_and_tidied() {
        check("Asha Devi", Ok("Asha Devi"));
        check("  Asha \t Devi ", Ok("Asha Devi"));
        check("Jose\u{301} Niño", Ok("José Niño"));
        check("अनुष्का शर्मा", Ok("अनुष्का शर्मा"));
        check("نیلوفر \u{200c}", Ok("نیلوفر \u{200c}"));
        check("O'Brien-Smith, Jr.", Ok("O'Brien-Smith, Jr."));
        check("", Err(BadName::Empty));
        check(" \u{a0} ", Err(BadName::Empty));
        check("Asha\u{0}", Err(BadName::Invisible));
        check("\u{202e}ahsA", Err(BadName::Invisible));
        check("Asha\u{200b}Devi", Err(BadName::Invisible));
    }

    #[test]
    fn the_longest_name_is_met_and_not_passed() {
        check(&"ä".repeat(NAME_CHARS_MAX), Ok(&"ä".repeat(NAME_CHARS_MAX)));
        check(&"ä".repeat(NAME_CHARS_MAX + 1), Err(BadName::TooLong));
        check(&"x".repeat(1_000_000), Err(BadName::TooLong));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, BadName>) {
        let name = PersonName::parse(text);
        assert_eq!(name.as_ref().map(PersonName::as_str).map_err(|bad| *bad), expected);
    }
}
