//! SQL of terms and dates.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::lease::{Grant, LeaseTerms};
use sync_protocol::{StreamId, limits};
use vocab::{PatientId, Timestamp};

const SET_DUE: &str = "
    INSERT INTO access_due (patient, at) VALUES (?1, ?2)
    ON CONFLICT (patient) DO UPDATE SET at = excluded.at";
const NOT_DUE: &str = "DELETE FROM access_due WHERE patient = ?1";
const DUE: &str = "SELECT patient FROM access_due WHERE at <= ?1 ORDER BY at LIMIT ?2";
const ARE_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM hub_meta WHERE leases_known = 1)";
const SET_KNOWN: &str = "UPDATE hub_meta SET leases_known = 1";
const UNTOLD: &str = "
    SELECT stream.id, sub.version, sub.lease_s, sub.lease_until, sub.stream
    FROM sub JOIN stream ON stream.no = sub.stream
    WHERE sub.node = ?1 AND sub.lease_told = 0 AND sub.state = 1
        AND (sub.dirty = 1 OR sub.foreign_count > 0) AND sub.stream > ?3
    ORDER BY sub.stream LIMIT ?2";
/// Unless they changed while they were on their way.
const TOLD: &str = "
    UPDATE sub SET lease_told = 1
    WHERE stream = (SELECT no FROM stream WHERE id = ?1) AND node = ?2 AND version = ?3
        AND lease_s IS ?4 AND lease_until IS ?5";
const UNTELL: &str = "UPDATE sub SET lease_told = 0 WHERE node = ?1 AND lease_told = 1";
const UNTELL_STREAM: &str = "UPDATE sub SET lease_told = 0 WHERE stream = ?1 AND node = ?2";

/// When to look at a patient's permissions again; never, if nothing is going to change by itself.
pub(in crate::hub) fn set_due(
    conn: &Connection,
    patient: PatientId,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    match at {
        // Not before it, so that the look finds it changed.
        Some(at) => conn.prepare_cached(SET_DUE)?.execute(params![
            patient.bytes(),
            at.nanos().div_euclid(1_000_000).saturating_add(1)
        ])?,
        None => conn.prepare_cached(NOT_DUE)?.execute([patient.bytes()])?,
    };
    Ok(())
}

pub(in crate::hub) fn due(
    conn: &Connection,
    now: Timestamp,
    most: usize,
) -> Result<Vec<PatientId>, StoreError> {
    let mut statement = conn.prepare_cached(DUE)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let due = statement
        .query_map(params![now.millis(), most], |row| row.get(0).map(PatientId::from_bytes))?;
    Ok(due.collect::<Result<_, _>>()?)
}

pub(in crate::hub) fn are_known(conn: &Connection) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(ARE_KNOWN)?.query_row([], |row| row.get(0))?)
}

pub(in crate::hub) fn set_known(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached(SET_KNOWN)?.execute([])?;
    Ok(())
}

/// Terms that the node does not have, of what others wrote and it holds or is to get.
pub(in crate::hub) fn untold(conn: &Connection, node: i64) -> Result<Vec<Grant>, StoreError> {
    Ok(untold_after(conn, node, 0)?.0)
}

/// The same of streams after the one with this row; beside them the last one's, if there are any.
pub(in crate::hub) fn untold_after(
    conn: &Connection,
    node: i64,
    after: i64,
) -> Result<(Vec<Grant>, Option<i64>), StoreError> {
    let mut last = None;
    let mut statement = conn.prepare_cached(UNTOLD)?;
    let most = i64::try_from(limits::GRANTS_MAX).unwrap_or(i64::MAX);
    let grants = statement.query_map(params![node, most, after], |row| {
        let until: Option<i64> = row.get(3)?;
        last = Some(row.get(4)?);
        Ok(Grant {
            stream: StreamId::from_bytes(&row.get(0)?),
            version: row.get(1)?,
            lease: LeaseTerms {
                offline_s: row.get(2)?,
                until_ms: until.map(|until| u64::try_from(until).unwrap_or(0)),
            },
        })
    })?;
    let grants = grants.collect::<Result<_, _>>()?;
    Ok((grants, last))
}

/// The node stored these.
pub(in crate::hub) fn told(
    conn: &Connection,
    node: i64,
    grants: &[Grant],
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(TOLD)?;
    for grant in grants {
        let lease = &grant.lease;
        statement.execute(params![
            grant.stream.bytes(),
            node,
            grant.version,
            lease.offline_s,
            lease.until_ms.map(|until| i64::try_from(until).unwrap_or(i64::MAX))
        ])?;
    }
    Ok(())
}

/// The node lost some of what it was told: its disk is an older one.
pub(in crate::hub) fn untell(conn: &Connection, node: i64) -> Result<(), StoreError> {
    conn.prepare_cached(UNTELL)?.execute([node])?;
    Ok(())
}

/// The same of one stream.
pub(in crate::hub) fn untell_stream(
    conn: &Connection,
    node: i64,
    stream: i64,
) -> Result<(), StoreError> {
    conn.prepare_cached(UNTELL_STREAM)?.execute([stream, node])?;
    Ok(())
}
