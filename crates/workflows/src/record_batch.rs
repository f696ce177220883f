//! A batch of readings arrives from a device.

use store::Connection;
use vitals::batch::Batch;
use vitals::checksum::BodyDigest;
use vitals::intake::take_in;
use vitals::reading::Reading;
use vitals::receipt::Receipt;
use vocab::{DeviceName, Timestamp};

use crate::raise::raise;
use crate::seal_full::seal_full;
use crate::{EdgeState, WorkflowError};

/// What came of a batch.
#[derive(Debug)]
pub enum Recorded {
    /// Stored now.
    Stored(Stored),
    /// Answered before, with the same content: the same receipt again.
    Repeated(Receipt),
    /// The same name was used before for something else; nothing is stored.
    Conflict,
}

/// What a batch that was stored brought.
#[derive(Debug)]
pub struct Stored {
    /// The answer to the device.
    pub receipt: Receipt,
    /// The readings that are new.
    pub fresh: Vec<Reading>,
    /// Whether something was queued for the hub.
    pub queued: bool,
    /// Whether somebody must come now.
    pub urgent: bool,
}

/// Stores the new readings of a batch, raises alerts, seals what is full, and keeps the receipt.
///
/// # Errors
///
/// [`WorkflowError::Store`] and [`WorkflowError::Ledger`]; the device gets no receipt and sends the
/// batch again.
pub fn record_batch(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    device: &DeviceName,
    batch: &Batch,
    body: BodyDigest,
) -> Result<Recorded, WorkflowError> {
    if let Some((before, receipt)) = vitals::store::find_receipt(conn, device, &batch.id)? {
        let same = before == body;
        return Ok(if same { Recorded::Repeated(receipt) } else { Recorded::Conflict });
    }
    let site = state.site;
    let mut failed = None;
    let mut resolve = |text: &str| {
        let found = patients::store::resolve(conn, site?, text);
        found.unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    };
    let mut fetch =
        |id: &[u8; 32]| replication::ledger::payload_of(conn, &sync_protocol::EntryId(*id));
    let cache = &mut state.ingest;
    let intake = take_in(conn, cache, device, batch, now, &mut resolve, &mut fetch)?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    let receipt = Receipt {
        batch_id: batch.id.clone(),
        device: device.clone(),
        received_at: now,
        outcomes: intake.outcomes.clone(),
    };
    vitals::store::record_receipt(conn, body, &receipt)?;
    let raised = raise(conn, state, now, device, &intake.fresh)?;
    let sealed = seal_full(conn, state, now, device, &intake.open, &raised)?;
    Ok(Recorded::Stored(Stored {
        receipt,
        fresh: intake.fresh,
        queued: sealed || !raised.is_empty(),
        urgent: raised.values().any(|urgent| *urgent),
    }))
}
