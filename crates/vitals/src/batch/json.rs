//! Reads the JSON of a batch straight into its types, without a tree of values in between.
//!
//! A field of the wrong type must cost its reading and not the batch, so the fields of a reading
//! take any value and remember whether it was one they can use.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use vocab::PatientRef;

use super::lenient::{Count, CountSeed, Field, Skip, TextSeed, deeper, everything_else, nesting};
use super::{BATCH_READINGS_MAX, Batch, BatchError, Candidate, JSON_DEPTH_MAX};
use crate::reason::Reason;
use crate::unit_text::UnitText;
use crate::value::SentValue;

pub(super) fn parse(body: &[u8]) -> Result<Batch, BatchError> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let mut patients = Patients::default();
    let read = BodySeed(&mut patients).deserialize(&mut json);
    let raw = read.and_then(|raw| json.end().map(|()| raw)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => BatchError::Shape { line, column },
            Category::Syntax | Category::Eof | Category::Io => BatchError::Syntax { line, column },
        }
    })?;
    let id = match raw.id {
        None | Some(Field::Absent) => return Err(BatchError::NoBatchId),
        Some(Field::Text(id)) => id.parse().map_err(|_| BatchError::BadBatchId)?,
        Some(Field::Wrong) => return Err(BatchError::BadBatchId),
    };
    match raw.count {
        0 => Err(BatchError::Empty),
        1..=BATCH_READINGS_MAX => Ok(Batch { id, patients: patients.list, readings: raw.readings }),
        _ => Err(BatchError::TooMany),
    }
}

/// Where the first byte lies that is no text.
fn not_utf8(body: &[u8], at: usize) -> BatchError {
    let before = body.get(..at).unwrap_or_default();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    BatchError::Syntax {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: at - line_start + 1,
    }
}

struct Body<'de> {
    id: Option<Field<'de>>,
    readings: Vec<Result<Candidate, Reason>>,
    count: usize,
}

/// Patients met so far, each once. Almost every reading is about the same one as the one before.
#[derive(Default)]
struct Patients<'de> {
    list: Vec<PatientRef>,
    last: Option<(Cow<'de, str>, u16)>,
    places: HashMap<Cow<'de, str>, u16>,
}

impl<'de> Patients<'de> {
    fn place(&mut self, text: Cow<'de, str>) -> Result<u16, Reason> {
        if let Some((last, place)) = &self.last
            && *last == text
        {
            return Ok(*place);
        }
        let place = if let Some(place) = self.places.get(&text) {
            *place
        } else {
            let patient: PatientRef = text.parse().map_err(|_| Reason::BadPatient)?;
            // At most one patient per reading, so the count stays below 2^16.
            let place = u16::try_from(self.list.len()).map_err(|_| Reason::BadPatient)?;
            self.list.push(patient);
            self.places.insert(text.clone(), place);
            place
        };
        self.last = Some((text, place));
        Ok(place)
    }
}

enum BodyKey {
    BatchId,
    Readings,
    Other,
}

enum ReadingKey {
    Patient,
    Code,
    Unit,
    Time,
    Value,
    Sequence,
    Other,
}

/// Gives a key type its names; serde's derive would refuse unknown keys or copy them.
macro_rules! keys {
    ($type:ident, $($name:literal => $key:ident),+) => {
        impl<'de> de::Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
                struct Names;
                impl Visitor<'_> for Names {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a key")
                    }

                    fn visit_str<E>(self, name: &str) -> Result<$type, E> {
                        Ok(match name {
                            $($name => $type::$key,)+
                            _ => $type::Other,
                        })
                    }
                }
                json.deserialize_identifier(Names)
            }
        }
    };
}

keys!(BodyKey, "batch_id" => BatchId, "readings" => Readings);
keys!(ReadingKey, "patient" => Patient, "code" => Code, "unit" => Unit, "time" => Time,
      "value" => Value, "sequence" => Sequence);

fn repeated<E: de::Error>() -> E {
    E::custom("a key stands twice")
}

struct BodySeed<'p, 'de>(&'p mut Patients<'de>);

impl<'de> DeserializeSeed<'de> for BodySeed<'_, 'de> {
    type Value = Body<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Body<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_, 'de> {
    type Value = Body<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'de>, A::Error> {
        let mut body = Body { id: None, readings: Vec::new(), count: 0 };
        let mut read = false;
        while let Some(key) = map.next_key()? {
            match key {
                BodyKey::BatchId if body.id.is_some() => return Err(repeated()),
                BodyKey::BatchId => body.id = Some(map.next_value_seed(TextSeed { depth: 2 })?),
                BodyKey::Readings if read => return Err(repeated()),
                BodyKey::Readings => {
                    read = true;
                    let seed = ReadingsSeed(&mut *self.0);
                    (body.readings, body.count) = map.next_value_seed(seed)?;
                }
                BodyKey::Other => map.next_value_seed(Skip { depth: 2 })?,
            }
        }
        Ok(body)
    }
}

struct ReadingsSeed<'p, 'de>(&'p mut Patients<'de>);

impl<'de> DeserializeSeed<'de> for ReadingsSeed<'_, 'de> {
    type Value = (Vec<Result<Candidate, Reason>>, usize);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ReadingsSeed<'_, 'de> {
    type Value = (Vec<Result<Candidate, Reason>>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of readings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut readings = Vec::with_capacity(128);
        while readings.len() < BATCH_READINGS_MAX {
            match seq.next_element_seed(ReadingSeed(&mut *self.0))? {
                Some(reading) => readings.push(reading),
                None => {
                    let count = readings.len();
                    return Ok((readings, count));
                }
            }
        }
        // Full. What follows is only counted, so that a syntax error is still told from too many.
        let mut count = readings.len();
        while seq.next_element_seed(Skip { depth: 3 })?.is_some() {
            count += 1;
        }
        Ok((readings, count))
    }
}

struct ReadingSeed<'p, 'de>(&'p mut Patients<'de>);

impl<'de> DeserializeSeed<'de> for ReadingSeed<'_, 'de> {
    type Value = Result<Candidate, Reason>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ReadingSeed<'_, 'de> {
    type Value = Result<Candidate, Reason>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reading")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut raw = RawReading::default();
        while let Some(key) = map.next_key()? {
            let place = match key {
                ReadingKey::Patient => &mut raw.patient,
                ReadingKey::Code => &mut raw.code,
                ReadingKey::Unit => &mut raw.unit,
                ReadingKey::Time => &mut raw.time,
                ReadingKey::Value => {
                    let value: &'de RawValue = map.next_value()?;
                    if nesting(value.get()) > JSON_DEPTH_MAX - 3 {
                        return Err(de::Error::custom("nested too deeply"));
                    }
                    if raw.value.replace(value).is_some() {
                        return Err(repeated());
                    }
                    continue;
                }
                ReadingKey::Sequence => {
                    if raw.sequence.replace(map.next_value_seed(CountSeed)?).is_some() {
                        return Err(repeated());
                    }
                    continue;
                }
                ReadingKey::Other => {
                    map.next_value_seed(Skip { depth: 4 })?;
                    continue;
                }
            };
            if place.replace(map.next_value_seed(TextSeed { depth: 4 })?).is_some() {
                return Err(repeated());
            }
        }
        Ok(raw.read(self.0))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Err(Reason::NotAnObject))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Err(Reason::NotAnObject))
    }

    everything_else!(Err(Reason::NotAnObject), |_: &Self| 3,
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

/// The fields of one reading as they were found.
#[derive(Default)]
struct RawReading<'de> {
    patient: Option<Field<'de>>,
    code: Option<Field<'de>>,
    unit: Option<Field<'de>>,
    time: Option<Field<'de>>,
    value: Option<&'de RawValue>,
    sequence: Option<Count>,
}

impl<'de> RawReading<'de> {
    /// Reads the fields in the order of the documentation; the first that fails gives the reason.
    fn read(self, patients: &mut Patients<'de>) -> Result<Candidate, Reason> {
        let text = |field: Option<Field<'de>>| match field {
            None | Some(Field::Absent) => Err(Reason::MissingField),
            Some(Field::Wrong) => Err(Reason::WrongType),
            Some(Field::Text(text)) => Ok(text),
        };
        let (patient, code) = (text(self.patient)?, text(self.code)?);
        let (unit, time) = (text(self.unit)?, text(self.time)?);
        let value = self.value.ok_or(Reason::MissingField)?;
        Ok(Candidate {
            patient: patients.place(patient)?,
            code: code.parse().map_err(|_| Reason::BadCode)?,
            unit: UnitText::new(&unit).map_err(|_| Reason::BadUnit)?,
            time: time.parse().map_err(|_| Reason::BadTime)?,
            value: number(value.get()).ok_or(Reason::BadValue)?,
            sequence: match self.sequence {
                None | Some(Count::Absent) => None,
                Some(Count::Number(number)) => Some(number),
                Some(Count::Wrong) => return Err(Reason::BadSequence),
            },
        })
    }
}

/// A JSON number, or a JSON text that holds one.
fn number(json: &str) -> Option<SentValue> {
    let Some(text) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return SentValue::parse(json).ok();
    };
    if text.contains('\\') {
        let unescaped: String = serde_json::from_str(json).ok()?;
        return SentValue::parse(&unescaped).ok();
    }
    SentValue::parse(text).ok()
}
