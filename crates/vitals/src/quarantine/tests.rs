//! Every verb on readings of real and broken kinds, and that the sums add up before and after each.

use proptest::prelude::*;
use vocab::PatientId;

use super::*;
use crate::batch::Batch;
use crate::cache::IngestCache;
use crate::checksum::BodyDigest;
use crate::intake::take_in;
use crate::receipt::{Receipt, Tally};
use crate::store::{Totals, find_receipt, record_receipt, totals};
use crate::tail::open_of;

const TIME: &str = "2026-06-12T17:22:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn arrived() -> Timestamp {
    at("2026-06-12T17:25:00Z")
}

/// A day later: what is taken in now is late.
fn later() -> Timestamp {
    at("2026-06-13T17:25:00Z")
}

fn decision() -> Decision {
    Decision::new("ana", "the sensor lay on the table").unwrap()
}

/// A clinic whose registry grows.
struct Clinic {
    conn: Connection,
    cache: IngestCache,
    device: DeviceName,
    patients: Vec<&'static str>,
    batches: u32,
    sent: u64,
}

impl Clinic {
    fn new() -> Self {
        let mut conn = ::store::open_in_memory().unwrap();
        ::store::migrate(&mut conn, &[crate::store::ROOM]).unwrap();
        Self {
            conn,
            cache: IngestCache::default(),
            device: "ward-06-mon".parse().unwrap(),
            patients: vec!["p-1"],
            batches: 0,
            sent: 0,
        }
    }

    fn resolve(known: &[&'static str], number: &str) -> Option<PatientId> {
        let place = known.iter().position(|known| *known == number)?;
        Some(PatientId::from_bytes([u8::try_from(place).unwrap() + 1; 16]))
    }

    /// Sends one batch; answers its receipt.
    fn send(&mut self, readings: &[Sent]) -> Receipt {
        self.batches += 1;
        let lines: Vec<String> = readings.iter().map(Sent::json).collect();
        let body =
            format!(r#"{{"batch_id":"b-{}","readings":[{}]}}"#, self.batches, lines.join(","));
        let batch = Batch::parse(body.as_bytes()).unwrap();
        let known = self.patients.clone();
        let resolve = |number: &str| Self::resolve(&known, number);
        let (conn, cache, device) = (&self.conn, &mut self.cache, &self.device);
        let fetch = &mut |_: &[u8; 32]| Ok(None);
        let taken = take_in(conn, cache, device, &batch, arrived(), resolve, fetch).unwrap();
        let receipt = Receipt {
            batch_id: batch.id.clone(),
            device: device.clone(),
            received_at: arrived(),
            outcomes: taken.outcomes,
        };
        record_receipt(conn, BodyDigest::of(body.as_bytes()), &receipt).unwrap();
        self.sent += readings.len() as u64;
        receipt
    }

    fn retry(&mut self, no: i64) -> Result<TakenAgain, QuarantineError> {
        let waiting = [find_open(&self.conn, no)?];
        let known = self.patients.clone();
        let resolve = |number: &str| Self::resolve(&known, number);
        let (conn, cache, device) = (&self.conn, &mut self.cache, &self.device);
        let fetch = &mut |_: &[u8; 32]| Ok(None);
        Ok(take_in_again(conn, cache, device, &waiting, later(), resolve, fetch)?)
    }

    fn totals(&self) -> Totals {
        assert!(adds_up(&self.conn).unwrap());
        let totals = totals(&self.conn).unwrap();
        assert_eq!(totals.sent(), self.sent, "each reading is in one sum");
        totals
    }
}

/// A reading as a device sends it.
#[derive(Clone, Copy, Debug)]
struct Sent {
    patient: &'static str,
    unit: &'static str,
    time: &'static str,
    value: &'static str,
}

impl Sent {
    fn of(patient: &'static str, value: &'static str) -> Self {
        Self { patient, unit: "/min", time: TIME, value }
    }

    fn json(&self) -> String {
        let Self { patient, unit, time, value } = self;
        format!(
            r#"{{"patient":"{patient}","code":"8867-4","unit":"{unit}","time":"{time}","value":{value}}}"#
        )
    }
}

#[test]
fn a_reading_that_was_set_aside_keeps_what_was_sent() {
    let mut clinic = Clinic::new();
    clinic.send(&[Sent::of("p-1", "71"), Sent::of("p-9", "72.0")]);
    let found = find_open(&clinic.conn, 1).unwrap();
    let expected = Quarantined {
        no: 1,
        device: clinic.device.clone(),
        batch_id: "b-1".parse().unwrap(),
        position: 1,
        reason: Reason::UnknownPatient,
        received: arrived(),
        contents: Some(Contents {
            patient: "p-9".parse().unwrap(),
            value: SentValue::parse("72.0").unwrap(),
        }),
        code: "8867-4".parse().unwrap(),
        unit: UnitText::new("/min").unwrap(),
        time: at(TIME),
        sequence: None,
        standing: Standing::Open,
        settled_at: None,
        decision: None,
    };
    assert!(found == expected);
    assert!(list(&clinic.conn, false, 9).unwrap() == [expected]);
    let shown = format!("{found:?} {:?}", found.contents);
    assert!(!shown.contains("p-9") && !shown.contains("72"), "{shown}");
}

/// What a retry makes of a reading once `p-9` is known.
#[track_caller]
fn check_retry(sent: Sent, expected: Result<Standing, Reason>) {
    let mut clinic = Clinic::new();
    clinic.send(&[Sent { patient: "p-9", ..sent }, Sent::of("p-1", "70")]);
    let before = clinic.totals();
    let stays = clinic.retry(1).unwrap();
    let [(1, _)] = stays.stay[..] else { panic!("{sent:?}: nobody knows p-9 yet") };
    assert_eq!(clinic.totals(), before, "{sent:?}: a retry of what is still bad changes nothing");
    clinic.patients.push("p-9");
    let tried = clinic.retry(1).unwrap();
    let standing = find(&clinic.conn, 1).unwrap().standing;
    match expected {
        Ok(expected) => {
            assert_eq!(standing, expected, "{sent:?}");
            let again = clinic.retry(1).unwrap_err().to_string();
            assert!(again.contains("already"), "{sent:?}: {again}");
        }
        Err(reason) => {
            assert_eq!((tried.stay, standing), (vec![(1, reason)], Standing::Open), "{sent:?}");
        }
    }
    clinic.totals();
}

#[test]
fn a_retry_judges_by_todays_rules_and_asks_of_the_time_when_it_arrived() {
    let sent = Sent::of("p-9", "72");
    check_retry(sent, Ok(Standing::Taken));
    check_retry(Sent { unit: "bpm", ..sent }, Err(Reason::UnknownUnit));
    check_retry(Sent { unit: "Cel", ..sent }, Err(Reason::UnitMismatch));
    check_retry(Sent { value: "0", ..sent }, Err(Reason::ImpossibleValue));
    // A day later this time is past, and was still not possible when it came.
    check_retry(Sent { time: "2026-06-12T17:36:00Z", ..sent }, Err(Reason::TimeAhead));
    check_retry(Sent { time: "1989-12-31T23:59:59Z", ..sent }, Err(Reason::TimeTooOld));
}

#[test]
fn what_is_taken_again_is_late_and_counts_once() {
    let mut clinic = Clinic::new();
    let receipt =
        clinic.send(&[Sent::of("p-9", "72"), Sent::of("p-9", "72"), Sent::of("p-1", "70")]);
    clinic.patients.push("p-9");
    let taken = clinic.retry(1).unwrap();
    let fresh: Vec<_> = taken.fresh.iter().map(|one| (one.late, one.received)).collect();
    assert_eq!(fresh, [(true, later())], "nobody is called for what lay here for a day");
    assert_eq!((taken.open.len(), taken.open[0].since), (1, later()));
    let repeat = clinic.retry(2).unwrap();
    assert_eq!((repeat.fresh.len(), repeat.repeats), (0, 1));
    let totals = clinic.totals();
    let readings = Tally { accepted: 2, duplicate: 1, quarantined: 0, rejected: 0 };
    assert_eq!((totals.readings, totals.discarded, totals.taken_again), (readings, 0, 1));
    let patient = Clinic::resolve(&clinic.patients, "p-9").unwrap();
    assert_eq!(open_of(&clinic.conn, patient).unwrap().len(), 1);
    // The device is told what it was told before, whatever became of it since.
    let (_, again) =
        find_receipt(&clinic.conn, &clinic.device, &receipt.batch_id).unwrap().unwrap();
    assert_eq!(again, receipt);
    for no in [1, 2] {
        assert!(find(&clinic.conn, no).unwrap().contents.is_none(), "it stands in one place only");
        assert!(discard(&clinic.conn, later(), no, &decision()).is_err());
    }
}

#[test]
fn what_is_given_up_leaves_its_evidence_and_nothing_about_a_person() {
    let mut clinic = Clinic::new();
    clinic.send(&[Sent::of("p-9", "72")]);
    discard(&clinic.conn, later(), 1, &decision()).unwrap();
    let found = find(&clinic.conn, 1).unwrap();
    assert_eq!((found.standing, found.settled_at), (Standing::Discarded, Some(later())));
    assert_eq!(found.decision, Some(decision()));
    assert!(found.contents.is_none());
    assert_eq!((found.reason, found.received), (Reason::UnknownPatient, arrived()));
    let left: String = clinic
        .conn
        .query_row("SELECT patient || value FROM vitals_quarantine", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, "");
    let totals = clinic.totals();
    assert_eq!((totals.readings.quarantined, totals.discarded), (0, 1));
    assert_eq!(list(&clinic.conn, false, 9).unwrap().len(), 0);
    assert_eq!(list(&clinic.conn, true, 9).unwrap().len(), 1);
    for again in
        [clinic.retry(1).unwrap_err(), discard(&clinic.conn, later(), 1, &decision()).unwrap_err()]
    {
        assert!(matches!(again, QuarantineError::Settled(1, Standing::Discarded)), "{again}");
    }
    for unknown in [0, 2, -1, i64::MAX] {
        let error = clinic.retry(unknown).unwrap_err();
        assert!(matches!(error, QuarantineError::Unknown(no) if no == unknown), "{error}");
    }
    clinic.totals();
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<Sent>),
    Know(&'static str),
    Retry(i64),
    Discard(i64),
}

fn any_sent() -> impl Strategy<Value = Sent> {
    (
        prop::sample::select(vec!["p-1", "p-2", "p-3"]),
        prop::sample::select(vec!["/min", "/min", "bpm", "Cel"]),
        prop::sample::select(vec![
            TIME,
            TIME,
            "2026-06-12T17:21:00Z",
            "2026-06-12T18:00:00Z",
            "no",
        ]),
        prop::sample::select(vec!["70", "71", "72", "0", "\"x\""]),
    )
        .prop_map(|(patient, unit, time, value)| Sent { patient, unit, time, value })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(any_sent(), 1..6).prop_map(Step::Send),
        1 => prop::sample::select(vec!["p-2", "p-3"]).prop_map(Step::Know),
        4 => (0_i64..12).prop_map(Step::Retry),
        2 => (0_i64..12).prop_map(Step::Discard),
    ]
}

proptest! {
    /// Whatever devices send and people do, each reading is in one sum, and the sums say what the rows
    /// say; what is held of patients is what was accepted.
    #[test]
    fn the_sums_add_up_before_and_after_every_verb(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut clinic = Clinic::new();
        for step in steps {
            let before = clinic.totals();
            let settled = match step {
                Step::Send(readings) => {
                    clinic.send(&readings);
                    continue;
                }
                Step::Know(patient) => {
                    if !clinic.patients.contains(&patient) {
                        clinic.patients.push(patient);
                    }
                    0
                }
                Step::Retry(no) => clinic.retry(no).map_or(0, |tried| 1 - tried.stay.len() as u64),
                Step::Discard(no) => {
                    u64::from(discard(&clinic.conn, later(), no, &decision()).is_ok())
                }
            };
            let after = clinic.totals();
            prop_assert_eq!(after.readings.quarantined + settled, before.readings.quarantined);
            prop_assert_eq!(after.readings.rejected, before.readings.rejected);
            let held: usize = (0..clinic.patients.len())
                .map(|place| PatientId::from_bytes([u8::try_from(place).unwrap() + 1; 16]))
                .map(|patient| open_of(&clinic.conn, patient).unwrap().len())
                .sum();
            prop_assert_eq!(held as u64, after.readings.accepted);
        }
    }
}
