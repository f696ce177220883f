//! The consent gate: the only way for a stream's entries to leave the hub.

use consent::{Decision, Permission};
use store::{Connection, StoreError};
use sync_protocol::StreamId;
use sync_protocol::exchange::Run;
use sync_protocol::lease::LeaseTerms;
use vocab::{Purpose, SiteId, Timestamp};

use crate::streams::{self, Topic};

/// A run of entries that was released to the node it was read for, by a decision made inside the
/// transaction that read it. Only the gate makes one.
///
/// ```compile_fail
/// // The field is private: nothing is released by saying so.
/// let run: sync_protocol::exchange::Run = todo!();
/// let released = replication::gate::Released(run);
/// ```
#[derive(Debug)]
pub struct Released(Run);

impl Released {
    /// About how many bytes it takes on the wire.
    pub(crate) fn weight(&self) -> usize {
        let entries = self.0.entries.iter();
        64 + entries.map(|e| e.entry.payload.bytes().map_or(0, <[u8]>::len) + 128).sum::<usize>()
    }

    /// The position that it ends with.
    pub(crate) const fn to_idx(&self) -> u64 {
        self.0.to_idx
    }

    /// The run, on its way into a frame.
    #[must_use]
    pub fn into_run(self) -> Run {
        self.0
    }
}

/// Whether the site may have the stream replicated to it now.
///
/// # Errors
///
/// The database's, and damaged consent events: then nothing is released.
pub fn may_have(
    conn: &Connection,
    stream: &StreamId,
    author_site: Option<SiteId>,
    site: SiteId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(terms_for(conn, stream, author_site, site, now)?.is_some())
}

/// Under which terms the site may have the stream replicated to it now; `None` if it may not. The site
/// that wrote a stream first keeps it; every other needs the patient's permission.
///
/// # Errors
///
/// The database's, and damaged consent events: then nothing is released.
pub fn terms_for(
    conn: &Connection,
    stream: &StreamId,
    author_site: Option<SiteId>,
    site: SiteId,
    now: Timestamp,
) -> Result<Option<LeaseTerms>, StoreError> {
    let Topic::Patient(patient, compartment) = streams::topic(stream) else {
        // The directory is for everybody, what a site says of itself for that site, and what we do not
        // understand for nobody.
        let may = match streams::topic(stream) {
            Topic::Policy => true,
            Topic::Site(owner) | Topic::Emergencies(owner) => owner == site,
            Topic::Patient(..) | Topic::Unknown => false,
        };
        return Ok(may.then_some(LeaseTerms::UNLIMITED));
    };
    let ask = consent::Ask {
        recipient: site,
        compartment,
        purpose: Purpose::Treatment,
        action: consent::scope::Action::Replicate,
        at: now,
        author_site,
    };
    // An author needs nobody's permission: then the patient's events need not be read.
    if consent::decide(&consent::ConsentState::new(patient), &ask).is_permit() {
        return Ok(Some(LeaseTerms::UNLIMITED));
    }
    let state = consent::store::state_of(conn, patient)?;
    Ok(match consent::decide(&state, &ask) {
        Decision::Permit { because: Permission::Author } => Some(LeaseTerms::UNLIMITED),
        Decision::Permit { because: Permission::Granted { until, offline, .. } } => {
            // An end within a millisecond is that millisecond's.
            let until_ms = until.map(|until| u64::try_from(until.millis()).unwrap_or(0));
            Some(LeaseTerms { offline_s: Some(u32::from(offline.hours()) * 3_600), until_ms })
        }
        Decision::Deny { .. } => None,
    })
}

/// Releases what `read` finds, if the site may have the stream; reads nothing otherwise.
pub(crate) fn release(
    conn: &Connection,
    stream: &StreamId,
    author_site: Option<SiteId>,
    site: SiteId,
    now: Timestamp,
    read: impl FnOnce() -> Result<Vec<Run>, StoreError>,
) -> Result<Vec<Released>, StoreError> {
    if !may_have(conn, stream, author_site, site, now)? {
        return Ok(Vec::new());
    }
    Ok(read()?.into_iter().map(Released).collect())
}
