//! A number to call.

use std::fmt;

/// Most digits of a number. Source: ITU-T E.164.
const DIGITS_MAX: usize = 15;

/// Fewest digits. Local numbers of small exchanges have five; four and less are extensions.
const DIGITS_MIN: usize = 5;

/// A telephone number, kept as digits with an optional `+` before the country code.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

/// The text is no telephone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a phone number has {DIGITS_MIN} to {DIGITS_MAX} digits, with a + before a country code")]
pub struct BadPhone;

impl Phone {
    /// Reads a number; spaces, hyphens, dots, slashes and brackets between digits are dropped.
    ///
    /// # Errors
    ///
    /// [`BadPhone`].
    pub fn parse(text: &str) -> Result<Self, BadPhone> {
        let kept: String = text
            .trim()
            .chars()
            .filter(|character| !matches!(character, ' ' | '\u{a0}' | '-' | '.' | '/' | '(' | ')'))
            .take(DIGITS_MAX + 2)
            .collect();
        let digits = kept.strip_prefix('+').unwrap_or(&kept);
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain && (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
            Ok(Self(kept))
        } else {
            Err(BadPhone)
        }
    }

    /// The number as it is dialled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        check("+91 98765-43210", Ok("+919876543210"));
        check("(040) 123.45/67", Ok("0401234567"));
        check("12345", Ok("12345"));
        check("+123456789012345", Ok("+123456789012345"));
        check("1234", Err(BadPhone));
        check("1234567890123456", Err(BadPhone));
        check("12345x", Err(BadPhone));
        check("+", Err(BadPhone));
        check("1+2345", Err(BadPhone));
        check("=12345", Err(BadPhone));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, BadPhone>) {
        let phone = Phone::parse(text);
        assert_eq!(phone.as_ref().map(Phone::as_str).map_err(|bad| *bad), expected);
    }
}
