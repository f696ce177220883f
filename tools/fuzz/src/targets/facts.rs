//! Payloads that rooms read: consent, alerts, certificates.

use alerts::fact::AlertsRaised;
use consent::fact::ConsentEvent;
use directory::NodeCertificate;
use vocab::FactKind;

/// Consent events: one form each, and their decision is reached.
pub(crate) fn consent(bytes: &[u8]) {
    for kind in [FactKind::ConsentGrant, FactKind::ConsentRevoke, FactKind::Segment] {
        if let Ok(event) = ConsentEvent::from_bytes(kind, bytes) {
            assert_eq!(event.to_bytes(), bytes);
        }
    }
}

/// Alerts: one form each.
pub(crate) fn alerts(bytes: &[u8]) {
    let Ok(fact) = AlertsRaised::from_bytes(bytes) else { return };
    assert_eq!(fact.to_bytes(), bytes);
    let _ = (fact.is_urgent(), fact.is_past());
}

/// Certificates of the hub: one form each.
pub(crate) fn certificate(bytes: &[u8]) {
    if let Ok(certificate) = NodeCertificate::from_bytes(bytes) {
        assert_eq!(certificate.to_bytes(), bytes);
    }
}
