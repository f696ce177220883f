//! Why somebody wants to see or send a part of a record.

use serde::{Deserialize, Serialize};

/// A purpose that a patient can allow. Numbers are on the wire and never change their meaning.
///
/// The codes are HL7 v3 PurposeOfUse, as the consent artefacts of FHIR and ABDM use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Purpose {
    /// `TREAT`: direct care.
    Treatment = 1,
    /// `COC`: coordination between those who treat.
    CareCoordination = 2,
    /// `HPAYMT`: payment.
    Payment = 3,
    /// `HOPERAT`: operations and quality.
    Operations = 4,
    /// `PUBHLTH`: public health.
    PublicHealth = 5,
    /// `HRESCH`: research.
    Research = 6,
    /// `PATRQT`: the patient asked for it.
    PatientRequest = 7,
}

impl Purpose {
    /// Every purpose, by number.
    pub const ALL: [Self; 7] = [
        Self::Treatment,
        Self::CareCoordination,
        Self::Payment,
        Self::Operations,
        Self::PublicHealth,
        Self::Research,
        Self::PatientRequest,
    ];

    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Treatment => "treatment",
            Self::CareCoordination => "care_coordination",
            Self::Payment => "payment",
            Self::Operations => "operations",
            Self::PublicHealth => "public_health",
            Self::Research => "research",
            Self::PatientRequest => "patient_request",
        }
    }

    /// The purpose with this [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The purpose with this number, if this version knows it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.number() == number)
    }
}
