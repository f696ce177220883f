//! What is written to others: the batch that a device uploads, and the summary of a replay.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::recording::Reading;
use crate::replay::Replay;

/// A batch as the node reads it.
#[derive(Serialize)]
pub(crate) struct BatchBody<'a> {
    pub(crate) batch_id: &'a str,
    pub(crate) readings: &'a RawValue,
}

/// A reading in a batch.
#[derive(Serialize)]
pub(crate) struct ReadingBody<'a> {
    patient: &'a str,
    code: &'a str,
    unit: &'a str,
    time: &'a str,
    value: Value<'a>,
}

/// The text of the recording as a JSON number where it is one, otherwise as a string.
#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Number(&'a RawValue),
    Text(&'a str),
}

impl<'a> From<&'a Reading> for ReadingBody<'a> {
    fn from(reading: &'a Reading) -> Self {
        Self {
            patient: &reading.patient,
            code: &reading.code,
            unit: &reading.unit,
            time: &reading.time,
            value: Value::of(&reading.value),
        }
    }
}

impl<'a> Value<'a> {
    fn of(text: &'a str) -> Self {
        let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let number = serde_json::from_str::<&RawValue>(text).ok();
        // Blanks around a number are no part of its JSON, but they are of the recording.
        match number.filter(|number| begins && number.get() == text) {
            Some(number) => Self::Number(number),
            None => Self::Text(text),
        }
    }
}

/// A replay in numbers; the last line of `device-sim`.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Readings in the recording.
    pub sent: u64,
    /// Readings stored.
    pub accepted: u64,
    /// Repeats in the recording.
    pub duplicate: u64,
    /// Readings kept aside.
    pub quarantined: u64,
    /// Readings not kept.
    pub rejected: u64,
    /// Batches formed.
    pub batches: u64,
    /// Batches that have a receipt.
    pub receipts: u64,
    /// Requests made again because there was no receipt.
    pub retries: u64,
    /// Requests sent with a flipped bit.
    pub corrupted: u64,
    /// Batches sent again although there was a receipt.
    pub resent: u64,
    /// Bytes of all request bodies.
    pub bytes: u64,
    /// Devices that gave up before their last batch.
    pub failed: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Summary {
    /// The numbers of `replay`, which took `seconds`.
    #[must_use]
    pub fn of(replay: &Replay, seconds: f64) -> Self {
        let (counts, transport) = (&replay.counts, &replay.transport);
        Self {
            sent: replay.sent,
            accepted: counts.accepted,
            duplicate: counts.duplicate,
            quarantined: counts.quarantined,
            rejected: counts.rejected,
            batches: replay.batches,
            receipts: transport.receipts,
            retries: transport.retries,
            corrupted: transport.corrupted,
            resent: transport.resent,
            bytes: transport.bytes,
            failed: u64::try_from(replay.failures.len()).unwrap_or(u64::MAX),
            seconds: (seconds * 1000.0).round() / 1000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_number_only_if_its_text_is_one_in_json() {
        check("36.10", "36.10");
        check("-0", "-0");
        check("1.326e+04", "1.326e+04");
        check("+5", "\"+5\"");
        check(".5", "\".5\"");
        check("5.", "\"5.\"");
        check("05", "\"05\"");
        check(" 5", "\" 5\"");
        check("5 ", "\"5 \"");
        check("", "\"\"");
        check("NaN", "\"NaN\"");
        check("true", "\"true\"");
        check("5,6", "\"5,6\"");
        check("5]}", "\"5]}\"");
        check("a\"b", "\"a\\\"b\"");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(serde_json::to_string(&Value::of(text)).unwrap(), expected);
    }
}
