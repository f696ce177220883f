//! Exactly once, whatever a device repeats and in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vocab::{PatientId, Timestamp};

use super::*;
use crate::segment;
use crate::tail::{append, record_span, take_tail};
use crate::unit_text::UnitText;
use crate::value::SentValue;

/// A clinic's writer: database, memory and the entries that were sealed.
struct Clinic {
    conn: Connection,
    cache: IngestCache,
    entries: BTreeMap<[u8; 32], Vec<u8>>,
    fetched: usize,
}

impl Clinic {
    fn new() -> Self {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[crate::store::ROOM]).unwrap();
        Self { conn, cache: IngestCache::default(), entries: BTreeMap::new(), fetched: 0 }
    }

    /// Stores what is new of a batch and answers which of its readings were.
    fn take_in(&mut self, device: &DeviceName, readings: &[Reading]) -> Vec<bool> {
        let (entries, fetched) = (&self.entries, &mut self.fetched);
        let mut fetch = |entry: &[u8; 32]| {
            *fetched += 1;
            Ok(entries.get(entry).cloned())
        };
        let is_fresh = fresh(&self.conn, &mut self.cache, device, readings, &mut fetch).unwrap();
        let new: Vec<_> = readings
            .iter()
            .zip(&is_fresh)
            .filter(|(_, new)| **new)
            .map(|(r, _)| r.clone())
            .collect();
        append(&self.conn, &mut self.cache, device, &new).unwrap();
        is_fresh
    }

    fn seal(&mut self, device: &DeviceName, patient: PatientId) {
        let readings = take_tail(&self.conn, &mut self.cache, device, patient).unwrap();
        if readings.is_empty() {
            return;
        }
        let payload = segment::encode(device, &readings).unwrap();
        let entry = *blake3::hash(&payload).as_bytes();
        record_span(&self.conn, &mut self.cache, device, patient, &entry, &readings).unwrap();
        self.entries.insert(entry, payload);
    }

    /// The keys of everything that is held, sealed or not, as often as it is held.
    fn held(&self, device: &DeviceName, patient: PatientId) -> Vec<[u8; 16]> {
        use crate::reading::ReadingKey;
        let mut keys = Vec::new();
        crate::tail::for_each_open(&self.conn, |of, whose, reading| {
            if of == device && whose == patient {
                keys.push(ReadingKey::of(of, whose, reading.identity()).bytes());
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
        for payload in self.entries.values() {
            let segment = segment::decode(payload).unwrap();
            if segment.device == *device {
                let key = |r: &crate::reading::SealedReading| {
                    ReadingKey::of(device, patient, r.identity()).bytes()
                };
                keys.extend(segment.readings.iter().map(key));
            }
        }
        keys.sort_unstable();
        keys
    }
}

fn device() -> DeviceName {
    "ward-06-mon".parse().unwrap()
}

const PATIENT: PatientId = PatientId::from_bytes([1; 16]);

fn reading(second: i64, value: i64, sequence: Option<u64>) -> Reading {
    crate::reading::SealedReading {
        code: "8867-4".parse().unwrap(),
        unit: UnitText::new("/min").unwrap(),
        time: Timestamp::from_millis(1_780_000_000_000 + second * 1_000),
        value: SentValue::from_plain(value, 0).unwrap(),
        sequence,
        received: Timestamp::from_millis(1_780_000_100_000),
    }
    .into_reading(PATIENT)
    .unwrap()
}

#[test]
fn two_values_of_one_moment_are_two_readings_and_a_repeat_is_none() {
    let mut clinic = Clinic::new();
    let sent = [reading(0, 60, None), reading(0, 61, None), reading(0, 60, None)];
    assert_eq!(clinic.take_in(&device(), &sent), [true, true, false]);
    assert_eq!(clinic.take_in(&device(), &sent), [false, false, false]);
    assert_eq!(clinic.take_in(&device(), &[reading(0, 60, Some(1))]), [true]);
    assert_eq!(clinic.take_in(&"ward-07-mon".parse().unwrap(), &sent), [true, true, false]);
}

#[test]
fn a_repeat_is_found_in_the_tail_in_a_segment_and_with_an_empty_memory() {
    let mut clinic = Clinic::new();
    let sent: Vec<_> = (0..20).map(|second| reading(second, 60 + second, None)).collect();
    assert_eq!(clinic.take_in(&device(), &sent), vec![true; 20]);
    assert_eq!(clinic.take_in(&device(), &sent), vec![false; 20]);
    clinic.cache = IngestCache::default();
    assert_eq!(clinic.take_in(&device(), &sent[3..5]), [false, false]);
    clinic.seal(&device(), PATIENT);
    assert_eq!(clinic.take_in(&device(), &sent), vec![false; 20]);
    clinic.cache = IngestCache::default();
    assert_eq!(clinic.take_in(&device(), &sent), vec![false; 20]);
    assert_eq!(clinic.take_in(&device(), &[reading(7, 99, None)]), [true]);
}

#[test]
fn a_reading_in_another_unit_is_another_one_in_the_tail_and_in_a_segment() {
    let plain = reading(0, 60, None);
    let other = Reading { unit: UnitText::new("1/min").unwrap(), ..plain.clone() };
    let mut clinic = Clinic::new();
    assert_eq!(clinic.take_in(&device(), std::slice::from_ref(&plain)), [true]);
    assert_eq!(clinic.take_in(&device(), &[plain.clone(), other.clone()]), [false, true]);
    let mut clinic = Clinic::new();
    assert_eq!(clinic.take_in(&device(), std::slice::from_ref(&plain)), [true]);
    clinic.seal(&device(), PATIENT);
    clinic.cache = IngestCache::default();
    assert_eq!(clinic.take_in(&device(), &[plain, other.clone(), other]), [false, true, false]);
}

#[test]
fn a_device_that_sends_in_order_makes_nobody_read_what_is_stored() {
    let mut clinic = Clinic::new();
    for batch in 0..30 {
        // The last moment of a batch is the first of the next one, with another value.
        let from = batch * 9;
        let sent: Vec<_> =
            (from..from + 10).map(|second| reading(second, 60 + batch, None)).collect();
        assert_eq!(clinic.take_in(&device(), &sent), vec![true; 10]);
        if batch % 7 == 6 {
            clinic.seal(&device(), PATIENT);
        }
    }
    assert_eq!(clinic.fetched, 0);
}

#[test]
fn hundreds_of_values_of_one_moment_are_each_kept_once() {
    let mut clinic = Clinic::new();
    for _ in 0..2 {
        for batch in 0..4 {
            let sent: Vec<_> = (0..100)
                .map(|at| reading(0, 60 + at % 50, Some(batch * 60 + at.unsigned_abs())))
                .collect();
            clinic.take_in(&device(), &sent);
        }
        clinic.seal(&device(), PATIENT);
    }
    let held = clinic.held(&device(), PATIENT);
    assert_eq!(BTreeSet::from_iter(&held).len(), held.len());
}

#[test]
fn a_span_that_another_start_recorded_counts_even_when_it_is_the_latest() {
    let mut clinic = Clinic::new();
    clinic.take_in(&device(), &[reading(0, 60, None)]);
    let sealed = [reading(0, 61, None).sealed(), reading(9, 62, None).sealed()];
    let payload = segment::encode(&device(), &sealed).unwrap();
    record_span(&clinic.conn, &mut clinic.cache, &device(), PATIENT, &[7; 32], &sealed).unwrap();
    clinic.entries.insert([7; 32], payload);
    let sent =
        [reading(0, 60, None), reading(0, 61, None), reading(9, 62, None), reading(9, 63, None)];
    assert_eq!(clinic.take_in(&device(), &sent), [false, false, false, true]);
}

/// What happens to a clinic between two batches.
#[derive(Clone, Copy, Debug)]
enum Event {
    Batch { from: usize, length: usize },
    Seal,
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0usize..60, 1usize..20).prop_map(|(from, length)| Event::Batch { from, length }),
        1 => Just(Event::Seal),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    /// However often and in whatever order batches come, with sealing and restarts in between, a
    /// reading is held once and is new exactly the first time it is sent.
    #[test]
    fn every_reading_is_held_exactly_once(
        pool in proptest::collection::vec((0i64..12, 60i64..64, prop::option::weighted(0.2, 0u64..3)), 60),
        events in proptest::collection::vec(any_event(), 1..40),
    ) {
        let pool: Vec<_> = pool.into_iter().map(|(s, v, n)| reading(s, v, n)).collect();
        let mut clinic = Clinic::new();
        let mut model = BTreeSet::new();
        for event in events {
            match event {
                Event::Seal => clinic.seal(&device(), PATIENT),
                Event::Restart => clinic.cache = IngestCache::default(),
                Event::Batch { from, length } => {
                    let sent = &pool[from..(from + length).min(pool.len())];
                    let expected: Vec<_> =
                        sent.iter().map(|r| model.insert(r.key(&device()).bytes())).collect();
                    prop_assert_eq!(clinic.take_in(&device(), sent), expected);
                }
            }
        }
        prop_assert_eq!(clinic.held(&device(), PATIENT), Vec::from_iter(model));
    }
}
