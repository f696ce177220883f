//! Where alerts are kept: one row for each fact, as it was signed.
//!
//! A reading that is known already raises nothing, and a fact is taken in once, so an alert is here
//! once. A row per alert, with an index to look for repeats, made up more than half of what a hub
//! spends on a backlog.

use rusqlite::{Row, params};
use store::{Connection, Room, StoreError};
use vitals::code::LoincCode;
use vocab::{DeviceName, PatientId, SiteId, Timestamp};

use crate::alert::Alert;
use crate::fact::{AlertsRaised, BadFact};
use crate::severity::Severity;

/// The tables of this room.
pub const ROOM: Room =
    Room { name: "alerts", scripts: &[("V1__alert", include_str!("../migrations/001_alert.sql"))] };

const FORGET_OF_OTHERS: &str = "DELETE FROM alert_fact WHERE patient = ?1 AND author <> ?2";

/// A fact that is here already is no second row.
const FORGET: &str = "DELETE FROM alert_fact WHERE patient = ?1";
const FORGET_FACT: &str = "DELETE FROM alert_fact WHERE digest = ?1";
const INSERT_FACT: &str = "
    INSERT INTO alert_fact (digest, patient, author, stored_at_ns, low, medium, high, critical,
                            urgent, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (digest) DO NOTHING";

const NEWEST: &str =
    "SELECT patient, author, stored_at_ns, payload FROM alert_fact ORDER BY no DESC";

const IN_ORDER: &str = "SELECT patient, author, payload FROM alert_fact ORDER BY no";

const COUNTS: &str = "
    SELECT coalesce(sum(low), 0), coalesce(sum(medium), 0), coalesce(sum(high), 0),
           coalesce(sum(critical), 0)
    FROM alert_fact";

/// The condition is the one of the index `alert_fact_urgent`, so nothing else is looked at.
const COUNT_URGENT: &str = "SELECT coalesce(sum(urgent), 0) FROM alert_fact WHERE urgent > 0";

/// An alert as it is kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The patient it is about.
    pub patient: PatientId,
    /// The clinic that raised it.
    pub author: SiteId,
    /// The device that sent the reading.
    pub device: DeviceName,
    /// The version of the rules that judged it.
    pub rules_version: u16,
    /// The alert.
    pub alert: Alert,
    /// When this node stored it.
    pub stored_at: Timestamp,
}

/// What an export says about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The patient it is about.
    pub patient: PatientId,
    /// The clinic that raised it.
    pub author: SiteId,
    /// What was measured.
    pub code: LoincCode,
    /// When, by the device's clock.
    pub time: Timestamp,
    /// How much it matters.
    pub severity: Severity,
}

/// How many alerts are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With severity low.
    pub low: u64,
    /// With severity medium.
    pub medium: u64,
    /// With severity high.
    pub high: u64,
    /// With severity critical, late ones included.
    pub critical: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.low + self.medium + self.high + self.critical
    }

    fn of(alerts: &[Alert]) -> Self {
        let mut counts = Self::default();
        for alert in alerts {
            *match alert.raised.severity {
                Severity::Low => &mut counts.low,
                Severity::Medium => &mut counts.medium,
                Severity::High => &mut counts.high,
                Severity::Critical => &mut counts.critical,
            } += 1;
        }
        counts
    }
}

/// Why an entry of an alerts stream was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The payload holds no alerts; its author is at fault.
    #[error("the entry holds no alerts")]
    Fact(#[from] BadFact),
    /// The database refused; trying again may succeed.
    #[error("storing alerts")]
    Store(#[from] StoreError),
}

/// Stores what a batch raised for `patient` at clinic `author`, unless it is here already, and
/// answers whether it was new. `payload` are the bytes of `raised`.
///
/// # Errors
///
/// [`StoreError`] as the database reports it; nothing is stored then.
pub fn record(
    conn: &Connection,
    patient: PatientId,
    author: SiteId,
    raised: &AlertsRaised,
    payload: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let counts = Counts::of(&raised.alerts);
    let urgent = raised.alerts.iter().filter(|alert| alert.is_urgent()).count();
    let rows = conn.prepare_cached(INSERT_FACT)?.execute(params![
        digest(patient, author, payload),
        patient.bytes(),
        author.bytes(),
        now.nanos(),
        counts.low.cast_signed(),
        counts.medium.cast_signed(),
        counts.high.cast_signed(),
        counts.critical.cast_signed(),
        i64::try_from(urgent).unwrap_or(i64::MAX),
        payload,
    ])?;
    Ok(rows == 1)
}

/// What tells a fact from every other, in half a hash: nobody gains from two that are alike.
fn digest(patient: PatientId, author: SiteId, payload: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&patient.bytes());
    hasher.update(&author.bytes());
    hasher.update(payload);
    hasher.finalize().as_bytes().first_chunk::<16>().copied().unwrap_or_default()
}

/// Takes in the payload of an entry that `author` signed in the alerts stream of `patient`, and
/// answers whether it was new.
///
/// # Errors
///
/// [`ApplyError`] says whose fault it is.
pub fn apply(
    conn: &Connection,
    patient: PatientId,
    author: SiteId,
    payload: &[u8],
    now: Timestamp,
) -> Result<bool, ApplyError> {
    let raised = AlertsRaised::from_bytes(payload)?;
    Ok(record(conn, patient, author, &raised, payload, now)?)
}

/// The alerts that were stored last, the last first.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn newest(conn: &Connection, limit: usize) -> Result<Vec<Kept>, StoreError> {
    let mut statement = conn.prepare_cached(NEWEST)?;
    let mut rows = statement.query([])?;
    let mut kept = Vec::new();
    while kept.len() < limit
        && let Some(row) = rows.next()?
    {
        let (patient, author) =
            (PatientId::from_bytes(row.get(0)?), SiteId::from_bytes(row.get(1)?));
        let stored_at = Timestamp::from_nanos(row.get(2)?);
        let AlertsRaised { device, rules_version, alerts } = read(row, 3)?;
        let room = limit - kept.len();
        kept.extend(alerts.into_iter().rev().take(room).map(|alert| {
            let device = device.clone();
            Kept { patient, author, device, rules_version, alert, stored_at }
        }));
    }
    Ok(kept)
}

fn read(row: &Row<'_>, payload: usize) -> Result<AlertsRaised, StoreError> {
    let bytes = row.get_ref(payload)?.as_blob().map_err(|_| DAMAGED)?;
    AlertsRaised::from_bytes(bytes).map_err(|_| DAMAGED)
}

const DAMAGED: StoreError = StoreError::Damaged { what: "alerts" };

/// Gives every alert to `each`, in the order of storing, for an export. The first error of `each`
/// ends it.
///
/// # Errors
///
/// What `each` answers, or [`StoreError::Damaged`] when a row does not read back.
pub fn for_each<E: From<StoreError>>(
    conn: &Connection,
    mut each: impl FnMut(Line) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = conn.prepare_cached(IN_ORDER).map_err(StoreError::from)?;
    let mut rows = statement.query([]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        let patient = PatientId::from_bytes(row.get(0).map_err(StoreError::from)?);
        let author = SiteId::from_bytes(row.get(1).map_err(StoreError::from)?);
        for Alert { raised, code, time, .. } in read(row, 2)?.alerts {
            each(Line { patient, author, code, time, severity: raised.severity })?;
        }
    }
    Ok(())
}

/// How many alerts are kept, added up fact by fact: for a command, not for every request.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn counts(conn: &Connection) -> Result<Counts, StoreError> {
    let number = |row: &Row<'_>, column: usize| row.get(column).map(i64::unsigned_abs);
    Ok(conn.prepare_cached(COUNTS)?.query_row([], |row| {
        Ok(Counts {
            low: number(row, 0)?,
            medium: number(row, 1)?,
            high: number(row, 2)?,
            critical: number(row, 3)?,
        })
    })?)
}

/// Forgets what other clinics than `own` raised about a patient.
///
/// # Errors
///
/// The database's.
pub fn forget_of_others(
    conn: &Connection,
    patient: PatientId,
    own: SiteId,
) -> Result<(), StoreError> {
    conn.prepare_cached(FORGET_OF_OTHERS)?.execute(params![patient.bytes(), own.bytes()])?;
    Ok(())
}

/// Forgets everything that was raised about a patient: it is erased by order.
///
/// # Errors
///
/// The database's.
pub fn forget(conn: &Connection, patient: PatientId) -> Result<(), StoreError> {
    conn.prepare_cached(FORGET)?.execute([patient.bytes()])?;
    Ok(())
}

/// Forgets one fact, as [`apply`] took it.
///
/// # Errors
///
/// The database's.
pub fn forget_fact(
    conn: &Connection,
    patient: PatientId,
    author: SiteId,
    payload: &[u8],
) -> Result<(), StoreError> {
    conn.prepare_cached(FORGET_FACT)?.execute([digest(patient, author, payload)])?;
    Ok(())
}

/// How many alerts are critical and were not late. Nobody can mark an alert as seen yet, so all of
/// them are open.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn open_critical(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(COUNT_URGENT)?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::tests::plain;

    fn database() -> Connection {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[ROOM]).unwrap();
        conn
    }

    fn patient(byte: u8) -> PatientId {
        PatientId::from_bytes([byte; 16])
    }

    fn author() -> SiteId {
        SiteId::from_bytes([8; 16])
    }

    fn now() -> Timestamp {
        "2026-06-12T17:22:01Z".parse().unwrap()
    }

    fn keep(conn: &Connection, patient: PatientId, fact: &AlertsRaised) -> bool {
        record(conn, patient, author(), fact, &fact.to_bytes(), now()).unwrap()
    }

    #[test]
    fn what_is_stored_comes_back_newest_first() {
        let conn = database();
        assert!(keep(&conn, patient(1), &plain()));
        let kept = newest(&conn, 100).unwrap();
        let mut expected = plain().alerts;
        expected.reverse();
        let alerts: Vec<_> = kept.iter().map(|kept| kept.alert.clone()).collect();
        assert_eq!(alerts, expected);
        let first = &kept[0];
        assert_eq!((first.patient, first.author), (patient(1), author()));
        assert_eq!((&first.device, first.rules_version), (&plain().device, 1));
        assert_eq!(first.stored_at, now());
    }

    #[test]
    fn a_fact_is_stored_once_whichever_way_it_comes() {
        let conn = database();
        assert!(keep(&conn, patient(1), &plain()));
        assert!(!keep(&conn, patient(1), &plain()));
        assert!(!apply(&conn, patient(1), author(), &plain().to_bytes(), now()).unwrap());
        assert_eq!(counts(&conn).unwrap().all(), 3);
        assert!(keep(&conn, patient(2), &plain()), "of another patient");
        let elsewhere = SiteId::from_bytes([9; 16]);
        assert!(apply(&conn, patient(1), elsewhere, &plain().to_bytes(), now()).unwrap());
        let newer = AlertsRaised { rules_version: 2, ..plain() };
        assert!(keep(&conn, patient(1), &newer), "by other rules");
    }

    #[test]
    fn a_list_ends_where_it_should_also_inside_a_fact() {
        let conn = database();
        keep(&conn, patient(1), &plain());
        keep(&conn, patient(2), &plain());
        let whole = newest(&conn, 100).unwrap();
        assert_eq!(whole.len(), 6);
        assert_eq!(whole[0].patient, patient(2));
        for limit in 0..=6 {
            assert_eq!(newest(&conn, limit).unwrap(), whole[..limit]);
        }
    }

    #[test]
    fn counts_and_export_lines_cover_every_alert() {
        let conn = database();
        assert_eq!(counts(&conn).unwrap(), Counts::default());
        assert_eq!(open_critical(&conn).unwrap(), 0);
        keep(&conn, patient(1), &plain());
        let mut late = plain();
        late.device = "ward-07-mon".parse().unwrap();
        late.alerts.iter_mut().for_each(|alert| alert.late = true);
        keep(&conn, patient(2), &late);
        let counted = counts(&conn).unwrap();
        assert_eq!(counted, Counts { low: 0, medium: 2, high: 2, critical: 2 });
        assert_eq!(counted.all(), 6);
        assert_eq!(open_critical(&conn).unwrap(), 1);
        let mut lines = Vec::new();
        let collected: Result<(), StoreError> = for_each(&conn, |line| {
            lines.push(line);
            Ok(())
        });
        collected.unwrap();
        let expected = Line {
            patient: patient(1),
            author: author(),
            code: "59408-5".parse().unwrap(),
            time: "2026-06-12T17:22:00Z".parse().unwrap(),
            severity: Severity::Critical,
        };
        assert_eq!((lines.len(), lines[0]), (6, expected));
    }

    #[test]
    fn a_payload_that_is_no_alerts_stores_nothing() {
        let conn = database();
        let refused = apply(&conn, patient(1), author(), &plain().to_bytes()[1..], now());
        assert!(matches!(refused, Err(ApplyError::Fact(_))));
        assert_eq!(counts(&conn).unwrap().all(), 0);
    }

    #[test]
    fn open_critical_alerts_are_counted_through_their_index() {
        let conn = database();
        let plan: String = conn
            .query_row(&format!("EXPLAIN QUERY PLAN {COUNT_URGENT}"), [], |row| row.get(3))
            .unwrap();
        assert!(plan.contains("alert_fact_urgent"), "{plan}");
    }

    #[test]
    fn what_others_raised_is_forgotten_and_the_own_stays() {
        let conn = database();
        let fact = plain();
        let other = SiteId::from_bytes([9; 16]);
        for (number, site) in [(1, author()), (1, other), (2, other)] {
            let payload = fact.to_bytes();
            record(&conn, patient(number), site, &fact, &payload, now()).unwrap();
        }
        forget_of_others(&conn, patient(1), author()).unwrap();
        let kept: Vec<_> = newest(&conn, 99).unwrap().into_iter().map(|kept| kept.author).collect();
        assert_eq!(kept.iter().filter(|site| **site == author()).count(), 3);
        assert_eq!(kept.iter().filter(|site| **site == other).count(), 3, "of the other patient");
    }
}
