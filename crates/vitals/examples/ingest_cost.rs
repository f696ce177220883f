//! Prints what a reading costs from its JSON to its row, step by step, without disk and network.
//!
//! `cargo run --release -p vitals --example ingest_cost`

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::error::Error;
use std::time::Instant;

use store::StoreError;
use vitals::batch::Batch;
use vitals::cache::IngestCache;
use vitals::checksum::BodyDigest;
use vitals::intake::take_in;
use vitals::judge::{Judged, judge};
use vitals::reading::SealedReading;
use vitals::receipt::Receipt;
use vitals::unit::UnitCache;
use vitals::{history, segment, tail};
use vocab::{DeviceName, PatientId, Timestamp};

const DEVICES: u64 = 100;
const BATCHES_PER_DEVICE: u64 = 50;
const BATCH_READINGS: u64 = 100;

/// What a monitor sends at one moment: code, unit, value around which it moves, decimals.
const SIGNALS: [(&str, &str, u64, u32); 7] = [
    ("8867-4", "/min", 72, 0),
    ("8480-6", "mm[Hg]", 120, 0),
    ("8462-4", "mm[Hg]", 70, 0),
    ("8478-0", "mm[Hg]", 88, 0),
    ("59408-5", "%", 90, 0),
    ("9279-1", "/min", 16, 0),
    ("8310-5", "Cel", 360, 1),
];

/// Names, numbers and bodies of every batch, batch by batch over all devices.
fn bodies() -> Vec<(usize, String)> {
    let mut bodies = Vec::new();
    let mut state = 1_u64;
    for batch in 0..BATCHES_PER_DEVICE {
        for device in 0..DEVICES {
            let readings: Vec<String> = (0..BATCH_READINGS)
                .map(|at| {
                    let place = batch * BATCH_READINGS + at;
                    let signals = u64::try_from(SIGNALS.len()).unwrap_or(1);
                    let signal = usize::try_from(place % signals).unwrap_or(0);
                    let (code, unit, around, decimals) =
                        SIGNALS.get(signal).copied().unwrap_or(("8867-4", "/min", 72, 0));
                    let second = 1_780_000_000 + place / signals * 60;
                    let time = Timestamp::from_millis(second.cast_signed() * 1_000);
                    // A plain generator of Knuth's; the values need to differ, not to be random.
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let value = around + (state >> 60) / 2;
                    let value = match decimals {
                        0 => value.to_string(),
                        _ => format!("{}.{}", value / 10, value % 10),
                    };
                    format!(
                        r#"{{"patient":"ward-p{device:06}","code":"{code}","unit":"{unit}","time":"{time}","value":{value}}}"#
                    )
                })
                .collect();
            let device = usize::try_from(device).unwrap_or(0);
            let readings = readings.join(",");
            bodies.push((device, format!(r#"{{"batch_id":"b-{batch}","readings":[{readings}]}}"#)));
        }
    }
    bodies
}

/// Runs `work` and answers what it took.
#[expect(clippy::disallowed_methods, reason = "a measurement is the one place for a stopwatch")]
fn timed<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<(T, f64), Box<dyn Error>> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed().as_secs_f64()))
}

fn patient(number: &str) -> Option<PatientId> {
    let digits = number.get(6..)?;
    Some(PatientId::from_bytes(u128::to_be_bytes(digits.parse().ok()?)))
}

fn nothing_sealed(_: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(None)
}

fn main() -> Result<(), Box<dyn Error>> {
    let bodies = bodies();
    let devices = (0..DEVICES)
        .map(|device| format!("ward-{device:02}-mon").parse())
        .collect::<Result<Vec<DeviceName>, _>>()?;
    let of = |device: usize| devices.get(device).ok_or("a device beyond the last");
    let readings = (DEVICES * BATCHES_PER_DEVICE * BATCH_READINGS) as f64;
    let print = |step: &str, seconds: f64| {
        println!("{step:<34} {:>7.0} ns per reading", seconds * 1e9 / readings);
    };
    println!("{} batches of {BATCH_READINGS} readings", bodies.len());

    let (digests, seconds) = timed(|| {
        Ok(bodies.iter().map(|(_, body)| BodyDigest::of(body.as_bytes())).collect::<Vec<_>>())
    })?;
    print("sha-256", seconds);
    let (batches, seconds) = timed(|| {
        let parse =
            |(device, body): &(usize, String)| Ok((*device, Batch::parse(body.as_bytes())?));
        bodies.iter().map(parse).collect::<Result<Vec<_>, Box<dyn Error>>>()
    })?;
    print("parse", seconds);

    let received = Timestamp::from_millis(1_790_000_000_000);
    let mut units = UnitCache::default();
    let (count, seconds) = timed(|| {
        Ok(batches
            .iter()
            .map(|(_, b)| judge(b, received, &mut units, patient).len())
            .sum::<usize>())
    })?;
    print("judge", seconds);
    println!("  ({count} judged)");

    let mut conn = store::open_in_memory()?;
    store::migrate(&mut conn, &[vitals::store::ROOM])?;
    let mut cache = IngestCache::default();
    let (fresh, seconds) = timed(|| {
        let mut fresh = 0;
        for group in batches.chunks(100) {
            conn.execute_batch("BEGIN")?;
            for (device, batch) in group {
                let device = of(*device)?;
                let fetch = &mut nothing_sealed;
                let taken = take_in(&conn, &mut cache, device, batch, received, patient, fetch)?;
                fresh += taken.fresh.len();
            }
            conn.execute_batch("COMMIT")?;
        }
        Ok(fresh)
    })?;
    print("judge, find repeats, append", seconds);
    println!("  ({fresh} fresh)");

    let (_, seconds) = timed(|| {
        conn.execute_batch("BEGIN")?;
        for ((device, batch), digest) in batches.iter().zip(&digests) {
            let device = of(*device)?;
            let found = vitals::store::find_receipt(&conn, device, &batch.id)?;
            let outcomes = batch.readings.iter().map(|_| vitals::receipt::Outcome::Accepted);
            let receipt = Receipt {
                batch_id: batch.id.clone(),
                device: device.clone(),
                received_at: received,
                outcomes: outcomes.collect(),
            };
            if found.is_none() {
                vitals::store::record_receipt(&conn, *digest, &receipt)?;
            }
            std::hint::black_box(receipt.to_json());
        }
        conn.execute_batch("COMMIT")?;
        Ok(())
    })?;
    print("receipt: look, keep, write", seconds);

    let (tails, seconds) = timed(|| {
        let mut tails = Vec::new();
        for (number, device) in (0..).zip(&devices) {
            let patient = PatientId::from_bytes(u128::to_be_bytes(number));
            tails.push(tail::take_tail(&conn, &mut cache, device, patient)?);
        }
        Ok(tails)
    })?;
    print("take the tail", seconds);

    let thousands: Vec<&[SealedReading]> =
        tails.iter().flat_map(|tail| tail.chunks_exact(1_000)).collect();
    let device = of(0)?;
    let (payloads, seconds) = timed(|| {
        let seal = |readings: &&[SealedReading]| Ok(segment::encode(device, readings)?);
        thousands.iter().map(seal).collect::<Result<Vec<_>, Box<dyn Error>>>()
    })?;
    print("seal", seconds);
    let (segments, seconds) = timed(|| {
        let open = |payload: &Vec<u8>| Ok(segment::decode(payload)?);
        payloads.iter().map(open).collect::<Result<Vec<_>, Box<dyn Error>>>()
    })?;
    print("open a segment", seconds);
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    println!("{} segments, {:.2} bytes per reading", segments.len(), bytes as f64 / readings);

    // Repeats of everything, against an empty memory.
    let mut cache = IngestCache::default();
    for ((device, tail), number) in devices.iter().zip(&tails).zip(0..) {
        let patient = PatientId::from_bytes(u128::to_be_bytes(number));
        for (at, thousand) in tail.chunks_exact(1_000).enumerate() {
            let entry = *entry_id(device, at).as_slice().first_chunk().ok_or("an entry's id")?;
            tail::record_span(&conn, &mut cache, device, patient, &entry, thousand)?;
        }
    }
    let mut sealed = std::collections::BTreeMap::new();
    for (at, payload) in payloads.iter().enumerate() {
        let device = of(at / 5)?;
        sealed.insert(entry_id(device, at % 5), payload.clone());
    }
    let mut units = UnitCache::default();
    let (repeats, seconds) = timed(|| {
        let mut repeats = 0;
        for (device, batch) in &batches {
            let accepted: Vec<_> = judge(batch, received, &mut units, patient)
                .into_iter()
                .filter_map(|judged| match judged {
                    Judged::Accepted(reading) => Some(reading),
                    Judged::Quarantined(_) | Judged::Rejected(_) => None,
                })
                .collect();
            let mut fetch = |entry: &[u8; 32]| Ok(sealed.get(entry.as_slice()).cloned());
            let is_fresh = history::fresh(&conn, &mut cache, of(*device)?, &accepted, &mut fetch)?;
            repeats += is_fresh.iter().filter(|fresh| !**fresh).count();
        }
        Ok(repeats)
    })?;
    print("judge and find every repeat", seconds);
    println!("  ({repeats} repeats)");
    Ok(())
}

/// Stands for an entry's id: 32 bytes that differ between segments.
fn entry_id(device: &DeviceName, at: usize) -> Vec<u8> {
    let mut id = format!("{device}/{at}").into_bytes();
    id.resize(32, 0);
    id
}
