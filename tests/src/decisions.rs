//! What patients decided, and what follows from it, by a model of its own.

use std::collections::{BTreeMap, BTreeSet};

use consent::fact::ConsentEvent;
use consent::id::RevokeId;
use vocab::{PatientId, SiteId};

/// Something a patient decided.
struct Decided {
    /// The clinic that wrote it down.
    home: SiteId,
    about: (PatientId, SiteId),
    event: ConsentEvent,
    at_hub: bool,
    /// Nobody has it.
    lost: bool,
}

/// Everything that was decided and is not lost.
#[derive(Default)]
pub(crate) struct Decisions {
    all: Vec<Decided>,
    allowed_at_hub: BTreeSet<(PatientId, SiteId)>,
}

impl Decisions {
    pub(crate) fn add(&mut self, home: SiteId, about: (PatientId, SiteId), event: ConsentEvent) {
        self.all.push(Decided { home, about, event, at_hub: false, lost: false });
    }

    /// Notes which decisions that a clinic wrote down anybody still has.
    pub(crate) fn left(&mut self, home: SiteId, exists: impl Fn(&ConsentEvent) -> bool) {
        for decided in self.all.iter_mut().filter(|decided| decided.home == home) {
            decided.lost = !exists(&decided.event);
        }
    }

    /// Notes which decisions the hub has by now.
    pub(crate) fn note_at_hub(&mut self, has: impl Fn(&ConsentEvent) -> bool) {
        let mut news = false;
        for decided in self.all.iter_mut().filter(|decided| !decided.at_hub) {
            decided.at_hub = has(&decided.event);
            news |= decided.at_hub;
        }
        if news {
            self.allowed_at_hub = self.allowed(|decided| decided.at_hub);
        }
    }

    /// The hub was put back: notes anew which decisions it has.
    pub(crate) fn hub_restored(&mut self, has: impl Fn(&ConsentEvent) -> bool) {
        self.all.iter_mut().for_each(|decided| decided.at_hub = has(&decided.event));
        self.allowed_at_hub = self.allowed(|decided| decided.at_hub);
    }

    pub(crate) fn allowed_at_hub(&self, patient: PatientId, site: SiteId) -> bool {
        self.allowed_at_hub.contains(&(patient, site))
    }

    /// Whom each patient allows their record, by all that is not lost.
    pub(crate) fn allowed_now(&self) -> BTreeSet<(PatientId, SiteId)> {
        self.allowed(|decided| !decided.lost)
    }

    /// Whom each patient allows their record: whom a grant names that knows every revocation.
    fn allowed(&self, counts: impl Fn(&Decided) -> bool) -> BTreeSet<(PatientId, SiteId)> {
        let mut about: BTreeMap<_, Vec<&ConsentEvent>> = BTreeMap::new();
        for decided in self.all.iter().filter(|decided| counts(decided)) {
            about.entry(decided.about).or_default().push(&decided.event);
        }
        let stands = |events: &[&ConsentEvent]| {
            let knows_all = |acks: &BTreeSet<RevokeId>| {
                events.iter().all(|event| match event {
                    ConsentEvent::Revoke(revoke) => acks.contains(&revoke.id()),
                    ConsentEvent::Grant(_) => true,
                })
            };
            events.iter().any(|event| match event {
                ConsentEvent::Grant(grant) => knows_all(&grant.terms().acks),
                ConsentEvent::Revoke(_) => false,
            })
        };
        about.into_iter().filter(|(_, events)| stands(events)).map(|(about, _)| about).collect()
    }
}
