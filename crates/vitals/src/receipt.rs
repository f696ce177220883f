//! What a device is told about a batch, now and whenever it asks again.

use vocab::{DeviceName, Timestamp};

use crate::batch_id::BatchId;
use crate::reason::Reason;
use crate::varint::{Reader, put_u64};

/// What became of one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Stored.
    Accepted,
    /// The same reading was stored before.
    Duplicate,
    /// Kept aside for a person to look at.
    Quarantined(Reason),
    /// Could not be read; nothing of it is kept.
    Rejected(Reason),
}

impl Outcome {
    const ACCEPTED: u8 = 0;
    const DUPLICATE: u8 = 1;

    /// The outcome that a reading gets for this reason.
    #[must_use]
    pub const fn refused(reason: Reason) -> Self {
        if reason.quarantines() { Self::Quarantined(reason) } else { Self::Rejected(reason) }
    }

    /// The number in stored receipts: 0, 1, or the reason's.
    const fn number(self) -> u8 {
        match self {
            Self::Accepted => Self::ACCEPTED,
            Self::Duplicate => Self::DUPLICATE,
            Self::Quarantined(reason) | Self::Rejected(reason) => reason.number(),
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        match number {
            Self::ACCEPTED => Some(Self::Accepted),
            Self::DUPLICATE => Some(Self::Duplicate),
            other => Reason::from_number(other).map(Self::refused),
        }
    }
}

/// The outcomes of a batch in its order, as runs of equal ones: nearly always a single run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes(Vec<(Outcome, u32)>);

/// How many readings of a batch had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stored.
    pub accepted: u64,
    /// Stored before.
    pub duplicate: u64,
    /// Kept aside.
    pub quarantined: u64,
    /// Not kept.
    pub rejected: u64,
}

impl Outcomes {
    /// Adds the outcome of the next reading.
    pub fn push(&mut self, outcome: Outcome) {
        match self.0.last_mut() {
            Some((last, count)) if *last == outcome => *count += 1,
            _ => self.0.push((outcome, 1)),
        }
    }

    /// One outcome per reading.
    pub fn iter(&self) -> impl Iterator<Item = Outcome> {
        self.0.iter().flat_map(|&(outcome, count)| (0..count).map(move |_| outcome))
    }

    /// The numbers of each.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for &(outcome, count) in &self.0 {
            let place = match outcome {
                Outcome::Accepted => &mut tally.accepted,
                Outcome::Duplicate => &mut tally.duplicate,
                Outcome::Quarantined(_) => &mut tally.quarantined,
                Outcome::Rejected(_) => &mut tally.rejected,
            };
            *place += u64::from(count);
        }
        tally
    }

    /// The stored form: per run its outcome's number and its length.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut packed = Vec::with_capacity(self.0.len() * 3);
        for &(outcome, count) in &self.0 {
            packed.push(outcome.number());
            put_u64(&mut packed, u64::from(count));
        }
        packed
    }

    /// Reads what [`pack`](Self::pack) wrote; `None` when it was damaged.
    pub(crate) fn unpack(packed: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(packed);
        let mut runs = Vec::new();
        while !reader.is_empty() {
            let outcome = Outcome::from_number(reader.u8()?)?;
            runs.push((outcome, u32::try_from(reader.u64()?).ok()?));
        }
        Some(Self(runs))
    }
}

impl FromIterator<Outcome> for Outcomes {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let mut all = Self::default();
        outcomes.into_iter().for_each(|outcome| all.push(outcome));
        all
    }
}

/// The answer to a batch. The same batch again gets the same answer, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The batch's name.
    pub batch_id: BatchId,
    /// Who sent it.
    pub device: DeviceName,
    /// When it arrived for the first time.
    pub received_at: Timestamp,
    /// What became of its readings, in its order.
    pub outcomes: Outcomes,
}

impl Receipt {
    /// The receipt as JSON, always the same text for the same receipt.
    ///
    /// Nothing in it needs escaping: names hold letters, digits, dots, dashes and underscores,
    /// times are RFC 3339, and the words and sentences are [`Reason`]'s.
    #[must_use]
    pub fn to_json(&self) -> String {
        let tally = self.outcomes.tally();
        let mut json =
            String::with_capacity(256 + self.outcomes.0.len() * 128 + self.lines_bytes());
        json.push_str("{\"batch_id\":\"");
        json.push_str(self.batch_id.as_str());
        json.push_str("\",\"device\":\"");
        json.push_str(self.device.as_str());
        json.push_str("\",\"received_at\":\"");
        json.push_str(&self.received_at.to_string());
        json.push('"');
        for (name, count) in [
            ("accepted", tally.accepted),
            ("duplicate", tally.duplicate),
            ("quarantined", tally.quarantined),
            ("rejected", tally.rejected),
        ] {
            json.push_str(",\"");
            json.push_str(name);
            json.push_str("\":");
            json.push_str(&count.to_string());
        }
        json.push_str(",\"outcomes\":[");
        let mut separator = "";
        for &(outcome, count) in &self.outcomes.0 {
            let line = line(outcome);
            for _ in 0..count {
                json.push_str(separator);
                json.push_str(&line);
                separator = ",";
            }
        }
        json.push_str("]}");
        json
    }

    /// About how many bytes the outcomes take.
    fn lines_bytes(&self) -> usize {
        let bytes = |&(outcome, count): &(Outcome, u32)| {
            let each =
                if matches!(outcome, Outcome::Accepted | Outcome::Duplicate) { 24 } else { 160 };
            usize::try_from(count).unwrap_or(0) * each
        };
        self.outcomes.0.iter().map(bytes).sum()
    }
}

fn line(outcome: Outcome) -> String {
    let (word, reason) = match outcome {
        Outcome::Accepted => return "{\"outcome\":\"accepted\"}".to_owned(),
        Outcome::Duplicate => return "{\"outcome\":\"duplicate\"}".to_owned(),
        Outcome::Quarantined(reason) => ("quarantined", reason),
        Outcome::Rejected(reason) => ("rejected", reason),
    };
    let (reason, detail) = (reason.word(), reason.sentence());
    format!("{{\"outcome\":\"{word}\",\"reason\":\"{reason}\",\"detail\":\"{detail}\"}}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Accepted),
            Just(Outcome::Duplicate),
            prop::sample::select(&Reason::ALL[..]).prop_map(Outcome::refused),
        ]
    }

    fn receipt(outcomes: &[Outcome]) -> Receipt {
        Receipt {
            batch_id: "b-1".parse().unwrap(),
            device: "ward-06-mon".parse().unwrap(),
            received_at: "2026-06-12T17:22:01.5Z".parse().unwrap(),
            outcomes: outcomes.iter().copied().collect(),
        }
    }

    #[test]
    fn a_receipt_is_written_like_this() {
        let receipt = receipt(&[
            Outcome::Accepted,
            Outcome::Accepted,
            Outcome::Duplicate,
            Outcome::Quarantined(Reason::UnknownUnit),
            Outcome::Rejected(Reason::BadTime),
        ]);
        assert_eq!(
            receipt.to_json(),
            concat!(
                r#"{"batch_id":"b-1","device":"ward-06-mon","received_at":"2026-06-12T17:22:01.5Z","#,
                r#""accepted":2,"duplicate":1,"quarantined":1,"rejected":1,"outcomes":["#,
                r#"{"outcome":"accepted"},{"outcome":"accepted"},{"outcome":"duplicate"},"#,
                r#"{"outcome":"quarantined","reason":"unknown-unit","detail":"The unit is not a UCUM unit."},"#,
                r#"{"outcome":"rejected","reason":"bad-time","detail":"The time is not RFC 3339, such as 2026-06-12T17:22:00Z."}]}"#,
            )
        );
    }

    proptest! {
        #[test]
        fn outcomes_come_back_from_their_stored_form(outcomes in proptest::collection::vec(any_outcome(), 0..60)) {
            let kept: Outcomes = outcomes.iter().copied().collect();
            prop_assert_eq!(Outcomes::unpack(&kept.pack()), Some(kept.clone()));
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), outcomes);
        }

        /// The text is JSON, with one outcome per reading and the right sums.
        #[test]
        fn a_receipt_is_json(outcomes in proptest::collection::vec(any_outcome(), 0..60)) {
            let json: serde_json::Value = serde_json::from_str(&receipt(&outcomes).to_json()).unwrap();
            let lines = json["outcomes"].as_array().unwrap();
            prop_assert_eq!(lines.len(), outcomes.len());
            for word in ["accepted", "duplicate", "quarantined", "rejected"] {
                let count = lines.iter().filter(|line| line["outcome"] == word).count();
                prop_assert_eq!(json[word].as_u64(), Some(count as u64));
            }
        }

        #[test]
        fn any_stored_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Outcomes::unpack(&bytes);
        }
    }
}
