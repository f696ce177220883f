//! The alerts of one batch and one patient as bytes: what a clinic signs and every node keeps.
//!
//! Alerts of one kind share an entry of a dictionary, times and counts are written as differences
//! to the alert before, so an alert takes about ten bytes. One meaning has one written form;
//! whatever does not write back to the very bytes it was read from is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vitals::batch::BATCH_READINGS_MAX;
use vitals::code::LoincCode;
use vitals::unit_text::{UNIT_BYTES_MAX, UnitText};
use vitals::value::{SentValue, VALUE_BYTES_MAX};
use vocab::slug::SLUG_BYTES_MAX;
use vocab::{DeviceName, Timestamp};

use crate::alert::Alert;
use crate::rules::{Raised, RuleNo};
use crate::severity::{Direction, Severity};

/// The written form of this version, the first byte of every fact.
const VERSION: u8 = 1;

/// Alerts in one fact: a reading raises one at most, and a batch has no more readings.
pub const ALERTS_MAX: usize = BATCH_READINGS_MAX;

/// Longest fact in bytes, if every alert were of a kind of its own: 505,076, rounded up to 512 KiB,
/// half of what one entry may carry.
pub const FACT_BYTES_MAX: usize = 512 * 1_024;
/// Version, device with its length, rules version, step and two counts.
const HEAD_BYTES_MAX: usize = 1 + (SLUG_BYTES_MAX + 1) + 3 + 1 + 2 * 3;
/// Code, unit with its length, rule, severity and direction.
const KIND_BYTES_MAX: usize = 4 + (UNIT_BYTES_MAX + 1) + 3 + 2;
/// Kind, late, time, count, and a value with its tag and length.
const ALERT_BYTES_MAX: usize = 3 + 1 + 10 + 11 + (VALUE_BYTES_MAX + 2);
const _: () = assert!(
    HEAD_BYTES_MAX + ALERTS_MAX * (KIND_BYTES_MAX + ALERT_BYTES_MAX) <= FACT_BYTES_MAX,
    "a full fact has to fit"
);

/// Lengths of time that all times of a fact may be whole multiples of, in nanoseconds: minutes,
/// seconds, milliseconds, single nanoseconds. The first that fits is used.
const STEPS_NS: [i64; 4] = [60_000_000_000, 1_000_000_000, 1_000_000, 1];

/// What one batch of one device raised for one patient. The patient is the stream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertsRaised {
    /// The device that sent the readings.
    pub device: DeviceName,
    /// The version of the rules that judged them.
    pub rules_version: u16,
    /// The alerts in the order of their readings: 1 to [`ALERTS_MAX`].
    pub alerts: Vec<Alert>,
}

/// Why a payload holds no alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFact {
    /// More than [`FACT_BYTES_MAX`] bytes or [`ALERTS_MAX`] alerts.
    #[error("the alerts are longer than {FACT_BYTES_MAX} bytes or more than {ALERTS_MAX}")]
    TooLong,
    /// Written by a newer program.
    #[error("the alerts have version {0}, which this program does not know")]
    Version(u8),
    /// The bytes cannot be read.
    #[error("the alerts cannot be read")]
    Malformed,
    /// There is no alert in it.
    #[error("there is no alert in it")]
    Empty,
    /// The bytes can be read but are not the one form of what they say.
    #[error("the alerts are not written in their one form")]
    NotCanonical,
}

#[derive(Serialize, Deserialize)]
struct FactWire {
    device: String,
    rules_version: u16,
    kinds: Vec<KindWire>,
    /// Index into [`STEPS_NS`].
    step: u8,
    alerts: Vec<AlertWire>,
}

/// What alerts of one kind have in common. Kinds stand in the order of their first alert.
#[derive(Clone, Serialize, Deserialize)]
struct KindWire {
    code: u32,
    unit: String,
    rule: u16,
    severity: u8,
    direction: u8,
}

#[derive(Serialize, Deserialize)]
struct AlertWire {
    kind: u16,
    late: bool,
    /// Steps since the alert before, wrapping; the first since 1970.
    time: i64,
    /// The count minus the last count before, wrapping.
    sequence: Option<i64>,
    value: ValueWire,
}

#[derive(Serialize, Deserialize)]
enum ValueWire {
    /// Mantissa and scale.
    Plain(i64, u8),
    Text(String),
}

impl AlertsRaised {
    /// Whether somebody must come now because of one of these.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.alerts.iter().any(Alert::is_urgent)
    }

    /// Whether all of these are history: their readings came late.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.alerts.iter().all(|alert| alert.late)
    }

    /// The canonical bytes, at most [`FACT_BYTES_MAX`] for at most [`ALERTS_MAX`] alerts.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let step = self.step();
        let step_ns = STEPS_NS.get(usize::from(step)).copied().unwrap_or(1);
        let (mut kinds, mut places) = (Vec::new(), BTreeMap::new());
        let (mut last_time, mut last_sequence) = (0_i64, 0_u64);
        let alerts = self.alerts.iter().map(|alert| {
            let kind = *places.entry((alert.code, alert.unit, alert.raised)).or_insert_with(|| {
                kinds.push(kind_wire(alert));
                kinds.len() - 1
            });
            let time = alert.time.nanos() / step_ns;
            let wire = AlertWire {
                kind: u16::try_from(kind).unwrap_or(u16::MAX),
                late: alert.late,
                time: time.wrapping_sub(last_time),
                sequence: alert.sequence.map(|n| n.wrapping_sub(last_sequence).cast_signed()),
                value: value_wire(&alert.value),
            };
            last_time = time;
            last_sequence = alert.sequence.unwrap_or(last_sequence);
            wire
        });
        let alerts = alerts.collect();
        let device = self.device.as_str().to_owned();
        write(&FactWire { device, rules_version: self.rules_version, kinds, step, alerts })
    }

    fn step(&self) -> u8 {
        let fits = |step_ns: &i64| self.alerts.iter().all(|a| a.time.nanos() % step_ns == 0);
        let first = STEPS_NS.iter().position(fits).unwrap_or(STEPS_NS.len() - 1);
        u8::try_from(first).unwrap_or_default()
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`BadFact`]; nothing of a payload that is not understood whole counts.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadFact> {
        if bytes.len() > FACT_BYTES_MAX {
            return Err(BadFact::TooLong);
        }
        let (version, body) = bytes.split_first().ok_or(BadFact::Malformed)?;
        if *version != VERSION {
            return Err(BadFact::Version(*version));
        }
        let wire: FactWire = postcard::from_bytes(body).map_err(|_| BadFact::Malformed)?;
        let fact = read(wire)?;
        if fact.to_bytes() != bytes {
            return Err(BadFact::NotCanonical);
        }
        Ok(fact)
    }
}

fn kind_wire(alert: &Alert) -> KindWire {
    KindWire {
        code: alert.code.number(),
        unit: alert.unit.as_str().to_owned(),
        rule: alert.raised.rule.number(),
        severity: alert.raised.severity.number(),
        direction: alert.raised.direction.number(),
    }
}

fn value_wire(value: &SentValue) -> ValueWire {
    match value.plain() {
        Some((mantissa, scale)) => ValueWire::Plain(mantissa, scale),
        None => ValueWire::Text(value.to_string()),
    }
}

/// Writing into memory cannot fail: postcard refuses a full buffer and a sequence of unknown length,
/// and neither exists here. An empty result would be refused by every reader.
fn write(wire: &FactWire) -> Vec<u8> {
    let written = postcard::to_extend(wire, vec![VERSION]);
    debug_assert!(written.is_ok(), "writing into memory failed");
    written.unwrap_or_default()
}

/// A kind of alerts, read.
struct Kind {
    code: LoincCode,
    unit: UnitText,
    raised: Raised,
}

fn read(wire: FactWire) -> Result<AlertsRaised, BadFact> {
    if wire.alerts.is_empty() {
        return Err(BadFact::Empty);
    }
    if wire.alerts.len() > ALERTS_MAX {
        return Err(BadFact::TooLong);
    }
    let device = wire.device.parse().map_err(|_| BadFact::Malformed)?;
    let step_ns = STEPS_NS.get(usize::from(wire.step)).copied().ok_or(BadFact::Malformed)?;
    let kinds: Vec<_> =
        wire.kinds.iter().map(read_kind).collect::<Option<_>>().ok_or(BadFact::Malformed)?;
    let (mut time, mut sequence) = (0_i64, 0_u64);
    let mut alerts = Vec::with_capacity(wire.alerts.len());
    for alert in wire.alerts {
        let kind = kinds.get(usize::from(alert.kind)).ok_or(BadFact::Malformed)?;
        time = time.wrapping_add(alert.time);
        let nanos = time.checked_mul(step_ns).ok_or(BadFact::Malformed)?;
        let counted = alert.sequence.map(|n| sequence.wrapping_add(n.cast_unsigned()));
        sequence = counted.unwrap_or(sequence);
        alerts.push(Alert {
            raised: kind.raised,
            code: kind.code,
            unit: kind.unit,
            time: Timestamp::from_nanos(nanos),
            value: read_value(&alert.value).ok_or(BadFact::Malformed)?,
            sequence: counted,
            late: alert.late,
        });
    }
    Ok(AlertsRaised { device, rules_version: wire.rules_version, alerts })
}

fn read_kind(wire: &KindWire) -> Option<Kind> {
    let raised = Raised {
        rule: RuleNo::from_number(wire.rule),
        severity: Severity::from_number(wire.severity)?,
        direction: Direction::from_number(wire.direction)?,
    };
    let unit = UnitText::new(&wire.unit).ok()?;
    Some(Kind { code: LoincCode::from_number(wire.code)?, unit, raised })
}

fn read_value(wire: &ValueWire) -> Option<SentValue> {
    match wire {
        ValueWire::Plain(mantissa, scale) => SentValue::from_plain(*mantissa, *scale),
        ValueWire::Text(text) => SentValue::parse(text).ok(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
