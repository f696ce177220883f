//! When a person was born, as exactly as anybody knows.

use std::fmt;

use vocab::Timestamp;

/// Earliest year that is taken. Records of the dead reach back to the nineteenth century; anything
/// before is a slip such as 0198.
const YEAR_MIN: u16 = 1850;
const YEAR_MAX: u16 = 2199;

/// A day, a month or only a year; many patients know no more.
///
/// Written `1984-03-02`, `1984-03` or `1984`.
///
/// Source: FHIR R4, data type `date`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate {
    year: u16,
    /// 0 when unknown.
    month: u8,
    /// 0 when unknown.
    day: u8,
}

/// Why a text is no birth date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBirthDate {
    /// Not one of the three forms, or a day that the calendar does not have.
    #[error("a birth date is written 1984-03-02, 1984-03 or 1984")]
    Form,
    /// After today, wherever on earth the clinic is.
    #[error("a birth date is not in the future")]
    Future,
}

impl BirthDate {
    /// Reads the three forms.
    ///
    /// # Errors
    ///
    /// [`BadBirthDate::Form`].
    pub fn parse(text: &str) -> Result<Self, BadBirthDate> {
        let mut parts = text.split('-');
        let year = parts.next().and_then(|part| digits(part, 4)).ok_or(BadBirthDate::Form)?;
        let mut two = || match parts.next() {
            None => Ok(0),
            Some(part) => digits(part, 2)
                .and_then(|n| u8::try_from(n).ok())
                .filter(|&n| n > 0)
                .ok_or(BadBirthDate::Form),
        };
        let (month, day) = (two()?, two()?);
        let known_day = day <= days_in(year, month);
        let in_form = parts.next().is_none() && month <= 12 && known_day;
        if in_form && (YEAR_MIN..=YEAR_MAX).contains(&year) {
            Ok(Self { year, month, day })
        } else {
            Err(BadBirthDate::Form)
        }
    }

    /// The first moment, in UTC, of the earliest day on which the person can be `years` old. Where only
    /// the year or the month is known, that is its first day: nobody decides for a grown-up. Who was
    /// born on 29 February is of age on 1 March.
    #[must_use]
    pub fn earliest_age(self, years: u16) -> Option<Timestamp> {
        let year = self.year.checked_add(years)?;
        let (month, day) = match (self.month.max(1), self.day.max(1)) {
            (2, 29) if days_in(year, 2) == 28 => (3, 1),
            other => other,
        };
        format!("{year:04}-{month:02}-{day:02}T00:00:00Z").parse().ok()
    }

    /// Refuses a date that lies after today anywhere on earth: the day begins up to fourteen hours
    /// before it does in UTC.
    ///
    /// # Errors
    ///
    /// [`BadBirthDate::Future`].
    pub fn not_after(self, now: Timestamp) -> Result<Self, BadBirthDate> {
        let latest = now.plus_seconds(14 * 3_600).to_string();
        let text = self.to_string();
        // Dates of one form sort as text.
        match latest.get(..text.len()) {
            Some(today) if text.as_str() <= today => Ok(self),
            _ => Err(BadBirthDate::Future),
        }
    }
}

fn digits(text: &str, count: usize) -> Option<u16> {
    let plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Days of a month; of an unknown month (0) no day is known.
const fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        0 => 0,
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.month > 0 {
            write!(f, "-{:02}", self.month)?;
        }
        if self.day > 0 {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BirthDate([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_grown_up_is() {
        for (born, of_age) in [
            ("2008-05-17", "2026-05-17"),
            ("2008-05", "2026-05-01"),
            ("2008", "2026-01-01"),
            ("2008-02-29", "2026-03-01"),
            ("2199", "2217-01-01"),
        ] {
            let age = BirthDate::parse(born).unwrap().earliest_age(18).unwrap();
            assert_eq!(age, format!("{of_age}T00:00:00Z").parse().unwrap(), "{born}");
        }
        let leap = BirthDate::parse("2008-02-29").unwrap().earliest_age(20).unwrap();
        assert_eq!(leap, "2028-02-29T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn days_months_and_years_are_read() {
        for text in ["1984-03-02", "1984-03", "1984", "2024-02-29", "2000-02-29", "1850", "2199"] {
            check(text, Ok(text));
        }
        for text in [
            "",
            "84",
            "1984-",
            "1984-3",
            "1984-03-",
            "1984-03-02-01",
            "1984-13",
            "1984-00",
            "1984-03-00",
            "1984-03-32",
            "2023-02-29",
            "1900-02-29",
            "02.03.1984",
            "0198-01-01",
            "1849",
            "2200",
            "+984",
            "１９８４",
        ] {
            check(text, Err(BadBirthDate::Form));
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, BadBirthDate>) {
        let date = BirthDate::parse(text).map(|date| date.to_string());
        assert_eq!(date.as_deref().map_err(|bad| *bad), expected, "{text:?}");
    }

    #[test]
    fn today_is_the_last_possible_day_wherever_it_has_begun() {
        check_day("2026-06-12", "2026-06-12T09:59:59Z", Ok(()));
        check_day("2026-06-13", "2026-06-12T09:59:59Z", Err(BadBirthDate::Future));
        check_day("2026-06-13", "2026-06-12T10:00:00Z", Ok(()));
        check_day("2026-06", "2026-06-12T10:00:00Z", Ok(()));
        check_day("2026-07", "2026-06-12T10:00:00Z", Err(BadBirthDate::Future));
        check_day("2026", "2026-06-12T10:00:00Z", Ok(()));
        check_day("2027", "2026-06-12T10:00:00Z", Err(BadBirthDate::Future));
    }

    #[track_caller]
    fn check_day(date: &str, now: &str, expected: Result<(), BadBirthDate>) {
        let date = BirthDate::parse(date).unwrap();
        assert_eq!(date.not_after(now.parse().unwrap()).map(|_| ()), expected);
    }
}
