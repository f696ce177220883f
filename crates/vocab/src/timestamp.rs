//! A point in time, exact to the nanosecond, always in UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970-01-01T00:00:00Z. Holds the years 1678 to 2262.
///
/// Written and read as RFC 3339. A device that reports fractions of a second keeps all nine digits,
/// so two readings are never taken for one because a clock was rounded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

/// The text is no RFC 3339 time within the years 1678 to 2262.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time, such as 2026-06-12T17:22:00Z")]
pub struct BadTimestamp;

/// Longest text that is looked at: `2026-06-12T17:22:00.123456789+05:30` has 35 characters.
const TEXT_BYTES_MAX: usize = 40;

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the Unix epoch; the ends of the range are met, not passed.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This time plus `seconds`, held at the end of the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000_000)))
    }

    /// Seconds from `earlier` to this time, rounded towards zero; negative when it is later.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0) / 1_000_000_000
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, the form almost every device sends, read without a general parser.
fn parse_plain_utc(text: &str) -> Option<i64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let digit =
        |at: usize| bytes.get(at).filter(|b| b.is_ascii_digit()).map(|b| i64::from(b - b'0'));
    let two = |at: usize| Some(digit(at)? * 10 + digit(at + 1)?);
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if marks.iter().any(|&(at, mark)| bytes.get(at) != Some(&mark)) {
        return None;
    }
    let (year, month, day) = (two(0)? * 100 + two(2)?, two(5)?, two(8)?);
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    let plausible = (1678..2262).contains(&year) && (1..=days_in_month).contains(&day);
    if !plausible || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since the epoch by the civil-calendar arithmetic of H. Hinnant (years start in March).
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

impl FromStr for Timestamp {
    type Err = BadTimestamp;

    fn from_str(text: &str) -> Result<Self, BadTimestamp> {
        if let Some(seconds) = parse_plain_utc(text) {
            return Ok(Self(seconds * 1_000_000_000));
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(BadTimestamp);
        }
        let parsed: jiff::Timestamp = text.parse().map_err(|_| BadTimestamp)?;
        i64::try_from(parsed.as_nanosecond()).map(Self).map_err(|_| BadTimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parsers_read_the_same_time() {
        for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "1999-12-31T00:00:01Z"] {
            let general: jiff::Timestamp = text.parse().unwrap();
            let ours: Timestamp = text.parse().unwrap();
            assert_eq!(i128::from(ours.nanos()), general.as_nanosecond(), "{text}");
            assert_eq!(ours.to_string(), text);
        }
    }

    #[test]
    fn offsets_and_fractions_are_kept_exactly() {
        check("2026-06-12T22:52:00+05:30", "2026-06-12T17:22:00Z");
        check("2026-06-12T17:22:00.000000001Z", "2026-06-12T17:22:00.000000001Z");
        check("2026-06-12T17:22:00.500Z", "2026-06-12T17:22:00.5Z");
    }

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), shown);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-06-12T24:00:00Z",
            "2026-06-12",
            "9999-01-01T00:00:00Z",
            "1781284920",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(BadTimestamp), "{text}");
        }
    }
}
