//! Batches, formed the same way every time.

use std::ops::Range;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::recording::Tape;
use crate::wire::{BatchBody, ReadingBody};

/// Readings in a batch unless told otherwise: a bedside monitor's minute or two.
pub const BATCH_READINGS: usize = 100;

/// Most readings that a node takes in one batch.
pub const BATCH_READINGS_MAX: usize = 5_000;

/// Hexadecimal digits of the content's hash in a batch id. The id is unique by its index already;
/// these 64 bits keep two recordings of one device apart.
const ID_HASH_DIGITS: usize = 16;

/// Readings of one device, ready to be sent, again and again if need be.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    /// Follows from the device, the place on the tape and the readings.
    pub id: String,
    /// The JSON.
    pub body: Bytes,
    /// The value of `Content-Digest` for the body.
    pub digest: String,
    /// The readings' places on the tape.
    pub places: Range<usize>,
}

impl std::fmt::Debug for Batch {
    /// Readings stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A number of JSON could not be written; the readings are text and numbers, so it always can.
#[derive(Debug, thiserror::Error)]
#[error("writing a batch as JSON")]
pub struct BatchError(#[from] serde_json::Error);

/// How many batches of `size` readings the tape gives.
#[must_use]
pub fn count(tape: &Tape, size: usize) -> usize {
    tape.readings.len().div_ceil(size.max(1))
}

/// The batch number `index` of the tape, of up to `size` readings.
///
/// # Errors
///
/// [`BatchError`], which does not happen with readings from a [`crate::Recording`].
pub fn form(tape: &Tape, index: usize, size: usize) -> Result<Batch, BatchError> {
    let end = tape.readings.len();
    let size = size.max(1);
    let places = index.saturating_mul(size).min(end)..(index + 1).saturating_mul(size).min(end);
    let readings: Vec<ReadingBody<'_>> =
        tape.readings.get(places.clone()).unwrap_or_default().iter().map(Into::into).collect();
    let readings: Box<RawValue> = serde_json::value::to_raw_value(&readings)?;
    let id = batch_id(&tape.device, index, readings.get());
    let body = serde_json::to_vec(&BatchBody { batch_id: &id, readings: &readings })?;
    let digest = content_digest(&body);
    Ok(Batch { id, body: body.into(), digest, places })
}

fn batch_id(device: &str, index: usize, readings: &str) -> String {
    let hash = Sha256::new()
        .chain_update(device)
        // No name holds a zero byte, so device and readings cannot run into each other.
        .chain_update([0])
        .chain_update(readings)
        .finalize();
    let mut digits = HEXLOWER.encode(&hash);
    digits.truncate(ID_HASH_DIGITS);
    format!("{index:06}-{digits}")
}

/// The header of RFC 9530 over `body`.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Recording;

    fn tape(rows: usize) -> Tape {
        let mut text = "device_id,patient_ref,code,unit,time,value\n".to_owned();
        (0..rows).for_each(|row| {
            text.push_str(&format!("a-mon,p1,8867-4,/min,2026-06-12T17:22:00Z,{row}\n"));
        });
        Recording::read(text.as_bytes()).unwrap().tapes.remove(0)
    }

    #[test]
    fn a_batch_looks_as_the_node_reads_it() {
        let batch = form(&tape(3), 1, 2).unwrap();
        let body = std::str::from_utf8(&batch.body).unwrap();
        assert_eq!(
            body,
            format!(
                "{{\"batch_id\":\"{}\",\"readings\":[{{\"patient\":\"p1\",\"code\":\"8867-4\",\
                 \"unit\":\"/min\",\"time\":\"2026-06-12T17:22:00Z\",\"value\":2}}]}}",
                batch.id
            )
        );
        assert!(batch.id.starts_with("000001-") && batch.id.len() == 23, "{}", batch.id);
    }

    #[test]
    fn the_digest_is_that_of_the_rfc() {
        // RFC 9530, appendix D.
        assert_eq!(
            content_digest(b"{\"hello\": \"world\"}\n"),
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
        );
    }

    #[test]
    fn other_readings_make_another_batch() {
        let first = form(&tape(2), 0, 2).unwrap();
        let mut changed = tape(2);
        changed.readings[1].value = "7".into();
        assert_ne!(form(&changed, 0, 2).unwrap().id, first.id);
        let mut other = tape(2);
        other.device = "b-mon".into();
        assert_ne!(form(&other, 0, 2).unwrap().id, first.id);
        assert_eq!(form(&tape(2), 0, 2).unwrap(), first);
    }

    proptest! {
        /// Every reading is in exactly one batch, in its order.
        #[test]
        fn batches_cut_the_tape_without_loss(rows in 1..60_usize, size in 1..20_usize) {
            let tape = tape(rows);
            let places: Vec<usize> = (0..count(&tape, size))
                .flat_map(|index| form(&tape, index, size).unwrap().places)
                .collect();
            prop_assert_eq!(places, (0..rows).collect::<Vec<_>>());
        }
    }
}
