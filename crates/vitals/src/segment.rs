//! The payload of a segment entry: many readings of one device for one patient, sealed together.
//!
//! Whose they are is not in it: the stream that the entry stands in says so. The payload is
//!
//! ```text
//! version 1 · codec · device's name
//! codec 0: the columns          codec 1: their length · the columns, compressed with zstd
//! ```
//!
//! Measured on real recordings when the codec was chosen, with a prototype of these columns: bytes
//! per reading in segments of 1,000 and of 240 readings, the device's name and the frame's magic
//! number (about 20 bytes a segment) left out; times per segment of 1,000 on a shared machine, so
//! only their ratio counts. The ward's 1,000 are those of one device over several patients; times
//! of receipt are made up, one per 100 readings. Today's code with all its bytes takes 1.25 for the
//! ward at 1,000, which a test prints.
//!
//! | recording | plain | zstd 3 | zstd 19 | pco 1.1 |
//! |---|---|---|---|---|
//! | ward, hourly | 1.71, 1.99 | 1.27, 1.67 | 1.24, 1.62 | 1.31, 1.80 |
//! | glucose, 5 minutes | 3.11, 3.22 | 0.89, 1.21 | 0.84, 1.15 | 0.83, 1.23 |
//! | intensive care, irregular (240) | 1.82 | 1.58 | 1.54 | 1.64 |
//! | wrist, seconds | 2.10, 2.20 | 0.91, 1.23 | 0.85, 1.14 | 0.86, 1.28 |
//! | time to compress | – | 13 to 35 µs | 160 to 1,200 µs | 450 to 1,300 µs |
//!
//! The columns have taken out most of what pco would find; what it saves on long runs of one value
//! it loses on short columns, and it takes twenty times as long. So zstd at level 3 it is.

use std::cell::RefCell;

use vocab::DeviceName;
use zstd::bulk::Decompressor;

use crate::columns;
use crate::reading::SealedReading;
use crate::varint::{Reader, put_text, put_u64};

/// Readings in one segment that is written here. Sealing starts at 1,000; the batch that passes
/// this mark may bring 5,000 more.
pub const SEGMENT_READINGS_MAX: usize = 8_192;

/// Readings in a segment that is read: a later version may seal more.
pub const DECODED_READINGS_MAX: usize = 65_536;

/// A payload, compressed: the sync protocol's limit for one change set.
pub const SEGMENT_BYTES_MAX: usize = 1024 * 1024;

/// The columns of one payload, not compressed: 64 bytes for each of the most readings.
const COLUMNS_BYTES_MAX: usize = DECODED_READINGS_MAX * 64;

/// What one reading costs at most when nothing about it is shared: 21 for its tick, 20 for its time
/// of receipt, 8 for its column, 33 for its unit, 3 for its presence, 33 for its value, 10 for its
/// sequence.
const READING_BYTES_MAX: usize = 128;
const _: () = assert!(SEGMENT_READINGS_MAX * READING_BYTES_MAX <= SEGMENT_BYTES_MAX);

/// How many bytes one compressed byte may stand for. Real columns reach 3; a segment that passes
/// this limit (one value repeated thousands of times) is written without compression.
const RATIO_MAX: usize = 200;

const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Level 3 of 19; see the table above.
const ZSTD_LEVEL: i32 = 3;

/// A segment that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The device that measured.
    pub device: DeviceName,
    /// The readings: a set, by code, unit and time.
    pub readings: Vec<SealedReading>,
}

/// Why a payload is no segment, or readings make none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// More than [`SEGMENT_READINGS_MAX`] to write.
    #[error("a segment holds at most {SEGMENT_READINGS_MAX} readings")]
    TooMany,
    /// A newer version wrote it; it may be kept and forwarded, but not read.
    #[error("the segment has a version or codec that this version does not know")]
    Unknown,
    /// It is larger than a segment may be, or claims to become so.
    #[error("the segment is larger than its limits")]
    TooLarge,
    /// It is damaged, or was never a segment.
    #[error("the segment cannot be read")]
    Malformed,
}

/// Seals readings of one device for one patient, in any order.
///
/// # Errors
///
/// [`SegmentError::TooMany`] for more than [`SEGMENT_READINGS_MAX`].
pub fn encode(device: &DeviceName, readings: &[SealedReading]) -> Result<Vec<u8>, SegmentError> {
    if readings.len() > SEGMENT_READINGS_MAX {
        return Err(SegmentError::TooMany);
    }
    let columns = columns::write(readings);
    let compressed = compress(&columns).filter(|compressed| {
        compressed.len() + 3 < columns.len() && columns.len() <= compressed.len() * RATIO_MAX
    });
    let body = compressed.as_deref().unwrap_or(&columns);
    let mut payload = Vec::with_capacity(body.len() + 80);
    payload.push(VERSION);
    payload.push(if compressed.is_some() { ZSTD } else { PLAIN });
    put_text(&mut payload, device.as_str());
    if compressed.is_some() {
        put_u64(&mut payload, u64::try_from(columns.len()).unwrap_or(u64::MAX));
    }
    payload.extend_from_slice(body);
    Ok(payload)
}

/// Reads a payload. Whatever it claims, no more than its limits is taken from memory.
///
/// # Errors
///
/// As [`SegmentError`], [`TooMany`](SegmentError::TooMany) excepted.
pub fn decode(payload: &[u8]) -> Result<Segment, SegmentError> {
    if payload.len() > SEGMENT_BYTES_MAX {
        return Err(SegmentError::TooLarge);
    }
    let mut reader = Reader::new(payload);
    let (version, codec) = (reader.u8(), reader.u8());
    if version.is_some_and(|version| version != VERSION) || codec.is_some_and(|codec| codec > ZSTD)
    {
        return Err(SegmentError::Unknown);
    }
    let device = reader.text().and_then(|name| name.parse().ok());
    let device = device.ok_or(SegmentError::Malformed)?;
    let readings = if codec == Some(ZSTD) {
        let length = reader.u64().and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(SegmentError::Malformed)?;
        let body = reader.bytes(reader.remaining()).unwrap_or_default();
        if length > COLUMNS_BYTES_MAX || length > body.len().saturating_mul(RATIO_MAX) {
            return Err(SegmentError::TooLarge);
        }
        let columns = decompress(body, length).ok_or(SegmentError::Malformed)?;
        if columns.len() != length {
            return Err(SegmentError::Malformed);
        }
        columns::read(&columns, DECODED_READINGS_MAX)
    } else {
        let body = reader.bytes(reader.remaining()).unwrap_or_default();
        columns::read(body, DECODED_READINGS_MAX)
    };
    Ok(Segment { device, readings: readings.ok_or(SegmentError::Malformed)? })
}

thread_local! {
    /// Making a decompressor takes longer than decompressing a segment with it.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// `None` for a damaged body and for one that would become longer than `length`.
fn decompress(body: &[u8], length: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Decompressor::new().ok();
        }
        kept.as_mut()?.decompress(body, length).ok()
    })
}

/// `None` when zstd refuses, which it has no reason to: the columns are then sealed as they are.
fn compress(columns: &[u8]) -> Option<Vec<u8>> {
    let mut zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok()?;
    // The length stands in front already.
    zstd.include_contentsize(false).ok()?;
    zstd.compress(columns).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use vocab::Timestamp;

    use super::*;
    use crate::columns::tests::{any_readings, as_set};
    use crate::recordings;
    use crate::unit_text::UnitText;
    use crate::value::SentValue;

    fn device() -> DeviceName {
        "ward-06-mon".parse().unwrap()
    }

    fn sealed(row: &recordings::Row, received: Timestamp) -> SealedReading {
        SealedReading {
            code: row.code.parse().unwrap(),
            unit: UnitText::new(&row.unit).unwrap(),
            time: row.time.parse().unwrap(),
            value: SentValue::parse(&row.value).unwrap(),
            sequence: None,
            received,
        }
    }

    /// Segments of 1,000 readings of one device each, received in batches of 100.
    fn thousands(name: &str) -> Option<Vec<Vec<SealedReading>>> {
        let mut devices: BTreeMap<String, Vec<recordings::Row>> = BTreeMap::new();
        for row in recordings::rows(name)? {
            devices.entry(row.device_id.clone()).or_default().push(row);
        }
        let mut segments = Vec::new();
        for rows in devices.values_mut() {
            rows.sort_by(|a, b| a.time.cmp(&b.time));
            for thousand in rows.chunks_exact(1_000) {
                let batches = thousand.chunks(100).flat_map(|batch| {
                    let last: Timestamp = batch.last().unwrap().time.parse().unwrap();
                    let received = Timestamp::from_nanos(last.nanos() + 1_234_567_891);
                    batch.iter().map(move |row| sealed(row, received))
                });
                segments.push(batches.collect());
            }
        }
        Some(segments)
    }

    #[test]
    fn a_reading_of_the_ward_takes_less_than_two_bytes() {
        let Some(segments) = thousands("ward-hourly.csv.gz") else { return };
        let mut bytes = 0;
        for readings in &segments {
            let payload = encode(&device(), readings).unwrap();
            bytes += payload.len();
            let back = decode(&payload).unwrap();
            assert_eq!(as_set(&back.readings), as_set(readings));
        }
        let per_reading = bytes as f64 / (segments.len() * 1_000) as f64;
        println!("{per_reading:.3} bytes per reading in {} segments", segments.len());
        assert!(per_reading < 1.5, "{per_reading:.3} bytes per reading");
    }

    #[test]
    fn many_equal_readings_are_sealed_within_the_ratio() {
        let one = SealedReading {
            code: "29463-7".parse().unwrap(),
            unit: UnitText::new("kg").unwrap(),
            time: Timestamp::from_millis(0),
            value: SentValue::parse("70").unwrap(),
            sequence: None,
            received: Timestamp::from_millis(0),
        };
        let hourly = |hour| SealedReading { time: Timestamp::from_millis(hour), ..one.clone() };
        let readings: Vec<_> = (0..8_192).map(hourly).collect();
        let payload = encode(&device(), &readings).unwrap();
        assert_eq!(as_set(&decode(&payload).unwrap().readings), as_set(&readings));
        let more: Vec<_> = (0..8_193).map(hourly).collect();
        assert_eq!(encode(&device(), &more), Err(SegmentError::TooMany));
    }

    #[test]
    fn the_most_costly_readings_fit_a_payload() {
        let costly = |number: u32| SealedReading {
            code: crate::code::LoincCode::from_number(1 + number * 1_200).unwrap(),
            unit: UnitText::new(&format!("{number:032}")).unwrap(),
            time: Timestamp::from_nanos(i64::from(number).wrapping_mul(0x5851_f42d_4c95_7f2d)),
            value: SentValue::parse(&format!("{number:032}").replacen("00", "1e", 1))
                .unwrap_or_else(|_| SentValue::parse(&format!("-1.{number:029}")).unwrap()),
            sequence: Some(u64::MAX / 3 * u64::from(number % 3)),
            received: Timestamp::from_nanos(i64::from(number).wrapping_mul(0x1405_7b7e_f767_814f)),
        };
        let readings: Vec<_> = (0..8_192).map(costly).collect();
        let columns = columns::write(&readings);
        assert!(columns.len() <= SEGMENT_BYTES_MAX - 100, "{}", columns.len());
        let payload = encode(&device(), &readings).unwrap();
        assert_eq!(as_set(&decode(&payload).unwrap().readings), as_set(&readings));
    }

    #[test]
    fn what_a_payload_claims_is_checked_before_it_is_believed() {
        let head = |codec: u8| {
            let mut payload = vec![VERSION, codec];
            put_text(&mut payload, "ward-06-mon");
            payload
        };
        check(&[], SegmentError::Malformed);
        check(&[2], SegmentError::Unknown);
        check(&[1, 2], SegmentError::Unknown);
        check(&[1, 0, 200], SegmentError::Malformed);
        check(&vec![1; SEGMENT_BYTES_MAX + 1], SegmentError::TooLarge);
        let mut bomb = head(ZSTD);
        put_u64(&mut bomb, 1 << 40);
        bomb.extend_from_slice(&[0; 100]);
        check(&bomb, SegmentError::TooLarge);
        let zeros = zstd::bulk::compress(&vec![0; 1_000_000], 3).unwrap();
        let mut bomb = head(ZSTD);
        put_u64(&mut bomb, 1_000_000);
        bomb.extend_from_slice(&zeros);
        check(&bomb, SegmentError::TooLarge);
        let mut understated = head(ZSTD);
        put_u64(&mut understated, 1_000);
        understated.extend_from_slice(&zeros);
        check(&understated, SegmentError::Malformed);
        let mut overstated = head(ZSTD);
        put_u64(&mut overstated, 2_000);
        overstated.extend_from_slice(&zstd::bulk::compress(&[1; 1_000], 3).unwrap());
        check(&overstated, SegmentError::Malformed);
    }

    #[track_caller]
    fn check(payload: &[u8], expected: SegmentError) {
        assert_eq!(decode(payload), Err(expected));
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_read_back(readings in any_readings(300)) {
            let payload = encode(&device(), &readings).unwrap();
            let back = decode(&payload).unwrap();
            prop_assert_eq!(back.device, device());
            prop_assert_eq!(as_set(&back.readings), as_set(&readings));
        }

        #[test]
        fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), codec in 0u8..2) {
            let _ = decode(&bytes);
            let mut payload = vec![VERSION, codec, 1, b'd'];
            payload.append(&mut bytes);
            let _ = decode(&payload);
        }

        #[test]
        fn any_flipped_bit_is_answered(readings in any_readings(60), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut payload = encode(&device(), &readings).unwrap();
            let place = at.index(payload.len());
            payload[place] ^= 1 << bit;
            if let Ok(segment) = decode(&payload) {
                prop_assert!(segment.readings.len() <= DECODED_READINGS_MAX);
            }
        }
    }
}
