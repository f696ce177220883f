//! Whole batches, up to every row of every recording.

use std::collections::BTreeMap;

use super::*;
use crate::reason::Reason;
use crate::recordings::{self, Row};
use crate::tail::{counts, for_each_open, open_of, tails_due, take_tail};

fn database() -> Connection {
    let mut conn = store::open_in_memory().unwrap();
    store::migrate(&mut conn, &[crate::store::ROOM]).unwrap();
    conn
}

/// Every patient's number of the recordings is known, as a hash of it.
fn patient(number: &str) -> PatientId {
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::hash(number.as_bytes()).as_bytes()[..16]);
    PatientId::from_bytes(id)
}

fn body(id: &str, rows: &[Row]) -> String {
    let line = |row: &Row| {
        let Row { patient_ref, code, unit, time, value, .. } = row;
        format!(
            r#"{{"patient":"{patient_ref}","code":"{code}","unit":"{unit}","time":"{time}","value":{value}}}"#
        )
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    format!(r#"{{"batch_id":"{id}","readings":[{}]}}"#, lines.join(","))
}

fn row(patient_ref: &str, unit: &str, time: &str, value: &str) -> Row {
    Row {
        device_id: "ward-06-mon".to_owned(),
        patient_ref: patient_ref.to_owned(),
        code: "8867-4".to_owned(),
        unit: unit.to_owned(),
        time: time.to_owned(),
        value: value.to_owned(),
    }
}

fn nothing_sealed(_: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(None)
}

#[test]
fn a_batch_is_taken_in_with_one_outcome_per_reading() {
    let conn = database();
    let mut cache = IngestCache::default();
    let device = "ward-06-mon".parse().unwrap();
    let received: Timestamp = "2026-06-12T17:25:00Z".parse().unwrap();
    let rows = [
        row("p-1", "/min", "2026-06-12T17:22:00Z", "72"),
        row("p-2", "/min", "2026-06-12T17:22:00Z", "72"),
        row("p-1", "bpm", "2026-06-12T17:22:00Z", "72"),
        row("p-1", "/min", "yesterday", "72"),
        row("p-1", "/min", "2026-06-12T17:22:00Z", "72"),
        row("stranger", "/min", "2026-06-12T17:22:00Z", "72"),
        row("p-1", "/min", "2026-06-12T16:22:00Z", "73"),
    ];
    let batch = Batch::parse(body("b-1", &rows).as_bytes()).unwrap();
    let resolve = |number: &str| number.starts_with("p-").then(|| patient(number));
    let taken = take_in(&conn, &mut cache, &device, &batch, received, resolve, &mut nothing_sealed)
        .unwrap();
    let outcomes: Vec<_> = taken.outcomes.iter().collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Accepted,
            Outcome::Accepted,
            Outcome::Quarantined(Reason::UnknownUnit),
            Outcome::Rejected(Reason::BadTime),
            Outcome::Duplicate,
            Outcome::Quarantined(Reason::UnknownPatient),
            Outcome::Accepted,
        ]
    );
    let fresh: Vec<_> =
        taken.fresh.iter().map(|r| (r.patient, r.value.to_string(), r.late)).collect();
    let (one, two) = (patient("p-1"), patient("p-2"));
    assert_eq!(
        fresh,
        [
            (one, "72".to_owned(), false),
            (two, "72".to_owned(), false),
            (one, "73".to_owned(), true)
        ]
    );
    let mut open: Vec<_> = taken.open.iter().map(|o| (o.patient, o.readings, o.since)).collect();
    open.sort();
    let mut expected = [(one, 2, received), (two, 1, received)];
    expected.sort();
    assert_eq!(open, expected);
    let places: Vec<_> = crate::quarantine::list(&conn, false, 9)
        .unwrap()
        .iter()
        .map(|q| (q.position, q.reason))
        .collect();
    assert_eq!(places, [(5, Reason::UnknownPatient), (2, Reason::UnknownUnit)]);
}

#[test]
fn the_tail_knows_what_is_open_since_when_and_gives_it_out_once() {
    let conn = database();
    let mut cache = IngestCache::default();
    let device = "ward-06-mon".parse().unwrap();
    let first: Timestamp = "2026-06-12T17:25:00Z".parse().unwrap();
    for minute in 0..3 {
        let time = format!("2026-06-12T17:2{minute}:00Z");
        let batch = body(&format!("b-{minute}"), &[row("p-1", "/min", &time, "72")]);
        let batch = Batch::parse(batch.as_bytes()).unwrap();
        let resolve = |number: &str| Some(patient(number));
        let received = first.plus_seconds(minute * 10);
        let fetch = &mut nothing_sealed;
        let taken = take_in(&conn, &mut cache, &device, &batch, received, resolve, fetch).unwrap();
        let open =
            OpenTail { patient: patient("p-1"), readings: minute.unsigned_abs() + 1, since: first };
        assert_eq!(taken.open, [open]);
        if minute == 1 {
            cache = IngestCache::default();
        }
    }
    let later = first.plus_seconds(3_600);
    assert_eq!(tails_due(&conn, first.plus_seconds(-1), later).unwrap(), []);
    assert_eq!(tails_due(&conn, first, later).unwrap(), [(device.clone(), patient("p-1"))]);
    // A clock that was put back by years does not keep a segment open for years.
    let (years_before, its_last_minute) =
        (first.plus_seconds(-90_000_000), first.plus_seconds(-90_000_060));
    assert_eq!(tails_due(&conn, its_last_minute, years_before).unwrap().len(), 1);
    let open = open_of(&conn, patient("p-1")).unwrap();
    assert_eq!(open.len(), 3);
    assert_eq!(open_of(&conn, patient("p-2")).unwrap(), []);
    assert_eq!(counts(&conn).unwrap().open_readings, 3);
    let taken = take_tail(&conn, &mut cache, &device, patient("p-1")).unwrap();
    assert_eq!(taken, open.into_iter().map(|(_, reading)| reading).collect::<Vec<_>>());
    assert_eq!(take_tail(&conn, &mut cache, &device, patient("p-1")).unwrap(), []);
    assert_eq!(counts(&conn).unwrap(), crate::tail::Counts::default());
}

/// Every row of every recording gets exactly one outcome, and everything accepted is held and
/// comes back as it was sent.
#[test]
fn every_row_of_every_recording_has_one_outcome() {
    for name in recordings::ALL {
        let Some(rows) = recordings::rows(name) else { continue };
        check(name, rows);
    }
}

fn check(name: &str, rows: Vec<Row>) {
    let conn = database();
    let mut cache = IngestCache::default();
    let mut devices: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        devices.entry(row.device_id.clone()).or_default().push(row);
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut sent, mut accepted) = (0, Vec::new());
    let received: Timestamp = "2026-12-31T00:00:00Z".parse().unwrap();
    for (device, rows) in &devices {
        let device_name: DeviceName = device.parse().unwrap();
        for (number, rows) in rows.chunks(500).enumerate() {
            sent += rows.len();
            let batch = Batch::parse(body(&format!("b-{number}"), rows).as_bytes()).unwrap();
            let resolve = |number: &str| Some(patient(number));
            let fetch = &mut nothing_sealed;
            let taken =
                take_in(&conn, &mut cache, &device_name, &batch, received, resolve, fetch).unwrap();
            assert_eq!(taken.outcomes.iter().count(), rows.len());
            for (outcome, row) in taken.outcomes.iter().zip(rows) {
                *reasons.entry(format!("{outcome:?}")).or_default() += 1;
                if outcome == Outcome::Accepted {
                    let Row { device_id, patient_ref, code, unit, time, value } = row;
                    let patient = patient(patient_ref);
                    accepted.push(format!("{device_id} {patient} {code} {unit} {time} {value}"));
                }
            }
        }
    }
    println!("{name}: {sent} sent, {reasons:?}");
    assert_eq!(reasons.values().sum::<usize>(), sent);
    let mut held = Vec::new();
    for_each_open(&conn, |device, patient, r| {
        held.push(format!("{device} {patient} {} {} {} {}", r.code, r.unit, r.time, r.value));
        Ok::<_, StoreError>(())
    })
    .unwrap();
    held.sort();
    accepted.sort();
    assert!(held == accepted, "{name}: what is held is not what was accepted");
}
