//! Whether a reading that could be read is also believed.

use vocab::{PatientId, Timestamp};

use crate::batch::{Batch, Candidate};
use crate::quarantine::{Contents, Quarantined};
use crate::reading::{Reading, canonical_micro, is_late};
use crate::reason::Reason;
use crate::unit::UnitCache;

/// How far a device's clock may run ahead of the clinic's.
pub const AHEAD_MAX_SECONDS: i64 = 10 * 60;

/// 1990-01-01T00:00:00Z: 20 years of 365 days and 5 leap days after the epoch. A device whose clock
/// was never set reports 1970, 1980 or the year its firmware was built.
pub const OLDEST: Timestamp = Timestamp::from_millis((20 * 365 + 5) * 86_400_000);

/// What becomes of one reading, duplicates aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is believed; rules may look at it.
    Accepted(Reading),
    /// It is kept aside for a person to look at.
    Quarantined(Reason),
    /// It could not be read; nothing of it is kept.
    Rejected(Reason),
}

/// Judges every reading of a batch, in its order.
///
/// `resolve` answers which patient of this clinic a number means; it is asked once per patient of
/// the batch. A reading with several faults gets the first of: patient, time, unit, value.
pub fn judge(
    batch: &Batch,
    received: Timestamp,
    units: &mut UnitCache,
    mut resolve: impl FnMut(&str) -> Option<PatientId>,
) -> Vec<Judged> {
    let known: Vec<_> = batch.patients.iter().map(|patient| resolve(patient.as_str())).collect();
    let judge_one = |reading: &Result<Candidate, Reason>| {
        let candidate = match reading {
            Ok(candidate) => candidate,
            Err(reason) => return Judged::Rejected(*reason),
        };
        let patient = known.get(usize::from(candidate.patient)).copied().flatten();
        match believe(candidate, patient, received, units) {
            Ok(reading) => Judged::Accepted(reading),
            Err(reason) => Judged::Quarantined(reason),
        }
    };
    batch.readings.iter().map(judge_one).collect()
}

/// Judges a reading that was set aside once more, by the rules of this version and for the patient who
/// is known now.
///
/// Whether its time is possible is asked of when it arrived: waiting sets no device's clock right. Whether
/// it is late is asked of now, so that nobody is called for what lay here for hours.
///
/// # Errors
///
/// The first fault that it has today.
pub(crate) fn judge_again(
    waiting: &Quarantined,
    contents: &Contents,
    patient: Option<PatientId>,
    now: Timestamp,
    units: &mut UnitCache,
) -> Result<Reading, Reason> {
    let candidate = Candidate {
        patient: 0,
        code: waiting.code,
        unit: waiting.unit,
        time: waiting.time,
        value: contents.value.clone(),
        sequence: waiting.sequence,
    };
    let reading = believe(&candidate, patient, waiting.received, units)?;
    // A clock that was put back since makes nothing early.
    let received = now.max(waiting.received);
    Ok(Reading { received, late: is_late(reading.time, received), ..reading })
}

fn believe(
    candidate: &Candidate,
    patient: Option<PatientId>,
    received: Timestamp,
    units: &mut UnitCache,
) -> Result<Reading, Reason> {
    let patient = patient.ok_or(Reason::UnknownPatient)?;
    if candidate.time > received.plus_seconds(AHEAD_MAX_SECONDS) {
        return Err(Reason::TimeAhead);
    }
    if candidate.time < OLDEST {
        return Err(Reason::TimeTooOld);
    }
    let conversion = units.conversion(candidate.code, &candidate.unit)?;
    let canonical_micro = canonical_micro(candidate.code, &candidate.value, conversion)
        .ok_or(Reason::ImpossibleValue)?;
    Ok(Reading {
        patient,
        code: candidate.code,
        unit: candidate.unit,
        time: candidate.time,
        value: candidate.value.clone(),
        canonical_micro,
        sequence: candidate.sequence,
        received,
        late: is_late(candidate.time, received),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: &str = "2026-06-12T17:22:00Z";

    fn resolve(number: &str) -> Option<PatientId> {
        (number == "p-1").then(|| PatientId::from_bytes([1; 16]))
    }

    #[track_caller]
    fn check(
        patient: &str,
        code: &str,
        unit: &str,
        time: &str,
        value: &str,
        expected: Result<i64, Reason>,
    ) {
        let body = format!(
            r#"{{"batch_id":"b","readings":[{{"patient":"{patient}","code":"{code}","unit":"{unit}","time":"{time}","value":{value}}}]}}"#
        );
        let batch = Batch::parse(body.as_bytes()).unwrap();
        let judged = judge(&batch, RECEIVED.parse().unwrap(), &mut UnitCache::default(), resolve);
        let [judged] = &judged[..] else { panic!("one reading") };
        let shown = match judged {
            Judged::Accepted(reading) => Ok(reading.canonical_micro),
            Judged::Quarantined(reason) | Judged::Rejected(reason) => Err(*reason),
        };
        assert_eq!(shown, expected, "{body}");
        if let Err(reason) = expected {
            assert_eq!(matches!(judged, Judged::Quarantined(_)), reason.quarantines());
        }
    }

    #[test]
    fn a_plausible_reading_of_a_known_patient_is_believed() {
        check("p-1", "8867-4", "/min", RECEIVED, "72", Ok(72_000_000));
        check("p-1", "2345-7", "mmol/L", RECEIVED, "\"5.0\"", Ok(90_078_000));
        check("p-1", "8478-0", "mm[Hg]", RECEIVED, "0", Ok(0));
    }

    #[test]
    fn a_reading_that_is_not_trusted_is_kept_aside_with_its_first_fault() {
        check("p-2", "8867-4", "bpm", "1970-01-01T00:00:00Z", "0", Err(Reason::UnknownPatient));
        check("p-1", "8867-4", "bpm", "1970-01-01T00:00:00Z", "0", Err(Reason::TimeTooOld));
        check("p-1", "8867-4", "bpm", RECEIVED, "0", Err(Reason::UnknownUnit));
        check("p-1", "8867-4", "mm[Hg]", RECEIVED, "0", Err(Reason::UnitMismatch));
        check("p-1", "8867-4", "/min", RECEIVED, "0", Err(Reason::ImpossibleValue));
        check("p-1", "8310-5", "Cel", RECEIVED, "-17.8", Err(Reason::ImpossibleValue));
        check("p-1", "8310-5", "[degF]", RECEIVED, "0", Err(Reason::ImpossibleValue));
        check("p-1", "8310-5", "Cel", RECEIVED, "98.6", Err(Reason::ImpossibleValue));
        check("p-1", "59408-5", "%", RECEIVED, "100.0000001", Err(Reason::ImpossibleValue));
        check("p-1", "9187-6", "mL", RECEIVED, "1e300", Err(Reason::ImpossibleValue));
    }

    #[test]
    fn a_reading_that_cannot_be_read_is_rejected() {
        check("p-1", "8867-5", "/min", RECEIVED, "72", Err(Reason::BadCode));
        check("p-1", "8867-4", "/min", "yesterday", "72", Err(Reason::BadTime));
    }

    #[test]
    fn a_clock_may_run_ten_minutes_ahead_and_not_before_1990() {
        let seventy_two = Ok(72_000_000);
        check("p-1", "8867-4", "/min", "2026-06-12T17:32:00Z", "72", seventy_two);
        check(
            "p-1",
            "8867-4",
            "/min",
            "2026-06-12T17:32:00.000000001Z",
            "72",
            Err(Reason::TimeAhead),
        );
        check("p-1", "8867-4", "/min", "1990-01-01T00:00:00Z", "72", seventy_two);
        check(
            "p-1",
            "8867-4",
            "/min",
            "1989-12-31T23:59:59.999999999Z",
            "72",
            Err(Reason::TimeTooOld),
        );
    }

    #[test]
    fn each_patient_is_looked_up_once() {
        let reading = r#"{"patient":"p-1","code":"8867-4","unit":"/min","time":"2026-06-12T17:22:00Z","value":72}"#;
        let body = format!(r#"{{"batch_id":"b","readings":[{reading},{reading},{reading}]}}"#);
        let batch = Batch::parse(body.as_bytes()).unwrap();
        let mut asked = 0;
        let judged =
            judge(&batch, RECEIVED.parse().unwrap(), &mut UnitCache::default(), |number| {
                asked += 1;
                resolve(number)
            });
        assert_eq!((asked, judged.len()), (1, 3));
    }
}
