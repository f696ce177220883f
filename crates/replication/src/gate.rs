//! The consent gate: the only way for a stream's entries to leave the hub.

use store::{Connection, StoreError};
use sync_protocol::StreamId;
use sync_protocol::exchange::Run;
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

    /// The run, on its way into a frame.
    #[must_use]
    pub fn into_run(self) -> Run {
        self.0
    }
}

/// Whether the site may have the stream replicated to it now. The site that wrote a stream first
/// keeps it; every other needs the patient's permission.
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
    let Topic::Patient(patient, compartment) = streams::topic(stream) else {
        // The directory is for everybody, what a site says of itself for that site, and what we do not
        // understand for nobody.
        return Ok(match streams::topic(stream) {
            Topic::Policy => true,
            Topic::Site(owner) => owner == site,
            Topic::Patient(..) | Topic::Unknown => false,
        });
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
        return Ok(true);
    }
    let state = consent::store::state_of(conn, patient)?;
    Ok(consent::decide(&state, &ask).is_permit())
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
