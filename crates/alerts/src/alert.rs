//! One alert: what a reading said, and what the rules say about it.

use std::fmt;

use vitals::code::LoincCode;
use vitals::reading::Reading;
use vitals::unit_text::UnitText;
use vitals::value::SentValue;
use vocab::Timestamp;

use crate::rules::Raised;

/// An alert, beside the patient and the device it is about. It repeats its reading, so that it can
/// be shown where the reading has not arrived yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Alert {
    /// The rule that applies, and how much it matters.
    pub raised: Raised,
    /// What was measured.
    pub code: LoincCode,
    /// The unit as sent.
    pub unit: UnitText,
    /// When it was measured, by the device's clock.
    pub time: Timestamp,
    /// The number as sent.
    pub value: SentValue,
    /// The device's own count, where it keeps one.
    pub sequence: Option<u64>,
    /// The reading came late: the alert is kept and shown, and nobody is called.
    pub late: bool,
}

impl Alert {
    /// What `reading` raised.
    #[must_use]
    pub fn of(reading: &Reading, raised: Raised) -> Self {
        Self {
            raised,
            code: reading.code,
            unit: reading.unit,
            time: reading.time,
            value: reading.value.clone(),
            sequence: reading.sequence,
            late: reading.late,
        }
    }

    /// Whether somebody must come now: critical, and not about the past.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.raised.severity == crate::Severity::Critical && !self.late
    }
}

impl fmt::Debug for Alert {
    /// The value stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alert")
            .field("code", &self.code)
            .field("raised", &self.raised)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Direction, RuleTable, Severity};
    use vitals::reading::SealedReading;
    use vocab::PatientId;

    /// A reading of patient 1 at 17:22, received `after_seconds` later.
    pub(crate) fn reading(code: &str, unit: &str, value: &str, after_seconds: i64) -> Reading {
        let time: Timestamp = "2026-06-12T17:22:00Z".parse().unwrap();
        let sealed = SealedReading {
            code: code.parse().unwrap(),
            unit: UnitText::new(unit).unwrap(),
            time,
            value: SentValue::parse(value).unwrap(),
            sequence: Some(5),
            received: time.plus_seconds(after_seconds),
        };
        sealed.into_reading(PatientId::from_bytes([1; 16])).unwrap()
    }

    fn judge(reading: &Reading) -> Option<Alert> {
        RuleTable::built_in().unwrap().judge(reading)
    }

    #[test]
    fn a_value_in_another_unit_is_judged_by_what_it_means() {
        check("8310-5", "[degF]", "100.4", None);
        check("8310-5", "[degF]", "100.5", Some((Severity::Medium, Direction::Above)));
        check("8310-5", "[degF]", "94.9", Some((Severity::High, Direction::Below)));
        check("2345-7", "mmol/L", "2.9", Some((Severity::Critical, Direction::Below)));
        check("2345-7", "mmol/L", "5.0", None);
        check("8462-4", "mm[Hg]", "200", None);
    }

    #[track_caller]
    fn check(code: &str, unit: &str, value: &str, expected: Option<(Severity, Direction)>) {
        let alert = judge(&reading(code, unit, value, 1));
        let raised = alert.map(|alert| (alert.raised.severity, alert.raised.direction));
        assert_eq!(raised, expected, "{value} {unit}");
    }

    #[test]
    fn only_what_is_critical_and_fresh_is_urgent() {
        for (value, after, urgent) in
            [("86", 1, true), ("86", 900, true), ("86", 901, false), ("94", 1, false)]
        {
            let alert = judge(&reading("59408-5", "%", value, after)).unwrap();
            assert_eq!(alert.is_urgent(), urgent, "{value} after {after} s");
        }
    }

    #[test]
    fn debug_output_holds_no_value() {
        let shown = format!("{:?}", judge(&reading("59408-5", "%", "86", 1)).unwrap());
        assert!(!shown.contains("86"), "{shown}");
    }
}
