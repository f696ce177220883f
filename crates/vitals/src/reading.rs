//! A reading that was accepted, and what makes it the one it is.

use std::fmt;

use vocab::{DeviceName, PatientId, Timestamp};

use crate::code::LoincCode;
use crate::kind::VitalKind;
use crate::unit::Conversion;
use crate::unit_text::UnitText;
use crate::value::SentValue;

/// A reading older than this at receipt is late: stored and shown, but never paged.
///
/// Monitors that lose the network for a moment send again within a few minutes; after a quarter of
/// an hour the person at the bed knows more than the reading does.
pub const LATE_AFTER_SECONDS: i64 = 15 * 60;

/// A reading as rules see it. Its device is the batch's.
#[derive(Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whose it is.
    pub patient: PatientId,
    /// What was measured.
    pub code: LoincCode,
    /// The unit as sent.
    pub unit: UnitText,
    /// When, by the device's clock.
    pub time: Timestamp,
    /// The number as sent.
    pub value: SentValue,
    /// The value in millionths of the canonical unit: of the [`VitalKind`]'s, or of the unit as
    /// sent where the code is none of these.
    pub canonical_micro: i64,
    /// The device's own count, where it keeps one.
    pub sequence: Option<u64>,
    /// When it arrived, by the clinic's clock.
    pub received: Timestamp,
    /// Whether it was older than [`LATE_AFTER_SECONDS`] at receipt.
    pub late: bool,
}

/// A reading as it is kept, beside its device and patient. All else about it follows from these.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedReading {
    /// What was measured.
    pub code: LoincCode,
    /// The unit as sent.
    pub unit: UnitText,
    /// When, by the device's clock.
    pub time: Timestamp,
    /// The number as sent.
    pub value: SentValue,
    /// The device's own count, where it keeps one.
    pub sequence: Option<u64>,
    /// When it arrived at the clinic that sealed it.
    pub received: Timestamp,
}

/// What one device says about one patient: two readings with the same identity are one reading.
///
/// Ordered by time first, so that a sorted run can be searched for a span of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity<'a> {
    /// When, by the device's clock.
    pub time: Timestamp,
    /// What was measured.
    pub code: LoincCode,
    /// The number as sent.
    pub value: &'a SentValue,
    /// The device's own count, where it keeps one.
    pub sequence: Option<u64>,
    /// The unit as sent.
    pub unit: &'a UnitText,
}

/// The first 16 bytes of the BLAKE3 hash of a reading's identity with its device and patient: a
/// name for it that is the same everywhere, for what refers to readings from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadingKey([u8; 16]);

impl Reading {
    /// The vital type, if the code is one.
    #[must_use]
    pub const fn kind(&self) -> Option<VitalKind> {
        VitalKind::of(self.code)
    }

    /// What makes it the one it is, beside device and patient.
    #[must_use]
    pub const fn identity(&self) -> Identity<'_> {
        Identity {
            time: self.time,
            code: self.code,
            value: &self.value,
            sequence: self.sequence,
            unit: &self.unit,
        }
    }

    /// Its name everywhere.
    #[must_use]
    pub fn key(&self, device: &DeviceName) -> ReadingKey {
        ReadingKey::of(device, self.patient, self.identity())
    }

    /// What is kept of it.
    #[must_use]
    pub fn sealed(&self) -> SealedReading {
        SealedReading {
            code: self.code,
            unit: self.unit,
            time: self.time,
            value: self.value.clone(),
            sequence: self.sequence,
            received: self.received,
        }
    }
}

impl SealedReading {
    /// What makes it the one it is, beside device and patient.
    #[must_use]
    pub const fn identity(&self) -> Identity<'_> {
        Identity {
            time: self.time,
            code: self.code,
            value: &self.value,
            sequence: self.sequence,
            unit: &self.unit,
        }
    }

    /// The value in millionths of the canonical unit; `None` where this version does not convert
    /// the unit or the value is out of its type's range. Every reading accepted here has one;
    /// another clinic's may have been accepted by a newer version.
    #[must_use]
    pub fn canonical_micro(&self) -> Option<i64> {
        canonical_micro(self.code, &self.value, Conversion::of(self.code, &self.unit)?)
    }

    /// Whether it was older than [`LATE_AFTER_SECONDS`] at receipt.
    #[must_use]
    pub const fn late(&self) -> bool {
        is_late(self.time, self.received)
    }

    /// The reading as rules see it; `None` as for [`canonical_micro`](Self::canonical_micro).
    #[must_use]
    pub fn into_reading(self, patient: PatientId) -> Option<Reading> {
        Some(Reading {
            patient,
            canonical_micro: self.canonical_micro()?,
            late: self.late(),
            code: self.code,
            unit: self.unit,
            time: self.time,
            value: self.value,
            sequence: self.sequence,
            received: self.received,
        })
    }
}

/// Whether a reading of `time` that arrived at `received` is late.
#[must_use]
pub const fn is_late(time: Timestamp, received: Timestamp) -> bool {
    received.nanos().saturating_sub(time.nanos()) > LATE_AFTER_SECONDS * 1_000_000_000
}

/// The canonical value, if it is a possible one.
#[must_use]
pub fn canonical_micro(code: LoincCode, value: &SentValue, conversion: Conversion) -> Option<i64> {
    let micro = value.to_micro(conversion)?;
    let possible = VitalKind::of(code).is_none_or(|kind| kind.range().contains(micro));
    possible.then_some(micro)
}

impl ReadingKey {
    /// The key of what `device` said about `patient`.
    ///
    /// Hashed are a prefix with a version, then the fields in a fixed order, texts with their
    /// length in front, numbers little-endian. This order never changes.
    #[must_use]
    pub fn of(device: &DeviceName, patient: PatientId, identity: Identity<'_>) -> Self {
        let value = identity.value.to_string();
        let mut hash = blake3::Hasher::new();
        hash.update(b"cairn/reading/1\0");
        for text in [device.as_str(), identity.unit.as_str(), &value] {
            // Names have at most 64 bytes, units and values 32.
            hash.update(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
            hash.update(text.as_bytes());
        }
        hash.update(&patient.bytes());
        hash.update(&identity.code.number().to_le_bytes());
        hash.update(&identity.time.nanos().to_le_bytes());
        if let Some(sequence) = identity.sequence {
            hash.update(&sequence.to_le_bytes());
        }
        let mut key = [0; 16];
        hash.finalize_xof().fill(&mut key);
        Self(key)
    }

    /// The sixteen bytes, as they stand in tables and facts.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// Reads what [`bytes`](Self::bytes) gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Reading {
    /// The value stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("code", &self.code).finish_non_exhaustive()
    }
}

impl fmt::Debug for SealedReading {
    /// The value stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedReading").field("code", &self.code).finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity<'_> {
    /// The value stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("code", &self.code).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn reading(edit: impl FnOnce(&mut Reading)) -> Reading {
        let mut reading = SealedReading {
            code: "8310-5".parse().unwrap(),
            unit: UnitText::new("[degF]").unwrap(),
            time: "2026-06-12T17:22:00Z".parse().unwrap(),
            value: SentValue::parse("100.4").unwrap(),
            sequence: None,
            received: "2026-06-12T17:22:01Z".parse().unwrap(),
        }
        .into_reading(PatientId::from_bytes([1; 16]))
        .unwrap();
        edit(&mut reading);
        reading
    }

    #[test]
    fn every_part_of_the_identity_changes_the_key_and_nothing_else_does() {
        let device: DeviceName = "ward-06-mon".parse().unwrap();
        let same = reading(|reading| {
            reading.received = Timestamp::default();
            reading.late = true;
            reading.canonical_micro = 0;
        });
        let first = reading(|_| ()).key(&device);
        assert_eq!(same.key(&device), first);
        let others = [
            first,
            reading(|_| ()).key(&"ward-07-mon".parse().unwrap()),
            reading(|reading| reading.patient = PatientId::from_bytes([2; 16])).key(&device),
            reading(|reading| reading.code = "8867-4".parse().unwrap()).key(&device),
            reading(|reading| reading.unit = UnitText::new("Cel").unwrap()).key(&device),
            reading(|reading| reading.time = Timestamp::default()).key(&device),
            reading(|reading| reading.value = SentValue::parse("100.40").unwrap()).key(&device),
            reading(|reading| reading.sequence = Some(0)).key(&device),
            reading(|reading| reading.sequence = Some(1)).key(&device),
        ];
        assert_eq!(BTreeSet::from(others).len(), others.len());
    }

    /// Keys are in facts of other nodes, so this one must come out the same for ever.
    #[test]
    fn the_key_of_a_known_reading_does_not_change() {
        let key = reading(|_| ()).key(&"ward-06-mon".parse().unwrap());
        let shown: String = key.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, "fbb4d9c6a1af394c1b0cbde364575877");
    }

    #[test]
    fn a_reading_is_late_after_a_quarter_of_an_hour() {
        let time = Timestamp::from_millis(0);
        let end = time.plus_seconds(LATE_AFTER_SECONDS);
        assert!(!is_late(time, end));
        assert!(is_late(time, Timestamp::from_nanos(end.nanos() + 1)));
        assert!(!is_late(time.plus_seconds(60), time));
    }

    #[test]
    fn what_is_kept_gives_the_reading_again() {
        let reading = reading(|_| ());
        assert_eq!(reading.canonical_micro, 38_000_000);
        assert!(reading.sealed().into_reading(reading.patient).unwrap() == reading);
    }

    #[test]
    fn debug_output_holds_no_value() {
        let reading = reading(|_| ());
        let shown = format!("{reading:?} {:?} {:?}", reading.sealed(), reading.identity());
        assert!(!shown.contains("100") && !shown.contains("38"), "{shown}");
    }
}
