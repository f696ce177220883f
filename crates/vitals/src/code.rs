//! LOINC codes, which say what was measured.
//!
//! A [`LoincCode`] has the shape of one and its check digit holds, so a typing mistake does not
//! become a new kind of measurement. That LOINC knows the code is not checked: any number with a
//! code of this shape is kept.

use std::fmt;
use std::str::FromStr;

/// A LOINC code such as `8867-4`: one to seven digits, a hyphen, a check digit.
///
/// Held as the number before the hyphen; the check digit follows from it. Codes are ordered by
/// that number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoincCode(u32);

/// The text is no LOINC code: its shape is another, or its check digit does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a LOINC code, such as 8867-4")]
pub struct BadCode;

/// The largest number before the hyphen: seven digits.
const NUMBER_MAX: u32 = 9_999_999;

impl LoincCode {
    /// The code with this number before the hyphen, if there can be one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        if matches!(number, 1..=NUMBER_MAX) { Some(Self(number)) } else { None }
    }

    /// The number before the hyphen, as it stands in segments.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The check digit, by the mod-10 algorithm of the LOINC Users' Guide, appendix C: every other
    /// digit, starting with the last, is doubled; the digits of all are added; the check digit
    /// fills up to the next ten.
    const fn check_digit(self) -> u32 {
        let (mut rest, mut sum, mut double) = (self.0, 0, true);
        while rest > 0 {
            let digit = rest % 10;
            let doubled = digit * 2;
            sum += if !double {
                digit
            } else if doubled > 9 {
                doubled - 9
            } else {
                doubled
            };
            rest /= 10;
            double = !double;
        }
        (10 - sum % 10) % 10
    }
}

impl FromStr for LoincCode {
    type Err = BadCode;

    fn from_str(text: &str) -> Result<Self, BadCode> {
        let [digits @ .., b'-', check] = text.as_bytes() else { return Err(BadCode) };
        // A leading zero would not come back as sent, and LOINC has no such codes.
        if digits.len() > 7 || digits.first().is_none_or(|first| *first == b'0') {
            return Err(BadCode);
        }
        let mut number = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return Err(BadCode);
            }
            number = number * 10 + u32::from(digit - b'0');
        }
        let code = Self::from_number(number).ok_or(BadCode)?;
        let sent = check.is_ascii_digit().then(|| u32::from(check - b'0'));
        if sent == Some(code.check_digit()) { Ok(code) } else { Err(BadCode) }
    }
}

impl fmt::Display for LoincCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.check_digit())
    }
}

impl fmt::Debug for LoincCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recordings;

    #[test]
    fn a_code_has_its_shape_and_its_check_digit() {
        check("8867-4", true);
        check("1-8", true);
        check("100000-9", true);
        check("8867-5", false);
        check("8876-4", false);
        check("", false);
        check("-4", false);
        check("8867", false);
        check("8867-", false);
        check("8867-44", false);
        check("08867-4", false);
        check("0-0", false);
        check("12345678-9", false);
        check(" 8867-4", false);
        check("88٣7-4", false);
        check("+867-4", false);
    }

    #[track_caller]
    fn check(text: &str, good: bool) {
        let code = text.parse::<LoincCode>();
        assert_eq!(
            code.map(|code| code.to_string()),
            if good { Ok(text.to_owned()) } else { Err(BadCode) }
        );
    }

    #[test]
    fn every_code_of_the_field_is_read_and_written_back() {
        let Some(codes) = recordings::codes() else { return };
        for text in &codes {
            check(text, true);
        }
        assert!(codes.len() > 90, "{} codes", codes.len());
    }

    proptest! {
        /// One wrong digit is always noticed.
        #[test]
        fn a_wrong_digit_is_noticed(number in 1u32..=NUMBER_MAX, at in 0usize..7, by in 1u8..10) {
            let text = LoincCode(number).to_string();
            let mut bytes = text.clone().into_bytes();
            let at = at % (bytes.len() - 2);
            bytes[at] = b'0' + (bytes[at] - b'0' + by) % 10;
            prop_assert_eq!(String::from_utf8(bytes).unwrap().parse::<LoincCode>(), Err(BadCode));
            prop_assert_eq!(text.parse::<LoincCode>(), Ok(LoincCode(number)));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,12}") {
            let _ = text.parse::<LoincCode>();
        }
    }
}
