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
    /// UDP bytes from the first clinic to the hub, everything included.
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
