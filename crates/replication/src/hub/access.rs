//! Who gets which stream: subscription rows follow what the patient allows.

use std::collections::BTreeSet;

use ::store::{Connection, StoreError, savepoint};
use consent::fact::ConsentEvent;
use consent::scope::Recipient;
use sync_protocol::lease::LeaseTerms;
use sync_protocol::{NodeId, StreamId};
use vocab::{PatientId, SiteId, Timestamp};

use super::lease;
use super::store::{self, StreamAccess};
use crate::gate;
use crate::streams::{self, Topic};

/// Patients whose permissions are looked at again in one transaction.
const DUE_AT_ONCE: usize = 64;

/// Brings the subscription rows of every stream of `patient` in line with what is allowed now.
/// Writes only rows whose result changed; answers the nodes that must be told: those with
/// something to fetch, or to let go.
///
/// # Errors
///
/// The database's, and damaged consent events: then no row changes.
pub fn refresh_patient(
    conn: &Connection,
    patient: PatientId,
    now: Timestamp,
) -> Result<BTreeSet<i64>, StoreError> {
    let mut told = BTreeSet::new();
    let recipients = recipients(conn, patient)?;
    for stream in store::streams_of_patient(conn, patient)? {
        told.extend(refresh(conn, &stream, &recipients, now)?);
    }
    let next = consent::store::state_of(conn, patient)?.next_change(now);
    lease::set_due(conn, patient, next)?;
    Ok(told)
}

/// Does so for the patients whose permissions begin or end by time alone, a few at a time: access
/// that ends by a date, or because a child came of age, ends like any other. Answers whom to tell,
/// and whether there may be more.
///
/// # Errors
///
/// The database's, and damaged consent events.
pub fn refresh_due(conn: &Connection, now: Timestamp) -> Result<(Vec<NodeId>, bool), StoreError> {
    let due = lease::due(conn, now, DUE_AT_ONCE)?;
    let mut told = BTreeSet::new();
    for patient in &due {
        told.extend(refresh_patient(conn, *patient, now)?);
    }
    Ok((store::keys_of(conn, &told)?, due.len() == DUE_AT_ONCE))
}

/// Whether [`refresh_due`] has something to do.
///
/// # Errors
///
/// The database's.
pub fn is_access_due(conn: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    Ok(!lease::due(conn, now, 1)?.is_empty())
}

/// Fills in terms and dates for what was stored before there were any; does so once.
///
/// # Errors
///
/// The database's, and damaged consent events.
pub fn fill_in_leases(conn: &Connection, now: Timestamp) -> Result<(), StoreError> {
    if lease::are_known(conn)? {
        return Ok(());
    }
    savepoint(conn, |conn| {
        for patient in consent::store::patients(conn)? {
            refresh_patient(conn, patient, now)?;
        }
        lease::set_known(conn)
    })
}

/// Ends the access of those who have a stream of `patient` and may not any more. Who is named by no event
/// is not looked at when events are added; when some are erased, everybody who has a stream is.
pub(super) fn close_unallowed(
    conn: &Connection,
    patient: PatientId,
    now: Timestamp,
) -> Result<BTreeSet<i64>, StoreError> {
    let mut told = BTreeSet::new();
    for stream in store::streams_of_patient(conn, patient)? {
        for node in store::subscribers(conn, stream.no)? {
            let allowed = gate::may_have(conn, &stream.id, stream.author_site, node.site, now)?;
            if !allowed && store::set_access(conn, node.no, &stream, None, now)? {
                told.insert(node.no);
            }
        }
    }
    Ok(told)
}

/// Gives the nodes of a site the streams that the site keeps: a clinic whose node was replaced gets
/// back what it wrote, whether or not its patients allowed others anything.
pub(super) fn refresh_home(
    conn: &Connection,
    site: SiteId,
    now: Timestamp,
) -> Result<(), StoreError> {
    for stream in store::streams_of_site(conn, site)? {
        for node in store::nodes_at(conn, &BTreeSet::from([site]))? {
            store::set_access(conn, node.no, &stream, Some(LeaseTerms::UNLIMITED), now)?;
        }
    }
    Ok(())
}

/// As [`refresh_patient`], for one stream that just came into being.
pub(super) fn refresh_stream(
    conn: &Connection,
    id: &StreamId,
    now: Timestamp,
) -> Result<BTreeSet<i64>, StoreError> {
    let Some(stream) = store::stream_access(conn, id)? else { return Ok(BTreeSet::new()) };
    let recipients = match streams::topic(id) {
        Topic::Patient(patient, _) => recipients(conn, patient)?,
        Topic::Policy => Recipients::Everybody,
        Topic::Emergencies(site) => Recipients::Sites(BTreeSet::from([site])),
        Topic::Site(_) | Topic::Unknown => Recipients::Sites(BTreeSet::new()),
    };
    refresh(conn, &stream, &recipients, now)
}

/// Whom the patient's events name at all; only they, and the author, can have access.
enum Recipients {
    Everybody,
    Sites(BTreeSet<SiteId>),
}

fn recipients(conn: &Connection, patient: PatientId) -> Result<Recipients, StoreError> {
    let mut sites = BTreeSet::new();
    for event in consent::store::state_of(conn, patient)?.events() {
        if let ConsentEvent::Grant(grant) = event {
            match grant.terms().recipient {
                Recipient::AnySite => return Ok(Recipients::Everybody),
                Recipient::Site(site) => {
                    sites.insert(site);
                }
            }
        }
    }
    Ok(Recipients::Sites(sites))
}

fn refresh(
    conn: &Connection,
    stream: &StreamAccess,
    recipients: &Recipients,
    now: Timestamp,
) -> Result<BTreeSet<i64>, StoreError> {
    let nodes = match recipients {
        Recipients::Everybody => store::nodes(conn)?,
        Recipients::Sites(sites) => {
            let sites: BTreeSet<SiteId> = sites.iter().copied().chain(stream.author_site).collect();
            store::nodes_at(conn, &sites)?
        }
    };
    let mut told = BTreeSet::new();
    for node in nodes {
        let terms = gate::terms_for(conn, &stream.id, stream.author_site, node.site, now)?;
        if store::set_access(conn, node.no, stream, terms, now)? {
            told.insert(node.no);
        }
    }
    Ok(told)
}
