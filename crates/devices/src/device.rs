//! One device of the registry.

use vocab::{DeviceName, Timestamp};

/// A device's number at this clinic; never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNo(i64);

impl DeviceNo {
    /// Takes a number that was read from a table.
    #[must_use]
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// The number, as tables keep it.
    #[must_use]
    pub const fn raw(self) -> i64 {
        self.0
    }
}

/// What a device is. Numbers are in the registry and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DeviceKind {
    /// Measures glucose in a drop of blood.
    GlucoseMonitor = 1,
    /// Measures blood pressure.
    BpMonitor = 2,
    /// Measures oxygen saturation at a finger.
    PulseOximeter = 3,
    /// Records an electrocardiogram.
    EcgMonitor = 4,
    /// Measures temperature.
    Thermometer = 5,
    /// A watch.
    Smartwatch = 6,
    /// A band that counts steps and pulse.
    FitnessTracker = 7,
    /// Measures glucose all the time, under the skin.
    Cgm = 8,
    /// Measures heart rate.
    HeartRateMonitor = 9,
    /// Weighs.
    WeighingScale = 10,
    /// Anything else: a bedside monitor of many signals, an analyser, a gateway.
    Other = 11,
}

impl DeviceKind {
    /// Every kind, by number.
    pub const ALL: [Self; 11] = [
        Self::GlucoseMonitor,
        Self::BpMonitor,
        Self::PulseOximeter,
        Self::EcgMonitor,
        Self::Thermometer,
        Self::Smartwatch,
        Self::FitnessTracker,
        Self::Cgm,
        Self::HeartRateMonitor,
        Self::WeighingScale,
        Self::Other,
    ];

    /// The number in the registry.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The word used on the command line and in lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GlucoseMonitor => "glucose_monitor",
            Self::BpMonitor => "bp_monitor",
            Self::PulseOximeter => "pulse_oximeter",
            Self::EcgMonitor => "ecg_monitor",
            Self::Thermometer => "thermometer",
            Self::Smartwatch => "smartwatch",
            Self::FitnessTracker => "fitness_tracker",
            Self::Cgm => "cgm",
            Self::HeartRateMonitor => "heart_rate_monitor",
            Self::WeighingScale => "weighing_scale",
            Self::Other => "other",
        }
    }

    /// The kind with this [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A device as the registry lists it; its key is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number here.
    pub no: DeviceNo,
    /// Its name here.
    pub name: DeviceName,
    /// What it is.
    pub kind: DeviceKind,
    /// When it was added.
    pub added_at: Timestamp,
    /// When its key was last made.
    pub keyed_at: Timestamp,
    /// When it was last heard, to within
    /// [`SEEN_STEP_SECONDS`](crate::store::SEEN_STEP_SECONDS); `None` if never.
    pub seen_at: Option<Timestamp>,
    /// When it was shut out; `None` while it may send.
    pub revoked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_their_kind() {
        for kind in DeviceKind::ALL {
            assert_eq!(DeviceKind::from_number(kind.number()), Some(kind));
            assert_eq!(DeviceKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(DeviceKind::from_number(0), None);
        assert_eq!(DeviceKind::from_number(12), None);
        assert_eq!(DeviceKind::from_name("toaster"), None);
    }
}
