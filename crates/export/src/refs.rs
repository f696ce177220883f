//! What a patient is called in an export.

use std::collections::BTreeMap;

use store::{Connection, StoreError};
use vocab::{PatientId, SiteId};

/// Patients remembered while exporting.
const KNOWN_MAX: usize = 10_000;

/// Numbers of patients at one site, looked up once each.
pub(crate) struct Refs {
    site: SiteId,
    known: BTreeMap<PatientId, String>,
}

impl Refs {
    pub(crate) const fn new(site: SiteId) -> Self {
        Self { site, known: BTreeMap::new() }
    }

    /// The clinic's own number, another clinic's if it has none, or the id where the identity is
    /// not held here.
    pub(crate) fn of(&mut self, conn: &Connection, patient: PatientId) -> Result<&str, StoreError> {
        if self.known.len() >= KNOWN_MAX && !self.known.contains_key(&patient) {
            self.known.clear();
        }
        if !self.known.contains_key(&patient) {
            let found = patients::store::ref_of(conn, self.site, patient)?;
            let text = found.map_or_else(|| patient.to_string(), String::from);
            self.known.insert(patient, text);
        }
        Ok(self.known.get(&patient).map_or("", String::as_str))
    }
}
