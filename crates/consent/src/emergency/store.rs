//! SQL of records that were opened in an emergency: one row each, never changed.

use rusqlite::{Row, params};
use store::{Connection, StoreError};
use vocab::{SiteId, Timestamp};

use super::EmergencyAccess;

const INSERT: &str = "
    INSERT INTO emergency (draw, site, closes_at_ms, stored_at_ms, bytes)
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (draw) DO NOTHING";
const OPEN_AT: &str = "
    SELECT bytes, site, stored_at_ms FROM emergency
    WHERE site = ?1 AND closes_at_ms > ?2 ORDER BY closes_at_ms";
const ALL: &str =
    "SELECT bytes, site, stored_at_ms FROM emergency ORDER BY stored_at_ms DESC, draw";

/// A record that was opened, as it is kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What was said.
    pub access: EmergencyAccess,
    /// Where.
    pub site: SiteId,
    /// When this node stored it.
    pub stored_at: Timestamp,
}

/// Keeps what `site` opened; answers whether it is news.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn record(
    conn: &Connection,
    access: &EmergencyAccess,
    site: SiteId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = conn.prepare_cached(INSERT)?.execute(params![
        access.draw,
        site.bytes(),
        access.closes_at().millis(),
        now.millis(),
        access.to_bytes()
    ])?;
    Ok(rows == 1)
}

/// What `site` opened and is still open when the hub's clock shows `hub_time`.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn open_at(
    conn: &Connection,
    site: SiteId,
    hub_time: Timestamp,
) -> Result<Vec<Opened>, StoreError> {
    let mut statement = conn.prepare_cached(OPEN_AT)?;
    let rows = statement.query_map(params![site.bytes(), hub_time.millis()], read)?;
    rows.map(|row| row?.ok_or(DAMAGED)).collect()
}

/// Everything that was opened, the last stored first.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn all(conn: &Connection) -> Result<Vec<Opened>, StoreError> {
    let mut statement = conn.prepare_cached(ALL)?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| row?.ok_or(DAMAGED)).collect()
}

const DAMAGED: StoreError = StoreError::Damaged { what: "emergency record" };

fn read(row: &Row<'_>) -> rusqlite::Result<Option<Opened>> {
    let bytes: Vec<u8> = row.get(0)?;
    let Ok(access) = EmergencyAccess::from_bytes(&bytes) else { return Ok(None) };
    Ok(Some(Opened {
        access,
        site: SiteId::from_bytes(row.get(1)?),
        stored_at: Timestamp::from_millis(row.get(2)?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emergency::{OPEN_SECONDS, tests::plain};

    #[test]
    fn a_record_is_open_for_two_hours_and_stays_on_record() {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[crate::store::ROOM]).unwrap();
        let (here, there) = (SiteId::from_bytes([1; 16]), SiteId::from_bytes([2; 16]));
        let now = Timestamp::from_millis(9_000);
        assert!(record(&conn, &plain(), here, now).unwrap());
        assert!(!record(&conn, &plain(), here, now).unwrap());
        let open = |site, seconds| {
            let at = plain().hub_time.plus_seconds(seconds);
            open_at(&conn, site, at).unwrap().len()
        };
        let end = i64::from(OPEN_SECONDS);
        let counted = [open(here, 0), open(here, end - 1), open(here, end), open(there, 0)];
        assert_eq!(counted, [1, 1, 0, 0]);
        let expected = Opened { access: plain(), site: here, stored_at: now };
        assert_eq!(all(&conn).unwrap(), [expected]);
    }
}
