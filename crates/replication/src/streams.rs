//! What streams are about: the protocol below sees numbers, this is where they get a meaning.

use sync_protocol::{Class, StreamId};
use vocab::{Compartment, PatientId, SiteId};

/// Family of streams about one patient.
const SCOPE_PATIENT: u8 = 1;
/// Family of streams about one site, which that site writes for the hub.
const SCOPE_SITE: u8 = 2;
/// The site's emergencies. What else it has to say stands in number 0.
const EMERGENCIES: u8 = 1;
/// Family of streams that the hub's authority writes for every node.
const SCOPE_POLICY: u8 = 3;

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// One compartment of one patient's record.
    Patient(PatientId, Compartment),
    /// What a site has to account for to the hub: records that were opened in an emergency. One chain,
    /// so that a record that was held back is a gap.
    Emergencies(SiteId),
    /// The directory of sites and their keys, written by the hub, for every node.
    Policy,
    /// What one site tells the hub of itself; nobody else gets it.
    Site(SiteId),
    /// Something a newer version knows: kept and passed on, not looked into.
    Unknown,
}

/// The stream of one compartment of one patient's record.
#[must_use]
pub const fn patient_stream(patient: PatientId, compartment: Compartment) -> StreamId {
    StreamId {
        scope: SCOPE_PATIENT,
        subject: patient.bytes(),
        compartment: compartment.number(),
        generation: 0,
    }
}

/// The stream of a site's emergencies.
#[must_use]
pub const fn emergency_stream(site: SiteId) -> StreamId {
    StreamId { scope: SCOPE_SITE, subject: site.bytes(), compartment: EMERGENCIES, generation: 0 }
}

/// The stream of the site directory.
#[must_use]
pub const fn policy_stream() -> StreamId {
    StreamId { scope: SCOPE_POLICY, subject: [0; 16], compartment: 0, generation: 0 }
}

/// The stream in which a site tells the hub of itself.
#[must_use]
pub const fn site_stream(site: SiteId) -> StreamId {
    StreamId { scope: SCOPE_SITE, subject: site.bytes(), compartment: 0, generation: 0 }
}

/// What `stream` is about.
#[must_use]
pub fn topic(stream: &StreamId) -> Topic {
    match stream.scope {
        SCOPE_PATIENT => Compartment::from_number(stream.compartment)
            .map_or(Topic::Unknown, |compartment| {
                Topic::Patient(PatientId::from_bytes(stream.subject), compartment)
            }),
        SCOPE_SITE if *stream == emergency_stream(SiteId::from_bytes(stream.subject)) => {
            Topic::Emergencies(SiteId::from_bytes(stream.subject))
        }
        SCOPE_SITE if *stream == site_stream(SiteId::from_bytes(stream.subject)) => {
            Topic::Site(SiteId::from_bytes(stream.subject))
        }
        SCOPE_POLICY if *stream == policy_stream() => Topic::Policy,
        _ => Topic::Unknown,
    }
}

/// The one class a stream travels in: what a person must see now, permissions, records, and then
/// bulk readings.
#[must_use]
pub fn class(stream: &StreamId) -> Class {
    match topic(stream) {
        Topic::Policy | Topic::Site(_) | Topic::Patient(_, Compartment::Consent) => Class::Policy,
        Topic::Emergencies(_) | Topic::Patient(_, Compartment::Alerts) => Class::Urgent,
        Topic::Patient(_, Compartment::Vitals) => Class::Fresh,
        Topic::Patient(_, _) | Topic::Unknown => Class::Records,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_leads_back_to_its_topic_and_each_has_one_class() {
        let patient = PatientId::from_bytes([9; 16]);
        for compartment in Compartment::ALL {
            let stream = patient_stream(patient, compartment);
            assert_eq!(topic(&stream), Topic::Patient(patient, compartment));
        }
        assert_eq!(topic(&policy_stream()), Topic::Policy);
        let site = SiteId::from_bytes([4; 16]);
        assert_eq!(topic(&emergency_stream(site)), Topic::Emergencies(site));
        let other = StreamId { compartment: 2, ..emergency_stream(site) };
        assert_eq!(topic(&other), Topic::Unknown);
        assert_eq!(class(&emergency_stream(site)), Class::Urgent);
        assert_eq!(topic(&site_stream(site)), Topic::Site(site));
        check(Compartment::Alerts, Class::Urgent);
        check(Compartment::Consent, Class::Policy);
        check(Compartment::Identity, Class::Records);
        check(Compartment::Vitals, Class::Fresh);
    }

    #[track_caller]
    fn check(compartment: Compartment, expected: Class) {
        assert_eq!(class(&patient_stream(PatientId::from_bytes([9; 16]), compartment)), expected);
    }
}
