//! SQL of a hub that came back from a backup.

use ::store::{Connection, StoreError};
use rusqlite::params;
use vocab::{SiteName, Timestamp};

const BEGIN_AGAIN: &str = "UPDATE hub_meta SET incarnation = ?1, safe_mode = 1, left_because = '', left_at = NULL, \
        base_version = CASE WHEN ?2 > base_version THEN ?2 ELSE base_version + 65536 END";
/// Higher than any version that was given out after the backup, in whatever life: a clinic refuses what
/// comes under one that has ended there. The time is, as long as the clock goes forward, also when a
/// backup is brought back that is older than the life before; where it does not, a good deal more than
/// the copy has is the best there is.
const RAISE_VERSIONS: &str = "
    UPDATE sub SET version = CASE WHEN ?1 > version THEN ?1 ELSE version + 65536 END, lease_told = 0";
const SAFE_MODE: &str = "SELECT safe_mode FROM hub_meta";
const REPORT: &str = "
    UPDATE enrolled_node SET reported = ?2
    WHERE no = ?1 AND (SELECT incarnation FROM hub_meta) = ?2";
const AWAITED: &str = "
    SELECT site_name FROM enrolled_node
    WHERE revoked_at IS NULL AND (SELECT safe_mode FROM hub_meta) = 1
        AND reported IS NOT (SELECT incarnation FROM hub_meta) ORDER BY site_name";
const LEAVE: &str =
    "UPDATE hub_meta SET safe_mode = 0, left_at = ?1, left_because = ?2 WHERE safe_mode = 1";
const LEFT: &str = "SELECT left_at, left_because FROM hub_meta WHERE left_because <> ''";

/// Seconds from 1970 to 2020: what is counted from there fits a version until 2156.
const FROM_2020: i64 = 1_577_836_800;

/// The database came back from a backup: it begins another life, in safe mode. `now` goes into the
/// versions of subscriptions, because the same backup may be brought back twice.
///
/// # Errors
///
/// The database's; [`StoreError::Damaged`] when it is no hub's.
pub fn begin_again(conn: &Connection, now: Timestamp, incarnation: u64) -> Result<(), StoreError> {
    let least = (now.millis() / 1_000 - FROM_2020).clamp(0, i64::from(u32::MAX / 2));
    conn.prepare_cached(RAISE_VERSIONS)?.execute([least])?;
    match conn.prepare_cached(BEGIN_AGAIN)?.execute([incarnation.cast_signed(), least])? {
        1 => Ok(()),
        _ => Err(StoreError::Damaged { what: "incarnation of the hub" }),
    }
}

/// Whether the database came back from a backup and nobody has said since that it is up to date.
///
/// # Errors
///
/// The database's.
pub fn is_in_safe_mode(conn: &Connection) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(SAFE_MODE)?.query_row([], |row| row.get(0))?)
}

/// The clinics that have not said yet, since the hub came back, that all they wrote is here.
///
/// # Errors
///
/// The database's.
pub fn awaited(conn: &Connection) -> Result<Vec<SiteName>, StoreError> {
    let mut statement = conn.prepare_cached(AWAITED)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let parse = |name: rusqlite::Result<String>| {
        name?.parse().map_err(|_| StoreError::Damaged { what: "site name" })
    };
    names.map(parse).collect()
}

/// Why an operator ended safe mode before every clinic had reported, and when.
///
/// # Errors
///
/// The database's.
pub fn overridden(conn: &Connection) -> Result<Option<(Timestamp, String)>, StoreError> {
    let mut statement = conn.prepare_cached(LEFT)?;
    let mut rows = statement
        .query_map([], |row| Ok((Timestamp::from_millis(row.get(0)?), row.get::<_, String>(1)?)))?;
    Ok(rows.next().transpose()?)
}

pub(super) fn report(conn: &Connection, node: i64, incarnation: u64) -> Result<(), StoreError> {
    conn.prepare_cached(REPORT)?.execute(params![node, incarnation.cast_signed()])?;
    Ok(())
}

/// Ends safe mode; answers whether it held.
pub(super) fn leave(conn: &Connection, now: Timestamp, because: &str) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(LEAVE)?.execute(params![now.millis(), because])? == 1)
}
