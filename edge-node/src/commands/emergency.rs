//! Opening a locked record, for a reason.

use std::sync::Arc;

use consent::EmergencyAccess;
use consent::emergency::{OPEN_SECONDS, Reason, ReasonText};
use consent::scope::SetOf;
use host::control::{Answer, Refusal};
use serde::{Deserialize, Serialize};
use vocab::Compartment;
use workflows::WorkflowError;
use workflows::open_record::open_record;

use super::export::pieces;
use crate::node::Node;

/// What somebody opens, and why.
#[derive(Clone, Serialize, Deserialize)]
pub struct EmergencyRow {
    /// The patient's number.
    pub patient_ref: String,
    /// Parts joined by `+`.
    pub parts: String,
    /// `life-at-risk`, `cannot-ask` or `copy-locked`.
    pub reason: String,
    /// The reason in words.
    pub text: String,
    /// Why more than identity and lifesaver; empty if no more is opened.
    pub further: String,
}

impl std::fmt::Debug for EmergencyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmergencyRow([redacted])")
    }
}

/// Writes down that the record is opened; from then on what is locked of it can be read.
pub(super) async fn open(node: &Node, row: EmergencyRow) -> Result<Answer, Refusal> {
    let parts = super::consents::compartments(&row.parts)?;
    let reason = Reason::from_word(&row.reason).ok_or_else(|| {
        let known = Reason::ALL.map(Reason::word).join(", ");
        Refusal::new(format!("there is no reason {:?}; there are {known}", row.reason))
    })?;
    let text = ReasonText::parse(&row.text).map_err(Refusal::because)?;
    let further = match row.further.as_str() {
        "" => None,
        said => Some(ReasonText::parse(said).map_err(Refusal::because)?),
    };
    let (site, now, draw) = (node.own_site()?, node.clock.now(), node.random.bytes());
    let (hub_time, is_time_confirmed) = node.time.counted();
    node.writer
        .write(move |conn, state| {
            let patient = patients::store::resolve(conn, site, &row.patient_ref)?
                .ok_or(WorkflowError::UnknownPatient)?;
            let access = EmergencyAccess {
                draw,
                patient,
                parts: SetOf::of(&parts),
                reason,
                text,
                further,
                opened_at: now,
                hub_time,
                is_time_confirmed,
            };
            open_record(conn, &mut state.0, now, access)
        })
        .await
        .map_err(Refusal::because)?;
    node.outbox_grew.notify_one();
    let hours = OPEN_SECONDS / 3_600;
    Ok(Answer::from(format!(
        "open for {hours} hours; this is on record and goes to the hub before everything else\n"
    )))
}

/// `patient_id,part,state` for what is locked now.
pub(super) fn locked(node: &Node) -> Result<Answer, Refusal> {
    let (site, time) = (node.own_site()?, Arc::clone(&node.time));
    Ok(pieces(node, move |conn, out| {
        out.row(["patient_id", "part", "why"])?;
        let locks = time.locks(conn, site)?;
        for (patient, part, why) in locks.patients() {
            out.row([&patient.to_string(), part_name(part), why.sentence()])?;
        }
        Ok(())
    }))
}

const fn part_name(part: Compartment) -> &'static str {
    part.name()
}
