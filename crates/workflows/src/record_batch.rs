//! A batch of readings arrives from a device.

use std::collections::BTreeMap;

use alerts::{Alert, AlertsRaised};
use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vitals::batch::Batch;
use vitals::checksum::BodyDigest;
use vitals::intake::{Intake, take_in};
use vitals::reading::Reading;
use vitals::receipt::Receipt;
use vocab::{Compartment, DeviceName, FactKind, PatientId, Timestamp};

use crate::seal::seal;
use crate::{EdgeState, WorkflowError};

/// Readings of one device for one patient that make a full segment.
///
/// The fixed cost of an entry, about 165 bytes, is below a tenth of its columns from here on.
pub const SEGMENT_READINGS: u64 = 1_000;

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
    let sealed = seal_full(conn, state, now, device, &intake, &raised)?;
    Ok(Recorded::Stored(Stored {
        receipt,
        fresh: intake.fresh,
        queued: sealed || !raised.is_empty(),
        urgent: raised.values().any(|urgent| *urgent),
    }))
}

/// Judges the new readings by the rules and writes what they raise: one fact for each patient.
/// Answers these patients, with whether a reading that is not late raised something.
fn raise(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    device: &DeviceName,
    fresh: &[Reading],
) -> Result<BTreeMap<PatientId, bool>, WorkflowError> {
    let mut by_patient: BTreeMap<PatientId, Vec<Alert>> = BTreeMap::new();
    for reading in fresh {
        if let Some(alert) = state.rules.judge(reading) {
            by_patient.entry(reading.patient).or_default().push(alert);
        }
    }
    let mut raised = BTreeMap::new();
    for (patient, alerts) in by_patient {
        let in_time = alerts.iter().any(|alert| !alert.late);
        for some in alerts.chunks(alerts::fact::ALERTS_MAX) {
            let fact = AlertsRaised {
                device: device.clone(),
                rules_version: state.rules.version(),
                alerts: some.to_vec(),
            };
            let payload = fact.to_bytes();
            alerts::store::record(conn, patient, state.own_site()?, &fact, &payload, now)?;
            // What is about the past goes with the readings: nobody waits for it, and a device that
            // was away for days must not stand in front of somebody who needs help now.
            let compartment =
                if fact.is_past() { Compartment::Vitals } else { Compartment::Alerts };
            let draft = Draft {
                stream: patient_stream(patient, compartment),
                kind: FactKind::Alerts,
                payload,
                own_salt: true,
                urgent: fact.is_urgent(),
            };
            state.author.write(conn, now, draft)?;
        }
        raised.insert(patient, in_time);
    }
    Ok(raised)
}

/// Seals the segments that are full, and those with an alert that somebody must see with its
/// readings.
fn seal_full(
    conn: &Connection,
    state: &mut EdgeState,
    now: Timestamp,
    device: &DeviceName,
    intake: &Intake,
    raised: &BTreeMap<PatientId, bool>,
) -> Result<bool, WorkflowError> {
    let mut any = false;
    for tail in &intake.open {
        let has_alert = raised.get(&tail.patient).copied().unwrap_or(false);
        if tail.readings >= SEGMENT_READINGS || has_alert {
            any |= seal(conn, state, now, device, tail.patient)?;
        }
    }
    Ok(any)
}
