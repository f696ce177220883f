//! The fourteen vital types that rules and charts know: their codes, units and possible values.
//!
//! Anything else with a LOINC code is kept as it was sent, without a range and without rules.

use crate::code::LoincCode;

/// A vital type. The number is on the wire and in tables; it never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum VitalKind {
    /// Beats of the heart per minute.
    HeartRate = 1,
    /// Systolic blood pressure.
    BpSystolic = 2,
    /// Diastolic blood pressure.
    BpDiastolic = 3,
    /// Oxygen saturation.
    Spo2 = 4,
    /// Body temperature.
    Temperature = 5,
    /// Glucose in blood, serum or plasma.
    Glucose = 6,
    /// Breaths per minute.
    RespiratoryRate = 7,
    /// Body weight.
    Weight = 8,
    /// Body height or length.
    Height = 9,
    /// Body mass index as a device computed it; charts derive their own from weight and height.
    Bmi = 10,
    /// One value of an electrocardiogram. Curves are not readings and do not come this way.
    Ecg = 11,
    /// Steps per day.
    Steps = 12,
    /// Duration of sleep.
    SleepHours = 13,
    /// Energy spent.
    Calories = 14,
}

/// Possible values, both ends included, in millionths of the canonical unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The smallest possible value.
    pub min_micro: i64,
    /// The largest possible value.
    pub max_micro: i64,
}

impl Range {
    const fn of_units(min: i64, max: i64) -> Self {
        Self { min_micro: min * 1_000_000, max_micro: max * 1_000_000 }
    }

    /// Whether a living person can show this value.
    #[must_use]
    pub const fn contains(self, micro: i64) -> bool {
        micro >= self.min_micro && micro <= self.max_micro
    }
}

impl VitalKind {
    /// Every vital type, by number.
    pub const ALL: [Self; 14] = [
        Self::HeartRate,
        Self::BpSystolic,
        Self::BpDiastolic,
        Self::Spo2,
        Self::Temperature,
        Self::Glucose,
        Self::RespiratoryRate,
        Self::Weight,
        Self::Height,
        Self::Bmi,
        Self::Ecg,
        Self::Steps,
        Self::SleepHours,
        Self::Calories,
    ];

    /// The vital type that a code measures; `None` for every other code.
    ///
    /// Source: the product's table of vital types. Codes are written without their check digit
    /// here; [`loinc`](Self::loinc) spells them out and a test compares the two.
    #[must_use]
    pub const fn of(code: LoincCode) -> Option<Self> {
        Some(match code.number() {
            8867 | 8889 => Self::HeartRate,
            8480 => Self::BpSystolic,
            8462 => Self::BpDiastolic,
            59408 | 2708 => Self::Spo2,
            8310 => Self::Temperature,
            2339 | 2345 | 15074 => Self::Glucose,
            9279 => Self::RespiratoryRate,
            29463 => Self::Weight,
            8302 => Self::Height,
            39156 => Self::Bmi,
            11524 => Self::Ecg,
            55423 => Self::Steps,
            93832 => Self::SleepHours,
            41981 => Self::Calories,
            _ => return None,
        })
    }

    /// The codes that measure this, the most common first.
    #[must_use]
    pub const fn loinc(self) -> &'static [&'static str] {
        match self {
            Self::HeartRate => &["8867-4", "8889-8"],
            Self::BpSystolic => &["8480-6"],
            Self::BpDiastolic => &["8462-4"],
            Self::Spo2 => &["59408-5", "2708-6"],
            Self::Temperature => &["8310-5"],
            Self::Glucose => &["2339-0", "2345-7", "15074-8"],
            Self::RespiratoryRate => &["9279-1"],
            Self::Weight => &["29463-7"],
            Self::Height => &["8302-2"],
            Self::Bmi => &["39156-5"],
            Self::Ecg => &["11524-6"],
            Self::Steps => &["55423-8"],
            Self::SleepHours => &["93832-4"],
            Self::Calories => &["41981-2"],
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The vital type with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The word used in the HTTP interface and on pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeartRate => "heart_rate",
            Self::BpSystolic => "bp_systolic",
            Self::BpDiastolic => "bp_diastolic",
            Self::Spo2 => "spo2",
            Self::Temperature => "temperature",
            Self::Glucose => "glucose",
            Self::RespiratoryRate => "respiratory_rate",
            Self::Weight => "weight",
            Self::Height => "height",
            Self::Bmi => "bmi",
            Self::Ecg => "ecg",
            Self::Steps => "steps",
            Self::SleepHours => "sleep_hours",
            Self::Calories => "calories",
        }
    }

    /// The UCUM unit of canonical values: what rules compare and charts draw.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::HeartRate | Self::RespiratoryRate => "/min",
            Self::BpSystolic | Self::BpDiastolic => "mm[Hg]",
            Self::Spo2 => "%",
            Self::Temperature => "Cel",
            Self::Glucose => "mg/dL",
            Self::Weight => "kg",
            Self::Height => "cm",
            Self::Bmi => "kg/m2",
            Self::Ecg => "mV",
            Self::Steps => "/d",
            Self::SleepHours => "h",
            Self::Calories => "kcal",
        }
    }

    /// What a living person can show. Outside of it a sensor fell off, a unit was mistaken or a
    /// zero stands for "nothing measured"; such a reading is kept aside and never judged by rules.
    ///
    /// The bounds are records of medical literature, widened a little: a reading that is only
    /// unlikely must reach the rules.
    #[must_use]
    pub const fn range(self) -> Range {
        match self {
            // Survived bradycardia goes to about 10, neonatal tachycardia to about 300.
            Self::HeartRate => Range::of_units(10, 350),
            // MacDougall et al. 1985 (J Appl Physiol 58:785) measured 480/350 in heavy lifting;
            // in deep shock an arterial line shows 20 and less.
            Self::BpSystolic => Range::of_units(10, 480),
            Self::BpDiastolic => Range::of_units(1, 350),
            // An oximeter off the finger reads 0; a share cannot pass 100.
            Self::Spo2 => Range::of_units(1, 100),
            // Survived hypothermia: 11.8 Cel (2014); survived heat stroke: 46.5 Cel (1980).
            Self::Temperature => Range::of_units(10, 47),
            // Survived: below 10 mg/dL and 2,656 mg/dL (2008).
            Self::Glucose => Range::of_units(1, 3_000),
            // Apnoea is 0 and real; a newborn in distress passes 100.
            Self::RespiratoryRate => Range::of_units(0, 200),
            // The lightest surviving newborn had 0.212 kg (2021), the heaviest adult 635 kg.
            Self::Weight => Range { min_micro: 200_000, max_micro: 700_000_000 },
            // The shortest surviving newborns have about 22 cm; the tallest adult had 272 cm.
            Self::Height => Range::of_units(20, 280),
            // 0.2 kg at 30 cm gives 2.2; the highest recorded index is 204.
            Self::Bmi => Range::of_units(2, 250),
            // IEC 60601-2-27 asks electrocardiographs for 5 mV either way; doubled.
            Self::Ecg => Range::of_units(-10, 10),
            // The farthest day's run, 319 km (2022), has about 300,000 steps.
            Self::Steps => Range::of_units(0, 400_000),
            // Of one day.
            Self::SleepHours => Range::of_units(0, 24),
            // Riders of the longest races spend about 17,000 kcal a day.
            Self::Calories => Range::of_units(0, 25_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_numbers_and_names_lead_back_to_their_kind() {
        for kind in VitalKind::ALL {
            assert_eq!(VitalKind::from_number(kind.number()), Some(kind));
            assert!(!kind.loinc().is_empty());
            for code in kind.loinc() {
                assert_eq!(VitalKind::of(code.parse().unwrap()), Some(kind), "{code}");
            }
        }
        let known: usize = VitalKind::ALL.iter().map(|kind| kind.loinc().len()).sum();
        let found = (1..100_000).filter_map(LoincCode::from_number).filter_map(VitalKind::of);
        assert_eq!(found.count(), known);
        assert_eq!(VitalKind::from_number(0), None);
        assert_eq!(VitalKind::from_number(15), None);
    }

    #[test]
    fn zeros_that_mean_nothing_was_measured_are_impossible() {
        check(VitalKind::HeartRate, 0, false);
        check(VitalKind::BpSystolic, 0, false);
        check(VitalKind::BpDiastolic, 0, false);
        check(VitalKind::Spo2, 0, false);
        check(VitalKind::Weight, 0, false);
        check(VitalKind::Temperature, -17_800_000, false);
        check(VitalKind::RespiratoryRate, 0, true);
        check(VitalKind::Steps, 0, true);
    }

    #[test]
    fn what_is_only_unlikely_is_possible() {
        check(VitalKind::HeartRate, 20_000_000, true);
        check(VitalKind::HeartRate, 300_000_000, true);
        check(VitalKind::Temperature, 25_000_000, true);
        check(VitalKind::Temperature, 45_000_000, true);
        check(VitalKind::Spo2, 40_000_000, true);
        check(VitalKind::Glucose, 40_000_000, true);
        check(VitalKind::BpSystolic, 300_000_000, true);
    }

    #[test]
    fn both_ends_of_every_range_are_possible_and_their_neighbours_are_not() {
        for kind in VitalKind::ALL {
            let range = kind.range();
            check(kind, range.min_micro, true);
            check(kind, range.min_micro - 1, false);
            check(kind, range.max_micro, true);
            check(kind, range.max_micro + 1, false);
        }
    }

    #[track_caller]
    fn check(kind: VitalKind, micro: i64, possible: bool) {
        assert_eq!(kind.range().contains(micro), possible, "{kind:?} {micro}");
    }
}
