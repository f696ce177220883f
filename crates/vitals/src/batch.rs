//! A batch of readings as a device uploads it, read from JSON once.
//!
//! ```json
//! {"batch_id": "7f3a-0001",
//!  "readings": [{"patient": "ward-p100002", "code": "8310-5", "unit": "Cel",
//!                "time": "2026-06-12T17:22:00Z", "value": 36.1, "sequence": 5}]}
//! ```
//!
//! What is wrong with one reading is that reading's [`Reason`]; what is wrong with the JSON is the
//! batch's [`BatchError`]. Fields this version does not know are skipped. What a reading means is
//! decided later, in [`crate::judge`], because it depends on the clinic and its clock.

mod json;
mod lenient;

use std::fmt;

use vocab::{PatientRef, Timestamp};

use crate::batch_id::BatchId;
use crate::code::LoincCode;
use crate::reason::Reason;
use crate::unit_text::UnitText;
use crate::value::SentValue;

/// Readings in one batch. At about 120 bytes each a full batch stays below the 1 MiB that a body
/// may have; a monitor that sends four signals every second fills it in twenty minutes.
pub const BATCH_READINGS_MAX: usize = 5_000;

/// Depth of nesting that is followed, the outermost object being the first. A batch needs three.
pub const JSON_DEPTH_MAX: usize = 32;

/// A batch that could be read. It holds nothing of the body it came from.
#[derive(PartialEq, Eq)]
pub struct Batch {
    /// The name that the device gave it.
    pub id: BatchId,
    /// The patients its readings name, each once, in order of their first reading.
    pub patients: Vec<PatientRef>,
    /// Its readings in the order they were sent: 1 to [`BATCH_READINGS_MAX`].
    pub readings: Vec<Result<Candidate, Reason>>,
}

/// A reading that could be read.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which of [`Batch::patients`] it is about.
    pub patient: u16,
    /// What was measured.
    pub code: LoincCode,
    /// The unit as sent; not checked to be one.
    pub unit: UnitText,
    /// When, by the device's clock.
    pub time: Timestamp,
    /// The number as sent.
    pub value: SentValue,
    /// The device's own count, where it keeps one.
    pub sequence: Option<u64>,
}

/// Why a body is no batch. Nothing of it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The body is not JSON: a sign is wrong or it ends too early.
    #[error("the body is not valid JSON at line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Bytes into the line, counted from 1.
        column: usize,
    },
    /// The body is JSON, but here it is no batch.
    #[error(
        "the body is not a batch at line {line}, column {column}: a key stands twice, \
         readings is not a list, or the nesting is deeper than {JSON_DEPTH_MAX}"
    )]
    Shape {
        /// Counted from 1.
        line: usize,
        /// Bytes into the line, counted from 1.
        column: usize,
    },
    /// There is no batch id.
    #[error("the batch has no batch_id")]
    NoBatchId,
    /// The batch id is no text or no name.
    #[error("the batch_id is not a name of 1 to 64 letters, digits, dots, dashes or underscores")]
    BadBatchId,
    /// There are no readings.
    #[error("the batch has no readings")]
    Empty,
    /// There are more than [`BATCH_READINGS_MAX`] readings.
    #[error("the batch has more than {BATCH_READINGS_MAX} readings")]
    TooMany,
}

impl Batch {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// As [`BatchError`]; a reading that cannot be read is no error but a [`Reason`] in its place.
    pub fn parse(body: &[u8]) -> Result<Self, BatchError> {
        json::parse(body)
    }
}

impl fmt::Debug for Batch {
    /// Readings stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("id", &self.id)
            .field("readings", &self.readings.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Candidate {
    /// Readings stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("code", &self.code).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
