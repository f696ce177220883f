//! The registry of devices.

use rusqlite::{OptionalExtension as _, Row, params};
use store::{Connection, Room, StoreError};
use vocab::{DeviceName, Timestamp};

use crate::device::{Device, DeviceKind, DeviceNo};
use crate::directory::DeviceDirectory;
use crate::key::KeyDigest;

/// The tables of this room.
pub const ROOM: Room = Room {
    name: "devices",
    scripts: &[("V1__device", include_str!("../migrations/001_device.sql"))],
};

/// A device's last sign of life is written at most this often. Ten seconds are finer than anybody
/// looks at a list, and spare a page write for most of the batches of a device that sends always.
pub const SEEN_STEP_SECONDS: i64 = 10;

const INSERT_DEVICE: &str = "
    INSERT INTO device (name, kind, key_sha256, added_at_ns, keyed_at_ns, seen_at_ns, revoked_at_ns)
    VALUES (?1, ?2, ?3, ?4, ?4, 0, 0)
    ON CONFLICT (name) DO NOTHING";

const SET_KEY: &str = "
    UPDATE device SET key_sha256 = ?2, keyed_at_ns = ?3 WHERE name = ?1 AND revoked_at_ns = 0";

const SET_REVOKED: &str = "
    UPDATE device SET revoked_at_ns = ?2 WHERE name = ?1 AND revoked_at_ns = 0";

const SET_SEEN: &str = "UPDATE device SET seen_at_ns = ?2 WHERE no = ?1 AND seen_at_ns <= ?3";

const DEVICES: &str = "
    SELECT no, name, kind, added_at_ns, keyed_at_ns, seen_at_ns, revoked_at_ns
    FROM device ORDER BY name";

const IS_REVOKED: &str = "SELECT revoked_at_ns != 0 FROM device WHERE name = ?1";

const KEYS: &str = "SELECT no, name, key_sha256 FROM device WHERE revoked_at_ns = 0";

const NAME_OF: &str = "SELECT name FROM device WHERE no = ?1";

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevicesError {
    /// There is, or was, a device with this name. A name is never given twice, so that a reading of
    /// last year is not taken for one of another device.
    #[error("a device has this name already")]
    NameTaken,
    /// There is no device with this name.
    #[error("no device has this name")]
    Unknown,
    /// The device was shut out; one that comes back is added under a new name.
    #[error("this device was revoked")]
    Revoked,
    /// The database refused; trying again may succeed.
    #[error("the device registry")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for DevicesError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Adds a device whose key has this digest.
///
/// # Errors
///
/// [`DevicesError::NameTaken`].
pub fn add(
    conn: &Connection,
    name: &DeviceName,
    kind: DeviceKind,
    key: KeyDigest,
    now: Timestamp,
) -> Result<DeviceNo, DevicesError> {
    let rows = conn.prepare_cached(INSERT_DEVICE)?.execute(params![
        name.as_str(),
        kind.number(),
        key.bytes(),
        now.nanos()
    ])?;
    if rows == 0 {
        return Err(DevicesError::NameTaken);
    }
    Ok(DeviceNo::from_raw(conn.last_insert_rowid()))
}

/// Gives a device another key; the old one is refused from the next directory on.
///
/// # Errors
///
/// [`DevicesError::Unknown`] and [`DevicesError::Revoked`].
pub fn rotate(
    conn: &Connection,
    name: &DeviceName,
    key: KeyDigest,
    now: Timestamp,
) -> Result<(), DevicesError> {
    let rows =
        conn.prepare_cached(SET_KEY)?.execute(params![name.as_str(), key.bytes(), now.nanos()])?;
    if rows == 1 { Ok(()) } else { Err(why_unchanged(conn, name)?) }
}

/// Shuts a device out for good. Its name and its readings stay.
///
/// # Errors
///
/// [`DevicesError::Unknown`], and [`DevicesError::Revoked`] if it is shut out already.
pub fn revoke(conn: &Connection, name: &DeviceName, now: Timestamp) -> Result<(), DevicesError> {
    // Zero stands for "not revoked"; a clock at the epoch must not say so by accident.
    let at_ns = if now.nanos() == 0 { 1 } else { now.nanos() };
    let rows = conn.prepare_cached(SET_REVOKED)?.execute(params![name.as_str(), at_ns])?;
    if rows == 1 { Ok(()) } else { Err(why_unchanged(conn, name)?) }
}

fn why_unchanged(conn: &Connection, name: &DeviceName) -> Result<DevicesError, StoreError> {
    let revoked = conn
        .prepare_cached(IS_REVOKED)?
        .query_row([name.as_str()], |row| row.get::<_, bool>(0))
        .optional()?;
    Ok(if revoked.is_some() { DevicesError::Revoked } else { DevicesError::Unknown })
}

/// Notes that a device was heard at `now`; writes only if the last note is
/// [`SEEN_STEP_SECONDS`] old.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn note_seen(conn: &Connection, no: DeviceNo, now: Timestamp) -> Result<(), StoreError> {
    let before = now.plus_seconds(-SEEN_STEP_SECONDS);
    conn.prepare_cached(SET_SEEN)?.execute([no.raw(), now.nanos(), before.nanos()])?;
    Ok(())
}

/// Every device there is or was, by name.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn list(conn: &Connection) -> Result<Vec<Device>, StoreError> {
    let mut statement = conn.prepare_cached(DEVICES)?;
    let mut rows = statement.query([])?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next()? {
        devices.push(read(row)?);
    }
    Ok(devices)
}

fn read(row: &Row<'_>) -> Result<Device, StoreError> {
    let time = |column| row.get(column).map(Timestamp::from_nanos);
    let maybe = |column| time(column).map(|time| (time.nanos() != 0).then_some(time));
    Ok(Device {
        no: DeviceNo::from_raw(row.get(0)?),
        name: name_from(row, 1)?,
        kind: DeviceKind::from_number(row.get(2)?).ok_or(DAMAGED)?,
        added_at: time(3)?,
        keyed_at: time(4)?,
        seen_at: maybe(5)?,
        revoked_at: maybe(6)?,
    })
}

const DAMAGED: StoreError = StoreError::Damaged { what: "device" };

fn name_from(row: &Row<'_>, column: usize) -> Result<DeviceName, StoreError> {
    row.get_ref(column)?.as_str().ok().and_then(|text| text.parse().ok()).ok_or(DAMAGED)
}

/// The name of a device; `None` if there never was one with this number.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row does not read back.
pub fn name_of(conn: &Connection, no: DeviceNo) -> Result<Option<DeviceName>, StoreError> {
    let mut statement = conn.prepare_cached(NAME_OF)?;
    let mut rows = statement.query([no.raw()])?;
    rows.next()?.map(|row| name_from(row, 0)).transpose()
}

/// The devices that may send now, for the door.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn directory(conn: &Connection) -> Result<DeviceDirectory, StoreError> {
    let mut statement = conn.prepare_cached(KEYS)?;
    let mut rows = statement.query([])?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next()? {
        let digest = KeyDigest::from_bytes(row.get(2)?);
        devices.push((DeviceNo::from_raw(row.get(0)?), name_from(row, 1)?, digest));
    }
    Ok(DeviceDirectory::new(devices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Refused;
    use crate::key::DeviceKey;

    fn database() -> Connection {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[ROOM]).unwrap();
        conn
    }

    fn name(text: &str) -> DeviceName {
        text.parse().unwrap()
    }

    fn key(byte: u8) -> DeviceKey {
        DeviceKey::new([byte; 32])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    fn add_bed(conn: &Connection, bed: &str, byte: u8) -> Result<DeviceNo, DevicesError> {
        add(conn, &name(bed), DeviceKind::PulseOximeter, key(byte).digest(), at(100))
    }

    #[track_caller]
    fn check_admits(conn: &Connection, bed: &str, byte: u8, expected: bool) {
        let admitted = directory(conn).unwrap().authenticate(bed, &key(byte).to_text());
        assert_eq!(admitted.is_ok(), expected, "{bed} with key {byte}: {admitted:?}");
    }

    #[test]
    fn a_device_is_listed_and_admitted_from_when_it_is_added() {
        let conn = database();
        check_admits(&conn, "bed-4", 4, false);
        let no = add_bed(&conn, "bed-4", 4).unwrap();
        check_admits(&conn, "bed-4", 4, true);
        check_admits(&conn, "bed-4", 5, false);
        let expected = Device {
            no,
            name: name("bed-4"),
            kind: DeviceKind::PulseOximeter,
            added_at: at(100),
            keyed_at: at(100),
            seen_at: None,
            revoked_at: None,
        };
        assert_eq!(list(&conn).unwrap(), [expected]);
        assert_eq!(name_of(&conn, no).unwrap(), Some(name("bed-4")));
        assert_eq!(name_of(&conn, DeviceNo::from_raw(99)).unwrap(), None);
    }

    #[test]
    fn a_name_is_given_once() {
        let conn = database();
        add_bed(&conn, "bed-4", 4).unwrap();
        assert!(matches!(add_bed(&conn, "bed-4", 5), Err(DevicesError::NameTaken)));
        revoke(&conn, &name("bed-4"), at(101)).unwrap();
        assert!(matches!(add_bed(&conn, "bed-4", 5), Err(DevicesError::NameTaken)));
        check_admits(&conn, "bed-4", 5, false);
    }

    #[test]
    fn a_new_key_replaces_the_old_one() {
        let conn = database();
        add_bed(&conn, "bed-4", 4).unwrap();
        rotate(&conn, &name("bed-4"), key(5).digest(), at(200)).unwrap();
        check_admits(&conn, "bed-4", 4, false);
        check_admits(&conn, "bed-4", 5, true);
        assert_eq!(list(&conn).unwrap()[0].keyed_at, at(200));
        let unknown = rotate(&conn, &name("bed-5"), key(5).digest(), at(200));
        assert!(matches!(unknown, Err(DevicesError::Unknown)));
    }

    #[test]
    fn a_revoked_device_stays_shut_out() {
        let conn = database();
        add_bed(&conn, "bed-4", 4).unwrap();
        add_bed(&conn, "bed-5", 5).unwrap();
        revoke(&conn, &name("bed-4"), Timestamp::from_nanos(0)).unwrap();
        check_admits(&conn, "bed-4", 4, false);
        check_admits(&conn, "bed-5", 5, true);
        assert!(list(&conn).unwrap()[0].revoked_at.is_some());
        let again = rotate(&conn, &name("bed-4"), key(6).digest(), at(300));
        assert!(matches!(again, Err(DevicesError::Revoked)));
        check_admits(&conn, "bed-4", 6, false);
        assert!(matches!(revoke(&conn, &name("bed-4"), at(301)), Err(DevicesError::Revoked)));
        assert!(matches!(revoke(&conn, &name("bed-6"), at(301)), Err(DevicesError::Unknown)));
    }

    #[test]
    fn the_last_sign_of_life_moves_in_steps_and_never_back() {
        let conn = database();
        let no = add_bed(&conn, "bed-4", 4).unwrap();
        for (heard, noted) in [(200, 200), (209, 200), (210, 210), (150, 210), (220, 220)] {
            note_seen(&conn, no, at(heard)).unwrap();
            assert_eq!(list(&conn).unwrap()[0].seen_at, Some(at(noted)), "heard at {heard}");
        }
    }

    #[test]
    fn the_key_is_in_the_registry_as_its_hash_only() {
        let conn = database();
        add_bed(&conn, "bed-4", 4).unwrap();
        let kept: Vec<u8> =
            conn.query_row("SELECT key_sha256 FROM device", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, key(4).digest().bytes());
        assert_ne!(kept, [4; 32]);
        assert_eq!(Refused.to_string(), "no device with this name and key");
    }
}
