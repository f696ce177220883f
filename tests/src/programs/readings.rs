//! Readings as devices send them and exports list them.

use host::Clock;

/// A reading, or a line of an export.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// The device.
    pub device: String,
    /// The clinic's number for the patient.
    pub patient: String,
    /// LOINC.
    pub code: String,
    /// UCUM.
    pub unit: String,
    /// RFC 3339, whole seconds.
    pub time: String,
    /// As sent.
    pub value: String,
}

impl Reading {
    /// A pulse, `seconds` from now.
    #[must_use]
    pub fn pulse(device: &str, patient: &str, seconds: i64, value: &str) -> Self {
        Self {
            device: device.to_owned(),
            patient: patient.to_owned(),
            code: "8867-4".to_owned(),
            unit: "/min".to_owned(),
            time: from_now(seconds),
            value: value.to_owned(),
        }
    }

    /// Another sign of the same patient at the same time.
    #[must_use]
    pub fn of(mut self, code: &str, unit: &str) -> Self {
        code.clone_into(&mut self.code);
        unit.clone_into(&mut self.unit);
        self
    }

    /// The reading in a batch.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { patient, code, unit, time, value, .. } = self;
        format!(
            r#"{{"patient":"{patient}","code":"{code}","unit":"{unit}","time":"{time}","value":{value}}}"#
        )
    }
}

/// The time `seconds` from now, in whole seconds.
#[must_use]
pub fn from_now(seconds: i64) -> String {
    let millis = Clock::system().now().millis() / 1_000 * 1_000;
    vocab::Timestamp::from_millis(millis + seconds * 1_000).to_string()
}

/// A batch.
#[must_use]
pub fn body(batch_id: &str, readings: &[Reading]) -> String {
    let list: Vec<String> = readings.iter().map(Reading::json).collect();
    format!(r#"{{"batch_id":"{batch_id}","readings":[{}]}}"#, list.join(","))
}

/// The lines of `export vitals`, sorted.
///
/// # Panics
///
/// When it is no such export.
#[track_caller]
#[must_use]
pub fn exported(csv: &str) -> Vec<Reading> {
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("device_id,patient_ref,code,unit,time,value"));
    let mut all: Vec<Reading> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let [device, patient, code, unit, time, value] = cells[..] else {
                panic!("{line} has other columns")
            };
            let owned = str::to_owned;
            Reading {
                device: owned(device),
                patient: owned(patient),
                code: owned(code),
                unit: owned(unit),
                time: owned(time),
                value: owned(value),
            }
        })
        .collect();
    all.sort();
    all
}

/// Sorted, as [`exported`] gives them.
#[must_use]
pub fn sorted(readings: impl IntoIterator<Item = Reading>) -> Vec<Reading> {
    let mut all: Vec<Reading> = readings.into_iter().collect();
    all.sort();
    all
}
