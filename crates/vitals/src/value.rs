//! The number of a reading: its text as it was sent, and its exact value in millionths.
//!
//! Devices write `36`, `36.10` and `1e2`; what they wrote is part of a reading's identity and goes
//! into exports, so it comes back byte for byte. Rules compare another form: whole millionths of
//! the canonical unit, computed without floating point, so that 100.4 `[degF]` is 38 `Cel` and not
//! a hair more.

use std::fmt;

use crate::unit::Conversion;

/// Longest number in bytes. A double has at most 24 characters (`-2.2250738585072014e-308`).
pub const VALUE_BYTES_MAX: usize = 32;

/// Digits of a plain decimal that surely fit an `i64`: 10^18 is below 2^63, about 9.2 × 10^18.
const PLAIN_DIGITS_MAX: usize = 18;

/// The exact text of a number in the grammar of JSON (RFC 8259 §6), 1 to [`VALUE_BYTES_MAX`] bytes.
///
/// Two values are equal when their texts are: `36` and `36.0` are two.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SentValue(Form);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    /// At most [`PLAIN_DIGITS_MAX`] digits, no exponent, not a negative zero: the text follows
    /// from these two.
    Plain { mantissa: i64, scale: u8 },
    /// Anything else.
    Text(Box<str>),
}

/// The text is no number, or longer than [`VALUE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of at most {VALUE_BYTES_MAX} characters")]
pub struct BadValue;

/// A number taken apart: `±digits × 10^exponent`.
struct Parts {
    negative: bool,
    digits: u128,
    /// Digits in the text, leading zeros of `0.05` included.
    digit_count: usize,
    exponent: i32,
    /// Digits after the point when there was no exponent.
    scale: Option<u8>,
}

/// Reads the grammar of JSON numbers; 32 bytes hold at most 32 digits, which fit a `u128`.
fn take_apart(text: &str) -> Option<Parts> {
    let bytes = text.as_bytes();
    if bytes.len() > VALUE_BYTES_MAX {
        return None;
    }
    let (negative, mut rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut digits: u128 = 0;
    let mut take_digits = |rest: &mut &[u8]| {
        let mut count = 0;
        while let [digit @ b'0'..=b'9', after @ ..] = *rest {
            digits = digits * 10 + u128::from(digit - b'0');
            count += 1;
            *rest = after;
        }
        count
    };
    let leading_zero = rest.first() == Some(&b'0');
    let whole = take_digits(&mut rest);
    if whole == 0 || (leading_zero && whole > 1) {
        return None;
    }
    let mut fraction = 0_u8;
    if let [b'.', after @ ..] = rest {
        rest = after;
        fraction = u8::try_from(take_digits(&mut rest)).ok().filter(|count| *count > 0)?;
    }
    let digit_count = whole + usize::from(fraction);
    let mut exponent = -i32::from(fraction);
    let mut scale = Some(fraction);
    if let [b'e' | b'E', after @ ..] = rest {
        scale = None;
        exponent = exponent.checked_add(take_exponent(after)?)?;
        rest = &[];
    }
    rest.is_empty().then_some(Parts { negative, digits, digit_count, exponent, scale })
}

/// The digits after `e`, with an optional sign. An exponent beyond a million is held there: no
/// unit brings such a number back into a possible range.
fn take_exponent(text: &[u8]) -> Option<i32> {
    const HELD_AT: i32 = 1_000_000;
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0, |size: i32, digit| {
        (size.saturating_mul(10).saturating_add(i32::from(digit - b'0'))).min(HELD_AT)
    });
    Some(sign * size)
}

impl SentValue {
    /// Takes a number as it was sent.
    ///
    /// # Errors
    ///
    /// [`BadValue`] for a text that is no JSON number: `NaN`, `+5`, `.5`, `05`, an empty one.
    pub fn parse(text: &str) -> Result<Self, BadValue> {
        let parts = take_apart(text).ok_or(BadValue)?;
        let negative_zero = parts.negative && parts.digits == 0;
        let mantissa = i64::try_from(parts.digits).ok();
        Ok(Self(match (parts.scale, mantissa) {
            (Some(scale), Some(mantissa))
                if parts.digit_count <= PLAIN_DIGITS_MAX && !negative_zero =>
            {
                Form::Plain { mantissa: if parts.negative { -mantissa } else { mantissa }, scale }
            }
            _ => Form::Text(text.into()),
        }))
    }

    /// The plain decimal `mantissa × 10^-scale` with all of its digits written; `None` when no
    /// text gives it (too many digits).
    #[must_use]
    pub fn from_plain(mantissa: i64, scale: u8) -> Option<Self> {
        const END: u64 = 10_u64.pow(18);
        let fits = mantissa.unsigned_abs() < END && usize::from(scale) < PLAIN_DIGITS_MAX;
        fits.then_some(Self(Form::Plain { mantissa, scale }))
    }

    /// Mantissa and scale of a plain decimal: `36.10` is `(3610, 2)`. `None` for other texts.
    #[must_use]
    pub const fn plain(&self) -> Option<(i64, u8)> {
        match self.0 {
            Form::Plain { mantissa, scale } => Some((mantissa, scale)),
            Form::Text(_) => None,
        }
    }

    /// Appends the text, as it was sent.
    pub fn push_to(&self, out: &mut String) {
        match &self.0 {
            Form::Text(text) => out.push_str(text),
            Form::Plain { mantissa, scale } => {
                // Sign, 20 digits of a u64, point.
                let mut buffer = [b'0'; 24];
                let mut at = buffer.len();
                let mut rest = mantissa.unsigned_abs();
                let mut left = usize::from(*scale) + 1;
                let mut put = |byte: u8| {
                    at = at.saturating_sub(1);
                    if let Some(place) = buffer.get_mut(at) {
                        *place = byte;
                    }
                };
                while rest > 0 || left > 0 {
                    if left == 1 && *scale > 0 {
                        put(b'.');
                    }
                    put(b'0' + u8::try_from(rest % 10).unwrap_or_default());
                    rest /= 10;
                    left = left.saturating_sub(1);
                }
                if *mantissa < 0 {
                    put(b'-');
                }
                let text = buffer.get(at..).unwrap_or_default();
                out.push_str(std::str::from_utf8(text).unwrap_or_default());
            }
        }
    }

    /// The value in millionths of the canonical unit, or `None` when it does not fit an `i64`.
    ///
    /// Exact wherever a millionth can hold it. Otherwise it becomes the odd one of its two
    /// neighbours: every bound of a rule or range is an even number of millionths, so comparing
    /// with one, strictly or not, gives what the exact value would give.
    #[must_use]
    pub fn to_micro(&self, conversion: Conversion) -> Option<i64> {
        match &self.0 {
            Form::Plain { mantissa, scale } => {
                if conversion == Conversion::NONE && *scale <= 6 {
                    return mantissa.checked_mul(10_i64.checked_pow(6 - u32::from(*scale))?);
                }
                to_micro(i128::from(*mantissa), -i32::from(*scale), conversion)
            }
            Form::Text(text) => {
                let parts = take_apart(text)?;
                let digits = i128::try_from(parts.digits).ok()?;
                let signed = if parts.negative { -digits } else { digits };
                to_micro(signed, parts.exponent, conversion)
            }
        }
    }
}

/// `digits × 10^exponent` converted, in millionths, rounded to odd.
///
/// What the numbers may grow to: 10^21 (digits kept) × 10^6 (millionths) × 10^8 (the largest
/// numerator, pounds) is 10^35, and an offset of 2.8 × 10^8 × 10^24 (decimals kept) × 5 is
/// 1.4 × 10^33; an `i128` holds 1.7 × 10^38. Every step is checked all the same.
fn to_micro(mut digits: i128, mut exponent: i32, conversion: Conversion) -> Option<i64> {
    const DIGITS_END: i128 = 10_i128.pow(21);
    const DECIMALS_MAX: i32 = 24;
    if digits == 0 {
        exponent = 0;
    }
    // Digits too small to matter are dropped, but one that was not zero leaves a last digit 1: the
    // number stays strictly between the same bounds.
    let negative = digits < 0;
    let mut dropped = false;
    while digits.abs() >= DIGITS_END || (exponent < -DECIMALS_MAX && digits != 0) {
        dropped |= digits % 10 != 0;
        digits /= 10;
        exponent = exponent.checked_add(1)?;
        if digits == 0 {
            exponent = -DECIMALS_MAX;
        }
    }
    if dropped {
        digits = digits - digits % 10 + if negative { -1 } else { 1 };
    }
    let (grown, decimals) = if exponent > 0 {
        (digits.checked_mul(10_i128.checked_pow(u32::try_from(exponent).ok()?)?)?, 0)
    } else {
        (digits, exponent.unsigned_abs())
    };
    let unit = 10_i128.checked_pow(decimals)?;
    let numerator = grown
        .checked_mul(1_000_000)?
        .checked_add(i128::from(conversion.offset_micro).checked_mul(unit)?)?
        .checked_mul(i128::from(conversion.numerator))?;
    let denominator = unit.checked_mul(i128::from(conversion.denominator))?;
    let floor = numerator.checked_div_euclid(denominator)?;
    let exact = numerator.checked_rem_euclid(denominator)? == 0;
    i64::try_from(if exact { floor } else { floor | 1 }).ok()
}

impl fmt::Display for SentValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(VALUE_BYTES_MAX);
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for SentValue {
    /// A value about a person stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentValue([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_comes_back_as_it_was_sent() {
        for text in [
            "0",
            "36",
            "36.1",
            "36.10",
            "-0.5",
            "0.0",
            "-0",
            "-0.0",
            "1e2",
            "1E+2",
            "1e-7",
            "0e0",
            "0.000001",
            "123456789012345678",
            "1234567890123456789",
            "0.12345678901234567",
            "-999999999999999999",
            "0.00000000000000000",
            "0.000000000000000000",
            "99999999999999999999999999999999",
            "1e400",
            "-1e-400",
            "1e99999999999999999999",
        ] {
            assert_eq!(SentValue::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "-",
            "+5",
            ".5",
            "5.",
            "05",
            "-05",
            "1e",
            "1e+",
            "e5",
            "NaN",
            "inf",
            "36,1",
            " 36",
            "36 ",
            "0x10",
            "1.2.3",
            "1e2.5",
            "--1",
            "१",
            "999999999999999999999999999999999",
        ] {
            assert_eq!(SentValue::parse(text), Err(BadValue), "{text:?}");
        }
    }

    #[test]
    fn a_value_is_exact_in_millionths() {
        const NONE: Conversion = Conversion::NONE;
        check("36.1", NONE, Some(36_100_000));
        check("36.10", NONE, Some(36_100_000));
        check("-0.5", NONE, Some(-500_000));
        check("1e2", NONE, Some(100_000_000));
        check("120e-1", NONE, Some(12_000_000));
        check("0.000001", NONE, Some(1));
        check("-0", NONE, Some(0));
        check("0e999999999", NONE, Some(0));
        check("37.0000000", NONE, Some(37_000_000));
        check("37.0000000000000000000000000000", NONE, Some(37_000_000));
        check("9223372036854.775807", NONE, Some(i64::MAX));
        check("9223372036854.775808", NONE, None);
        check("1e400", NONE, None);
        check("99999999999999999999999999999999", NONE, None);
    }

    #[test]
    fn what_a_millionth_cannot_hold_stays_on_its_side_of_every_even_bound() {
        const NONE: Conversion = Conversion::NONE;
        check("38.0000001", NONE, Some(38_000_001));
        check("37.9999999", NONE, Some(37_999_999));
        check("-0.0000001", NONE, Some(-1));
        check("0.0000001", NONE, Some(1));
        check("1e-400", NONE, Some(1));
        check("-1e-400", NONE, Some(-1));
        check("38.0000000000000000000000000001", NONE, Some(38_000_001));
        check("37.9999999999999999999999999999", NONE, Some(37_999_999));
    }

    #[test]
    fn other_units_are_converted_exactly() {
        const FAHRENHEIT: Conversion =
            Conversion { offset_micro: -32_000_000, numerator: 5, denominator: 9 };
        check("100.4", FAHRENHEIT, Some(38_000_000));
        check("32", FAHRENHEIT, Some(0));
        check("-40", FAHRENHEIT, Some(-40_000_000));
        check("100.40000000000000000000000001", FAHRENHEIT, Some(38_000_001));
        check("98.6", FAHRENHEIT, Some(37_000_000));
        check("1e-400", FAHRENHEIT, Some(-17_777_777));
    }

    #[track_caller]
    fn check(text: &str, conversion: Conversion, micro: Option<i64>) {
        assert_eq!(SentValue::parse(text).unwrap().to_micro(conversion), micro, "{text}");
    }

    proptest! {
        #[test]
        fn every_number_comes_back(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?") {
            match SentValue::parse(&text) {
                Ok(value) => {
                    prop_assert_eq!(value.to_string(), &*text);
                    if let Some((mantissa, scale)) = value.plain() {
                        prop_assert_eq!(SentValue::from_plain(mantissa, scale), Some(value));
                    }
                }
                Err(_) => prop_assert!(text.len() > VALUE_BYTES_MAX),
            }
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}", numerator in 1i64..100_000_000, offset in any::<i32>()) {
            let conversion = Conversion { offset_micro: i64::from(offset), numerator, denominator: 7 };
            if let Ok(value) = SentValue::parse(&text) {
                let _ = value.to_micro(conversion);
            }
        }

        #[test]
        fn any_number_is_converted_or_too_large(digits in "[1-9][0-9]{0,20}", exponent in -60i32..60) {
            let _ = SentValue::parse(&format!("{digits}e{exponent}")).unwrap().to_micro(Conversion::NONE);
        }

        #[test]
        fn whatever_is_plain_can_be_read_again(mantissa in any::<i64>(), scale in any::<u8>()) {
            if let Some(value) = SentValue::from_plain(mantissa, scale) {
                prop_assert_eq!(SentValue::parse(&value.to_string()), Ok(value));
            }
        }
    }
}
