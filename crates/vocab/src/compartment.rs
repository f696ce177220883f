//! The parts of a patient's record that can be shared, withheld and erased separately.

use serde::{Deserialize, Serialize};

/// One part of a record. The number is on the wire inside every stream id and never changes its
/// meaning; new parts get new numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Compartment {
    /// Name, birth date, sex, the clinic's own numbers, contacts.
    Identity = 1,
    /// Allergies, blood group, critical conditions, current medicines, emergency contacts.
    Lifesaver = 2,
    /// Readings of devices and people.
    Vitals = 3,
    /// Encounters, diagnoses, notes.
    Clinical = 4,
    /// Prescriptions and dispensing.
    Medication = 5,
    /// Orders, specimens, results.
    Laboratory = 6,
    /// Pictures and their reports.
    Imaging = 7,
    /// Pregnancy, birth, the first years.
    MaternalChild = 8,
    /// Sensitive: closed by default.
    MentalHealth = 9,
    /// Sensitive: closed by default.
    SexualReproductive = 10,
    /// Sensitive: closed by default.
    HivSti = 11,
    /// Sensitive: closed by default.
    SubstanceUse = 12,
    /// Sensitive: closed by default.
    Genetic = 13,
    /// Sensitive: closed by default.
    Violence = 14,
    /// Charges, invoices, payments.
    Billing = 15,
    /// Appointments, queue, beds.
    Administrative = 16,
    /// Alerts raised from readings; released together with [`Compartment::Vitals`].
    Alerts = 17,
    /// What the patient allowed; goes to the hub and to the clinic that wrote it only.
    Consent = 18,
}

impl Compartment {
    /// Every compartment, by number.
    pub const ALL: [Self; 18] = [
        Self::Identity,
        Self::Lifesaver,
        Self::Vitals,
        Self::Clinical,
        Self::Medication,
        Self::Laboratory,
        Self::Imaging,
        Self::MaternalChild,
        Self::MentalHealth,
        Self::SexualReproductive,
        Self::HivSti,
        Self::SubstanceUse,
        Self::Genetic,
        Self::Violence,
        Self::Billing,
        Self::Administrative,
        Self::Alerts,
        Self::Consent,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The compartment with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|compartment| compartment.number() == number)
    }

    /// The word used on the command line and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Lifesaver => "lifesaver",
            Self::Vitals => "vitals",
            Self::Clinical => "clinical",
            Self::Medication => "medication",
            Self::Laboratory => "laboratory",
            Self::Imaging => "imaging",
            Self::MaternalChild => "maternal_child",
            Self::MentalHealth => "mental_health",
            Self::SexualReproductive => "sexual_reproductive",
            Self::HivSti => "hiv_sti",
            Self::SubstanceUse => "substance_use",
            Self::Genetic => "genetic",
            Self::Violence => "violence",
            Self::Billing => "billing",
            Self::Administrative => "administrative",
            Self::Alerts => "alerts",
            Self::Consent => "consent",
        }
    }

    /// The compartment with this [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compartment| compartment.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_their_compartment() {
        for compartment in Compartment::ALL {
            assert_eq!(Compartment::from_number(compartment.number()), Some(compartment));
            assert_eq!(Compartment::from_name(compartment.name()), Some(compartment));
        }
        assert_eq!(Compartment::from_number(0), None);
        assert_eq!(Compartment::from_number(19), None);
    }
}
