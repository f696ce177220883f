//! Readings as devices send them and as they are sealed.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use vitals::batch::Batch;
use vitals::checksum::BodyDigest;
use vitals::judge::judge;
use vitals::reading::{Identity, SealedReading};
use vitals::segment::{self, SEGMENT_READINGS_MAX, Segment};
use vitals::unit::UnitCache;
use vocab::{PatientId, Timestamp};

/// A device's batch, as far as the judgement of each reading.
pub(crate) fn batch(bytes: &[u8]) {
    let Ok(batch) = Batch::parse(bytes) else { return };
    let received = Timestamp::from_millis(1_800_000_000_000);
    let mut units = UnitCache::default();
    let known = |patient: &str| (patient.len() % 2 == 1).then(|| PatientId::from_bytes([9; 16]));
    let judged = judge(&batch, received, &mut units, known);
    assert_eq!(judged.len(), batch.readings.len(), "each reading gets its answer");
}

/// The header that carries a batch's digest. In half of the inputs the digest is the body's.
pub(crate) fn digest(bytes: &[u8]) {
    let Ok(header) = std::str::from_utf8(bytes) else { return };
    let _ = BodyDigest::verify(b"body", Some(header));
    let good =
        format!("sha-256=:{}:{header}", data_encoding::BASE64.encode(&Sha256::digest(b"body")));
    if let Ok(digest) = BodyDigest::verify(b"body", Some(&good)) {
        assert_eq!(digest, BodyDigest::of(b"body"));
    }
}

/// A sealed segment: as it comes; with the first bytes made good; and as the content of a
/// compressed one, so that what is found in columns does not depend on zstd.
pub(crate) fn segment(bytes: &[u8]) {
    read_back(bytes);
    read_back(&[&[1, 0, 1, b'd'][..], bytes].concat());
    if bytes.first().is_some_and(|first| first & 0x80 != 0)
        && let Ok(body) = zstd::bulk::compress(bytes, 1)
    {
        let mut payload = vec![1, 1, 1, b'd'];
        let mut length = bytes.len();
        while length > 0x7f {
            payload.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
            length >>= 7;
        }
        payload.push(u8::try_from(length).unwrap_or_default());
        payload.extend_from_slice(&body);
        read_back(&payload);
    }
}

fn read_back(payload: &[u8]) {
    let Ok(read) = segment::decode(payload) else { return };
    read.readings.iter().for_each(show);
    if read.readings.len() > SEGMENT_READINGS_MAX {
        return;
    }
    let Ok(written) = segment::encode(&read.device, &read.readings) else {
        panic!("what was read cannot be written")
    };
    let again = segment::decode(&written);
    assert_eq!(again.as_ref().map(set), Ok(set(&read)), "what was written reads otherwise");
}

type Known<'a> = (Identity<'a>, Timestamp);

fn set(segment: &Segment) -> (String, usize, BTreeSet<Known<'_>>) {
    let readings = segment.readings.iter().map(|one| (one.identity(), one.received)).collect();
    (segment.device.as_str().to_owned(), segment.readings.len(), readings)
}

/// What screens, rules and exports do with a reading.
pub(crate) fn show(reading: &SealedReading) {
    let _ = (reading.canonical_micro(), reading.late(), reading.time.to_string());
    let _ = (reading.value.to_string(), reading.code.to_string(), reading.received.to_string());
    let _ = reading.clone().into_reading(PatientId::from_bytes([1; 16]));
}
