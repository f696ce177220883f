//! The last line: one JSON object.

use serde::Serialize;

/// What went in, what arrived, what it cost.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Readings in the recording.
    pub(crate) sent: u64,
    /// Readings that the clinic stored.
    pub(crate) accepted: u64,
    /// Repeats in the recording.
    pub(crate) duplicate: u64,
    /// Readings that the clinic set aside.
    pub(crate) quarantined: u64,
    /// Readings that the clinic refused.
    pub(crate) rejected: u64,
    /// Readings that the hub exports.
    pub(crate) at_hub: u64,
    /// Readings that the second clinic exports.
    pub(crate) at_second_clinic: u64,
    /// Accepted readings of patients who consent to it.
    pub(crate) expected_at_second_clinic: u64,
    /// Alerts that the hub exports.
    pub(crate) alerts: u64,
    /// The road of the first clinic's link at the end: `udp` or `tcp`.
    pub(crate) road: Option<String>,
    /// Bytes, as UDP or TCP carried them, from the first clinic to the hub, everything included.
    pub(crate) bytes_on_wire: u64,
    /// The same for each reading at the hub.
    pub(crate) bytes_per_reading: f64,
    /// From the first batch until everything was where it belongs.
    pub(crate) seconds: f64,
    /// Of these, until the last receipt.
    pub(crate) replay_seconds: f64,
    /// Patients in the recording, and those who consent.
    pub(crate) patients: u64,
    /// Patients who consent to the second clinic.
    pub(crate) consenting: u64,
    /// Devices in the recording.
    pub(crate) devices: u64,
    /// Requests that devices made again because there was no receipt.
    pub(crate) retries: u64,
    /// Whether hub and second clinic hold exactly the readings that they should, value by value.
    pub(crate) contents_match: bool,
    /// Whether everything is as it must be; then the exit code is 0.
    pub(crate) ok: bool,
}

impl Summary {
    /// Whether the numbers agree with one another, and the contents with the input.
    pub(crate) fn is_as_it_must_be(&self) -> bool {
        let outcomes = self.accepted + self.duplicate + self.quarantined + self.rejected;
        self.sent == outcomes
            && self.at_hub == self.accepted
            && self.at_second_clinic == self.expected_at_second_clinic
            && self.contents_match
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Summary {
        Summary {
            sent: 10,
            accepted: 6,
            duplicate: 2,
            quarantined: 1,
            rejected: 1,
            at_hub: 6,
            at_second_clinic: 3,
            expected_at_second_clinic: 3,
            alerts: 1,
            road: Some("udp".to_owned()),
            bytes_on_wire: 100,
            bytes_per_reading: 16.667,
            seconds: 1.0,
            replay_seconds: 0.5,
            patients: 3,
            consenting: 1,
            devices: 1,
            retries: 0,
            contents_match: true,
            ok: true,
        }
    }

    #[test]
    fn one_number_that_is_off_is_enough() {
        check(true, |_| {});
        check(false, |summary| summary.sent += 1);
        check(false, |summary| summary.duplicate -= 1);
        check(false, |summary| summary.at_hub -= 1);
        check(false, |summary| summary.at_hub += 1);
        check(false, |summary| summary.at_second_clinic += 1);
        check(false, |summary| summary.at_second_clinic -= 1);
        check(false, |summary| summary.contents_match = false);
    }

    #[track_caller]
    fn check(expected: bool, change: fn(&mut Summary)) {
        let mut summary = good();
        change(&mut summary);
        assert_eq!(summary.is_as_it_must_be(), expected, "{summary:?}");
    }
}
