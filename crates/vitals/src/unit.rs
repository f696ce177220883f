//! From the unit that was sent to the canonical one, exactly or not at all.
//!
//! A unit must be UCUM. For a [`VitalKind`] it must also be one of the units listed here, each with
//! a conversion that is a ratio of whole numbers; nothing is guessed from the value. Any other
//! code keeps the unit it came with. Annotations in braces say nothing about the quantity:
//! `{beats}/min` is `/min`.

use std::collections::HashMap;

use crate::code::LoincCode;
use crate::kind::VitalKind;
use crate::reason::Reason;
use crate::unit_text::UnitText;

/// `canonical = (sent + offset) × numerator / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Added first, in millionths of the unit that was sent.
    pub offset_micro: i64,
    /// At least 1, at most 10^8; see the arithmetic in [`crate::value`].
    pub numerator: i64,
    /// At least 1.
    pub denominator: i64,
}

impl Conversion {
    /// The canonical unit is the one that was sent.
    pub const NONE: Self = Self { offset_micro: 0, numerator: 1, denominator: 1 };

    const fn ratio(numerator: i64, denominator: i64) -> Self {
        Self { offset_micro: 0, numerator, denominator }
    }

    /// The conversion for a code and a unit; `None` for a unit that this vital type is not
    /// converted from. That the unit is UCUM at all is [`UnitCache::conversion`]'s check.
    #[must_use]
    pub fn of(code: LoincCode, unit: &UnitText) -> Option<Self> {
        let Some(kind) = VitalKind::of(code) else { return Some(Self::NONE) };
        let sent = unit.as_str();
        if sent == kind.unit() {
            return Some(Self::NONE);
        }
        if sent.contains('{') {
            return convert(kind, &without_annotations(sent));
        }
        convert(kind, sent)
    }
}

/// The units that each vital type is converted from.
fn convert(kind: VitalKind, unit: &str) -> Option<Conversion> {
    use VitalKind as K;
    if unit == kind.unit() {
        return Some(Conversion::NONE);
    }
    Some(match (kind, unit) {
        (K::HeartRate | K::RespiratoryRate, "1/min" | "min-1") => Conversion::NONE,
        (K::Steps, "1/d" | "d-1") => Conversion::NONE,
        // UCUM: a metre of mercury column is 133.322 kPa, so 1 mm[Hg] is 0.133322 kPa.
        (K::BpSystolic | K::BpDiastolic, "kPa") => Conversion::ratio(1_000_000, 133_322),
        (K::Temperature, "[degF]") => {
            Conversion { offset_micro: -32_000_000, numerator: 5, denominator: 9 }
        }
        (K::Temperature, "K") => {
            Conversion { offset_micro: -273_150_000, numerator: 1, denominator: 1 }
        }
        // Molar mass of glucose 180.156 g/mol: 1 mmol/L is 18.0156 mg/dL.
        (K::Glucose, "mmol/L") => Conversion::ratio(180_156, 10_000),
        (K::Weight, "g") => Conversion::ratio(1, 1_000),
        // The international pound is 0.45359237 kg by definition.
        (K::Weight, "[lb_av]") => Conversion::ratio(45_359_237, 100_000_000),
        (K::Height, "m") => Conversion::ratio(100, 1),
        (K::Height, "mm") => Conversion::ratio(1, 10),
        (K::Height, "[in_i]") => Conversion::ratio(254, 100),
        (K::Bmi, "kg.m-2") => Conversion::NONE,
        (K::Ecg, "uV") => Conversion::ratio(1, 1_000),
        (K::SleepHours, "min") => Conversion::ratio(1, 60),
        (K::SleepHours, "s") => Conversion::ratio(1, 3_600),
        // UCUM: the nutrition label's Calorie is the thermochemical kilocalorie, 4.184 kJ.
        (K::Calories, "[Cal]") => Conversion::NONE,
        (K::Calories, "kJ") => Conversion::ratio(1_000, 4_184),
        _ => return None,
    })
}

/// The unit without its annotations; a brace that is not closed stays, and matches nothing.
fn without_annotations(unit: &str) -> String {
    let mut plain = String::with_capacity(unit.len());
    let mut rest = unit;
    while let Some((before, after)) = rest.split_once('{') {
        plain.push_str(before);
        match after.split_once('}') {
            Some((_, behind)) => rest = behind,
            None => {
                plain.push('{');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Units met so far with the answer, because asking UCUM costs more than all the rest of a
/// reading. Only memory: an empty one gives the same answers.
#[derive(Debug, Default)]
pub struct UnitCache(HashMap<(Option<VitalKind>, UnitText), Result<Conversion, Reason>>);

/// Answers kept. A hospital's laboratory and devices use some 60 units; a device that invents new
/// ones empties the cache now and then and fills no memory: 1,024 × about 80 bytes.
const UNITS_KEPT: usize = 1_024;

impl UnitCache {
    /// The conversion for a code and the unit it came with.
    ///
    /// # Errors
    ///
    /// [`Reason::UnknownUnit`] when the unit is not UCUM (`bpm` and `mmHg` are not),
    /// [`Reason::UnitMismatch`] when this vital type is not converted from it.
    pub fn conversion(&mut self, code: LoincCode, unit: &UnitText) -> Result<Conversion, Reason> {
        let kind = VitalKind::of(code);
        if kind.is_some_and(|kind| kind.unit() == unit.as_str()) {
            return Ok(Conversion::NONE);
        }
        if let Some(known) = self.0.get(&(kind, *unit)) {
            return *known;
        }
        let answer = match octofhir_ucum::validate(unit.as_str()) {
            Ok(()) => Conversion::of(code, unit).ok_or(Reason::UnitMismatch),
            Err(_) => Err(Reason::UnknownUnit),
        };
        if self.0.len() >= UNITS_KEPT {
            self.0.clear();
        }
        self.0.insert((kind, *unit), answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::SentValue;

    #[test]
    fn every_canonical_unit_is_ucum() {
        for kind in VitalKind::ALL {
            assert!(octofhir_ucum::validate(kind.unit()).is_ok(), "{kind:?}");
        }
    }

    #[test]
    fn units_of_the_field_are_converted_exactly() {
        check("8867-4", "/min", "72", Ok(72_000_000));
        check("8867-4", "{beats}/min", "72", Ok(72_000_000));
        check("8889-8", "1/min", "72", Ok(72_000_000));
        check("9279-1", "{breaths}/min", "18", Ok(18_000_000));
        check("9279-1", "/min{breaths}", "18", Ok(18_000_000));
        check("8480-6", "mm[Hg]", "120", Ok(120_000_000));
        check("8480-6", "kPa", "16", Ok(120_010_201));
        check("8462-4", "kPa", "13.3322", Ok(100_000_000));
        check("8310-5", "Cel", "36.6", Ok(36_600_000));
        check("8310-5", "[degF]", "100.4", Ok(38_000_000));
        check("8310-5", "K", "311.15", Ok(38_000_000));
        check("2345-7", "mg/dL", "180", Ok(180_000_000));
        check("2345-7", "mmol/L", "10", Ok(180_156_000));
        check("15074-8", "mmol/L", "3.0", Ok(54_046_800));
        check("29463-7", "g", "3250", Ok(3_250_000));
        check("29463-7", "[lb_av]", "100", Ok(45_359_237));
        check("8302-2", "m", "1.75", Ok(175_000_000));
        check("8302-2", "mm", "1750", Ok(175_000_000));
        check("8302-2", "[in_i]", "70", Ok(177_800_000));
        check("59408-5", "%", "97", Ok(97_000_000));
        check("39156-5", "kg/m2", "22.5", Ok(22_500_000));
        check("11524-6", "uV", "1250", Ok(1_250_000));
        check("55423-8", "{steps}/d", "8000", Ok(8_000_000_000));
        check("93832-4", "min", "450", Ok(7_500_000));
        check("41981-2", "kJ", "8368", Ok(2_000_000_000));
        check("41981-2", "[Cal]", "2000", Ok(2_000_000_000));
    }

    #[test]
    fn another_dimension_is_a_mismatch_and_a_vendor_spelling_is_unknown() {
        check("8310-5", "mm[Hg]", "36.6", Err(Reason::UnitMismatch));
        check("2345-7", "g/dL", "1", Err(Reason::UnitMismatch));
        check("8480-6", "/min", "120", Err(Reason::UnitMismatch));
        check("8867-4", "Hz", "1.2", Err(Reason::UnitMismatch));
        check("8310-5", "F", "98.6", Err(Reason::UnitMismatch));
        check("8867-4", "bpm", "72", Err(Reason::UnknownUnit));
        check("8480-6", "mmHg", "120", Err(Reason::UnknownUnit));
        check("8310-5", "°C", "36.6", Err(Reason::UnknownUnit));
        check("2345-7", "MG/DL", "100", Err(Reason::UnknownUnit));
        check("8867-4", "", "72", Err(Reason::UnknownUnit));
        check("8867-4", "{beats/min", "72", Err(Reason::UnknownUnit));
        check("8867-4", "{a{b}}/min", "72", Err(Reason::UnknownUnit));
    }

    #[test]
    fn other_codes_keep_any_unit_of_ucum() {
        check("8478-0", "mm[Hg]", "93", Ok(93_000_000));
        check("8478-0", "kPa", "12.4", Ok(12_400_000));
        check("777-3", "10*3/uL", "250", Ok(250_000_000));
        check("9269-2", "{score}", "15", Ok(15_000_000));
        check("777-3", "K/cumm", "250", Err(Reason::UnknownUnit));
    }

    #[track_caller]
    fn check(code: &str, unit: &str, value: &str, micro: Result<i64, Reason>) {
        let (code, unit) = (code.parse().unwrap(), UnitText::new(unit).unwrap());
        let value = SentValue::parse(value).unwrap();
        let mut cache = UnitCache::default();
        for _ in 0..2 {
            let conversion = cache.conversion(code, &unit);
            assert_eq!(conversion.map(|c| value.to_micro(c).unwrap()), micro, "{code} {unit}");
        }
    }

    proptest! {
        #[test]
        fn any_unit_is_answered_and_always_the_same(texts in proptest::collection::vec("[ -~]{0,32}", 1..40)) {
            let mut cache = UnitCache::default();
            let code = "8867-4".parse().unwrap();
            for text in &texts {
                let unit = UnitText::new(text).unwrap();
                let first = cache.conversion(code, &unit);
                prop_assert_eq!(cache.conversion(code, &unit), first);
                prop_assert_eq!(UnitCache::default().conversion(code, &unit), first);
            }
        }
    }
}
