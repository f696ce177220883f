//! What a clinic's node said about readings.

use std::ops::AddAssign;

use serde::Deserialize;

/// What became of one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Stored.
    Accepted,
    /// The same reading was stored before.
    Duplicate,
    /// Kept aside for a person to look at.
    Quarantined,
    /// Not kept.
    Rejected,
}

/// How many readings had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored.
    pub accepted: u64,
    /// Stored before: repeats in the recording, never retransmissions.
    pub duplicate: u64,
    /// Kept aside.
    pub quarantined: u64,
    /// Not kept.
    pub rejected: u64,
}

impl Counts {
    /// Readings that have an outcome.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicate + self.quarantined + self.rejected
    }
}

impl AddAssign<Outcome> for Counts {
    fn add_assign(&mut self, outcome: Outcome) {
        let place = match outcome {
            Outcome::Accepted => &mut self.accepted,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Quarantined => &mut self.quarantined,
            Outcome::Rejected => &mut self.rejected,
        };
        *place += 1;
    }
}

impl FromIterator<Outcome> for Counts {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let mut counts = Self::default();
        outcomes.into_iter().for_each(|outcome| counts += outcome);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_counted_in_its_place() {
        let said = r#"["accepted","duplicate","accepted","rejected","quarantined","accepted"]"#;
        let outcomes: Vec<Outcome> = serde_json::from_str(said).unwrap();
        let counts: Counts = outcomes.into_iter().collect();
        let expected = Counts { accepted: 3, duplicate: 1, quarantined: 1, rejected: 1 };
        assert_eq!(counts, expected);
        assert_eq!(counts.total(), 6);
    }
}
