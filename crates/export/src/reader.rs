//! Who reads: whose numbers patients go by, and which copies may be opened.

use replication::edge::lease::Locks;
use store::{Connection, StoreError};
use sync_protocol::{NodeId, StreamId};
use vocab::{Compartment, PatientId, SiteId};

/// A clinic, or the hub.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The clinic; at the hub, an id that no site has.
    pub site: SiteId,
    /// What others wrote and may not be opened now; nothing is ever locked at the hub.
    pub locks: Option<&'a Locks>,
}

impl Reader<'_> {
    /// One to whom nothing is locked.
    #[must_use]
    pub const fn of_all(site: SiteId) -> Self {
        Self { site, locks: None }
    }

    /// Whether what `origin` wrote in a stream may be opened. What the clinic wrote itself always may.
    pub(crate) fn may_open(
        &self,
        conn: &Connection,
        stream: &StreamId,
        origin: &NodeId,
    ) -> Result<bool, StoreError> {
        if self.locks.is_none_or(|locks| locks.of(stream).is_none()) {
            return Ok(true);
        }
        Ok(directory::store::sites::site_of_node(conn, &origin.0)? == Some(self.site))
    }

    /// The same of what a clinic wrote in a part of a patient's record.
    pub(crate) fn may_open_part(
        &self,
        patient: PatientId,
        part: Compartment,
        author: SiteId,
    ) -> bool {
        author == self.site || self.locks.is_none_or(|locks| locks.of_part(patient, part).is_none())
    }
}
