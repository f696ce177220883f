//! The way out of quarantine at the hub: what a room takes on a second try goes to everybody who may
//! have it.

mod store;

use ::store::Connection;
use sync_protocol::NodeId;
use vocab::{Compartment, Timestamp};

use super::{access, positions, store as nodes};
use crate::ledger::{AsideError, quarantine};
use crate::streams::{self, Topic};
use crate::{Materialize, gate};

/// Hands a payload that was set aside to its room once more, if its author's clinic may write there
/// now. Subscribers have acknowledged its place without it, so it is sent to them again from there on.
/// Answers the nodes to wake after the commit.
///
/// # Errors
///
/// [`AsideError`]; then nothing changed.
pub fn retry(
    conn: &Connection,
    now: Timestamp,
    no: i64,
    rooms: &mut dyn Materialize,
) -> Result<Vec<NodeId>, AsideError> {
    let taken = quarantine::take_again(conn, now, no, rooms, |waiting| {
        let header = &waiting.entry.header;
        let keeper = nodes::author_site(conn, waiting.stream_no)?;
        match store::site_of(conn, &header.origin)? {
            Some(site) => gate::may_have(conn, &header.stream, keeper, site, now),
            None => Ok(false),
        }
    })?;
    let header = &taken.entry.header;
    let before = taken.idx.saturating_sub(1);
    let mut wake = positions::send_again(conn, taken.stream_no, before, &header.origin)?;
    if let Topic::Patient(patient, Compartment::Consent) = streams::topic(&header.stream) {
        wake.extend(access::refresh_patient(conn, patient, now)?);
    }
    Ok(nodes::keys_of(conn, &wake)?)
}
