//! New readings become alerts.

use std::collections::BTreeMap;

use alerts::{Alert, AlertsRaised};
use replication::Draft;
use replication::streams::patient_stream;
use store::Connection;
use vitals::reading::Reading;
use vocab::{Compartment, DeviceName, FactKind, PatientId, Timestamp};

use crate::{EdgeState, WorkflowError};

/// Judges the new readings by the rules and writes what they raise: one fact for each patient.
/// Answers these patients, with whether a reading that is not late raised something.
pub(crate) fn raise(
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
