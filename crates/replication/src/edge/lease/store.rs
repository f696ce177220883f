//! SQL of leases and of the time.

use ::store::{Connection, StoreError};
use rusqlite::{OptionalExtension as _, params};
use sync_protocol::StreamId;
use sync_protocol::lease::{Grant, LeaseTerms};

use crate::edge::trusted_time::Heard;
use crate::ledger::store as ledger;

const STORE: &str = "
    INSERT INTO lease (stream, version, offline_s, until_ms)
    SELECT ?1, ?2, ?3, ?4
    WHERE NOT EXISTS (SELECT 1 FROM subscription
                      WHERE stream = ?1 AND (purged_version >= ?2 OR version > ?2))
    ON CONFLICT (stream) DO UPDATE SET version = excluded.version,
        offline_s = excluded.offline_s, until_ms = excluded.until_ms
    WHERE excluded.version >= lease.version";
const FORGET: &str = "DELETE FROM lease WHERE stream = ?1";
const COPIES: &str = "
    SELECT stream.id, lease.stream IS NOT NULL, lease.offline_s, lease.until_ms
    FROM subscription JOIN stream ON stream.no = subscription.stream
    LEFT JOIN lease ON lease.stream = subscription.stream
    WHERE subscription.foreign_count > 0";
const HEARD: &str = "SELECT hub_ms, wall_ms, passed_ms, latest_ms FROM trusted_time";
const KEEP: &str = "
    INSERT OR REPLACE INTO trusted_time (one, hub_ms, wall_ms, passed_ms, latest_ms)
    VALUES (1, ?1, ?2, ?3, ?4)";

pub(super) fn store(conn: &Connection, grant: &Grant) -> Result<(), StoreError> {
    let (row, _) = ledger::open_stream(conn, &grant.stream)?;
    conn.prepare_cached(STORE)?.execute(params![
        row.no,
        grant.version,
        grant.lease.offline_s,
        grant.lease.until_ms.map(|until| i64::try_from(until).unwrap_or(i64::MAX))
    ])?;
    Ok(())
}

pub(super) fn forget(conn: &Connection, stream: i64) -> Result<(), StoreError> {
    conn.prepare_cached(FORGET)?.execute([stream])?;
    Ok(())
}

/// Visits what is held of what others wrote, with the terms that are known of it.
pub(super) fn for_each_copy(
    conn: &Connection,
    mut visit: impl FnMut(StreamId, Option<LeaseTerms>),
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(COPIES)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let until: Option<i64> = row.get(3)?;
        let terms = LeaseTerms {
            offline_s: row.get(2)?,
            until_ms: until.map(|until| u64::try_from(until).unwrap_or(0)),
        };
        let told: bool = row.get(1)?;
        visit(StreamId::from_bytes(&row.get(0)?), told.then_some(terms));
    }
    Ok(())
}

/// What was last known of the time; `None` if the hub was never heard.
///
/// # Errors
///
/// The database's.
pub fn kept_time(conn: &Connection) -> Result<Option<Heard>, StoreError> {
    let heard = conn.prepare_cached(HEARD)?.query_row([], |row| {
        Ok(Heard {
            hub_ms: row.get(0)?,
            wall_ms: row.get(1)?,
            passed_ms: row.get(2)?,
            latest_ms: row.get(3)?,
        })
    });
    Ok(heard.optional()?)
}

/// Keeps what is known of the time, for the next start.
///
/// # Errors
///
/// The database's.
pub fn keep_time(conn: &Connection, heard: &Heard) -> Result<(), StoreError> {
    conn.prepare_cached(KEEP)?.execute(params![
        heard.hub_ms,
        heard.wall_ms,
        heard.passed_ms,
        heard.latest_ms
    ])?;
    Ok(())
}
