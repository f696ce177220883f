//! Readings as a bag of rows: what went in, what is held, and the difference.

use device_sim::recording::{COLUMNS, Reading};
use device_sim::{Outcome, Recording, Replay};
use jiff::Timestamp;

/// Stands between fields; no field of a recording holds it.
const SEPARATOR: char = '\u{1f}';

/// A bag of readings, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows(Vec<String>);

/// An export is not the CSV that it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowsError {
    #[error("the export does not begin with {}", .0.join(","))]
    Header(&'static [&'static str]),
    #[error("line {0} of the export cannot be read")]
    Line(u64),
}

/// How far a bag is from what was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) missing: usize,
    pub(crate) unexpected: usize,
}

impl Rows {
    /// The readings of `recording` that were accepted, of patients that `is_meant`.
    pub(crate) fn accepted(
        recording: &Recording,
        replayed: &Replay,
        is_meant: impl Fn(&str) -> bool,
    ) -> Self {
        let mut rows = Vec::new();
        for (tape, outcomes) in recording.tapes.iter().zip(&replayed.outcomes) {
            for (reading, outcome) in tape.readings.iter().zip(outcomes) {
                if *outcome == Some(Outcome::Accepted) && is_meant(&reading.patient) {
                    rows.push(row(&tape.device, reading));
                }
            }
        }
        rows.sort_unstable();
        Self(rows)
    }

    /// The readings of an export.
    pub(crate) fn exported(csv: &[u8]) -> Result<Self, RowsError> {
        let mut rows = Vec::new();
        read(csv, &COLUMNS, |record| {
            let mut fields = record.iter();
            let mut next = || fields.next().unwrap_or_default();
            let (device, patient, code, unit, time, value) =
                (next(), next(), next(), next(), next(), next());
            rows.push(joined([device, patient, code, unit, &instant(time), value]));
        })?;
        rows.sort_unstable();
        Ok(Self(rows))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What `found` lacks of this bag, and what it has beyond it.
    pub(crate) fn difference(&self, found: &Self) -> Difference {
        let (mut expected, mut found) = (self.0.iter().peekable(), found.0.iter().peekable());
        let mut difference = Difference::default();
        while let (Some(left), Some(right)) = (expected.peek(), found.peek()) {
            let order = left.cmp(right);
            difference.missing += usize::from(order.is_lt());
            difference.unexpected += usize::from(order.is_gt());
            if order.is_le() {
                expected.next();
            }
            if order.is_ge() {
                found.next();
            }
        }
        difference.missing += expected.count();
        difference.unexpected += found.count();
        difference
    }
}

/// How many rows an export of alerts has.
pub(crate) fn count_alerts(csv: &[u8]) -> Result<usize, RowsError> {
    let mut count = 0;
    read(csv, &["patient_ref", "code", "time", "level"], |_| count += 1)?;
    Ok(count)
}

fn read(
    csv: &[u8],
    header: &'static [&'static str],
    mut each: impl FnMut(&csv::StringRecord),
) -> Result<(), RowsError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv);
    let mut record = csv::StringRecord::new();
    let line =
        |error: &csv::Error| RowsError::Line(error.position().map_or(0, csv::Position::line));
    if !reader.read_record(&mut record).map_err(|error| line(&error))? || record != *header {
        return Err(RowsError::Header(header));
    }
    while reader.read_record(&mut record).map_err(|error| line(&error))? {
        each(&record);
    }
    Ok(())
}

fn row(device: &str, reading: &Reading) -> String {
    let Reading { patient, code, unit, time, value } = reading;
    joined([device, patient, code, unit, &instant(time), value])
}

fn joined(fields: [&str; 6]) -> String {
    let mut row = String::with_capacity(fields.iter().map(|field| field.len() + 1).sum());
    for field in fields {
        row.push_str(field);
        row.push(SEPARATOR);
    }
    row
}

/// The moment that a time names, however it is written; exports write it in UTC.
fn instant(time: &str) -> String {
    time.parse().map_or_else(|_| time.to_owned(), |at: Timestamp| at.as_nanosecond().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "device_id,patient_ref,code,unit,time,value\n";

    fn rows(lines: &[&str]) -> Rows {
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        Rows::exported([HEADER, &text].concat().as_bytes()).unwrap()
    }

    #[test]
    fn only_accepted_readings_of_the_meant_patients_are_expected() {
        let text = "a,p1,8867-4,/min,2026-06-12T17:22:00Z,61\n\
                    a,p1,8867-4,/min,2026-06-12T17:22:00Z,61\n\
                    b,p2,8867-4,/min,2026-06-12T17:23:00Z,62\n";
        let recording = Recording::read([HEADER, text].concat().as_bytes()).unwrap();
        let (accepted, duplicate) = (Some(Outcome::Accepted), Some(Outcome::Duplicate));
        let replayed = Replay {
            outcomes: vec![vec![accepted, duplicate], vec![accepted]],
            ..Replay::default()
        };
        let one = "a,p1,8867-4,/min,2026-06-12T19:22:00+02:00,61";
        let two = "b,p2,8867-4,/min,2026-06-12T17:23:00.000Z,62";
        assert_eq!(Rows::accepted(&recording, &replayed, |_| true), rows(&[two, one]));
        assert_eq!(Rows::accepted(&recording, &replayed, |patient| patient == "p2"), rows(&[two]));
    }

    #[test]
    fn a_difference_counts_each_copy() {
        let (a, b, c) = ("a,p,c,u,2026-06-12T17:22:00Z,1", "b,p,c,u,t,1", "c,p,c,u,t,1");
        check(&[a, b], &[b, a], 0, 0);
        check(&[a, b, b], &[b, a], 1, 0);
        check(&[a, b], &[b, a, a, c], 0, 2);
        check(&[a, c], &[b], 2, 1);
        check(&[], &[a], 0, 1);
        check(&["a,p,c,u,t,36"], &["a,p,c,u,t,36.0"], 1, 1);
    }

    #[track_caller]
    fn check(expected: &[&str], found: &[&str], missing: usize, unexpected: usize) {
        let difference = rows(expected).difference(&rows(found));
        assert_eq!(difference, Difference { missing, unexpected });
    }

    #[test]
    fn an_export_without_its_header_is_refused() {
        assert!(matches!(Rows::exported(b""), Err(RowsError::Header(_))));
        assert!(matches!(count_alerts(HEADER.as_bytes()), Err(RowsError::Header(_))));
        let short = Rows::exported([HEADER, "a,b\n"].concat().as_bytes());
        assert!(matches!(short, Err(RowsError::Line(2))));
        assert_eq!(count_alerts(b"patient_ref,code,time,level\np,c,t,HIGH\n").unwrap(), 1);
    }
}
