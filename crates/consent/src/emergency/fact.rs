//! An emergency record as bytes: what a clinic signs.

use serde::{Deserialize, Serialize};
use vocab::{PatientId, Timestamp};

use super::{BadEmergency, EmergencyAccess, Reason, ReasonText};
use crate::scope::SetOf;

/// The first byte of the written form.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Wire {
    draw: [u8; 16],
    patient: [u8; 16],
    parts: u32,
    reason: u8,
    text: String,
    further: Option<String>,
    opened_at: i64,
    hub_time: i64,
    is_time_confirmed: bool,
}

impl EmergencyAccess {
    /// Its canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            draw: self.draw,
            patient: self.patient.bytes(),
            parts: self.parts.bits(),
            reason: self.reason as u8,
            text: self.text.reveal().to_owned(),
            further: self.further.as_ref().map(|text| text.reveal().to_owned()),
            opened_at: self.opened_at.nanos(),
            hub_time: self.hub_time.nanos(),
            is_time_confirmed: self.is_time_confirmed,
        };
        // Writing into memory cannot fail; an empty result would be refused by every reader.
        postcard::to_extend(&wire, vec![VERSION]).unwrap_or_default()
    }

    /// Reads the payload of an entry.
    ///
    /// # Errors
    ///
    /// [`BadEmergency`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadEmergency> {
        const BAD: BadEmergency = BadEmergency::Malformed;
        let (&VERSION, body) = bytes.split_first().ok_or(BAD)? else { return Err(BAD) };
        let wire: Wire = postcard::from_bytes(body).map_err(|_| BAD)?;
        let reason = Reason::ALL.into_iter().find(|known| *known as u8 == wire.reason);
        let read = Self {
            draw: wire.draw,
            patient: PatientId::from_bytes(wire.patient),
            parts: SetOf::from_bits(wire.parts).ok_or(BAD)?,
            reason: reason.ok_or(BAD)?,
            text: ReasonText::parse(&wire.text)?,
            further: wire.further.as_deref().map(ReasonText::parse).transpose()?,
            opened_at: Timestamp::from_nanos(wire.opened_at),
            hub_time: Timestamp::from_nanos(wire.hub_time),
            is_time_confirmed: wire.is_time_confirmed,
        }
        .checked()?;
        if read.to_bytes() == bytes { Ok(read) } else { Err(BAD) }
    }
}
