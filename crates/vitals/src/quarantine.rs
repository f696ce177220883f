//! Readings that could be read and were not trusted, and their way out: a person looks at one, has it
//! judged again, or discards it.
//!
//! Whatever is done, every reading that was ever sent stays in exactly one of the sums: accepted,
//! repeated, set aside, discarded, rejected.

mod again;
mod store;

use std::fmt;

use ::store::{Connection, StoreError};
use vocab::{Decision, DeviceName, PatientRef, Timestamp};

use crate::batch_id::BatchId;
use crate::code::LoincCode;
use crate::reason::Reason;
use crate::unit_text::UnitText;
use crate::value::SentValue;

pub use again::{TakenAgain, take_in_again};
pub use store::{adds_up, list, open_after};

/// How a reading that was set aside stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a person.
    Open,
    /// It was believed on a later try and is held.
    Taken,
    /// It was believed on a later try, and the same reading was held already.
    Repeat,
    /// Somebody gave it up, with a reason.
    Discarded,
}

impl Standing {
    /// One word for lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Taken => "taken-again",
            Self::Repeat => "repeat",
            Self::Discarded => "discarded",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Taken => 1,
            Self::Repeat => 2,
            Self::Discarded => 3,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Taken),
            2 => Some(Self::Repeat),
            3 => Some(Self::Discarded),
            _ => None,
        }
    }
}

/// A reading that was set aside, for somebody who may see readings.
#[derive(Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its number, by which a person names it.
    pub no: i64,
    /// Who sent it.
    pub device: DeviceName,
    /// In which batch.
    pub batch_id: BatchId,
    /// At which place in it, counted from 0.
    pub position: u32,
    /// Why it was not trusted when it came.
    pub reason: Reason,
    /// When it arrived.
    pub received: Timestamp,
    /// Whom it names and what it says, while it is open: what is settled keeps neither.
    pub contents: Option<Contents>,
    /// What was measured.
    pub code: LoincCode,
    /// The unit as sent.
    pub unit: UnitText,
    /// When, by the device's clock.
    pub time: Timestamp,
    /// The device's own count.
    pub sequence: Option<u64>,
    /// How it stands.
    pub standing: Standing,
    /// When it was taken again or discarded.
    pub settled_at: Option<Timestamp>,
    /// Who discarded it, and why.
    pub decision: Option<Decision>,
}

/// What of a reading is about a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// Whom it names.
    pub patient: PatientRef,
    /// The number as sent.
    pub value: SentValue,
}

/// Why a reading that was set aside stays as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineError {
    /// There is none of this number.
    #[error(
        "no reading that was set aside has the number {0}; quarantine list shows what there is"
    )]
    Unknown(i64),
    /// It was settled before.
    #[error("reading {0} is {word} already; nothing is left to do", word = .1.word())]
    Settled(i64, Standing),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One reading that was set aside, settled or not.
///
/// # Errors
///
/// [`QuarantineError::Unknown`], or the database's.
pub fn find(conn: &Connection, no: i64) -> Result<Quarantined, QuarantineError> {
    store::find(conn, no)?.ok_or(QuarantineError::Unknown(no))
}

/// One reading that waits.
///
/// # Errors
///
/// [`QuarantineError`].
pub fn find_open(conn: &Connection, no: i64) -> Result<Quarantined, QuarantineError> {
    let found = find(conn, no)?;
    match found.standing {
        Standing::Open => Ok(found),
        settled @ (Standing::Taken | Standing::Repeat | Standing::Discarded) => {
            Err(QuarantineError::Settled(no, settled))
        }
    }
}

/// Gives a reading up: what it says and of whom is deleted; device, times, reason, who decided and why
/// stay as evidence.
///
/// # Errors
///
/// [`QuarantineError`]; then nothing changed.
pub fn discard(
    conn: &Connection,
    now: Timestamp,
    no: i64,
    decision: &Decision,
) -> Result<(), QuarantineError> {
    find_open(conn, no)?;
    Ok(store::settle(conn, no, Standing::Discarded, now, Some(decision))?)
}

impl fmt::Debug for Quarantined {
    /// The reading stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quarantined")
            .field("no", &self.no)
            .field("device", &self.device)
            .field("reason", &self.reason)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Contents {
    /// The reading stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contents([redacted])")
    }
}

#[cfg(test)]
mod tests;
