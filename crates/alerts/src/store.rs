//! Where alerts are kept.

use rusqlite::{Row, params};
use store::{Connection, Room, StoreError};
use vitals::code::LoincCode;
use vitals::reading::ReadingKey;
use vitals::unit_text::UnitText;
use vitals::value::SentValue;
use vocab::{DeviceName, PatientId, SiteId, Timestamp};

use crate::alert::Alert;
use crate::fact::{AlertsRaised, BadFact};
use crate::rules::{Raised, RuleNo};
use crate::severity::{Direction, Severity};

/// The tables of this room.
pub const ROOM: Room =
    Room { name: "alerts", scripts: &[("V1__alert", include_str!("../migrations/001_alert.sql"))] };

/// An alert is known by its reading, its rule and the version of the rules: a repeat is no second
/// row.
const INSERT_ALERT: &str = "
    INSERT INTO alert (reading_key, rule, rules_version, patient, author, device, code, unit,
                       time_ns, value, severity, direction, late, stored_at_ns)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
    ON CONFLICT (reading_key, rule, rules_version) DO NOTHING";

const NEWEST: &str = "
    SELECT no, rule, rules_version, patient, author, device, code, unit, time_ns, value, severity,
           direction, late, stored_at_ns, reading_key
    FROM alert WHERE no < ?1 ORDER BY no DESC LIMIT ?2";

const NEWEST_OF_PATIENT: &str = "
    SELECT no, rule, rules_version, patient, author, device, code, unit, time_ns, value, severity,
           direction, late, stored_at_ns, reading_key
    FROM alert WHERE patient = ?3 AND no < ?1 ORDER BY no DESC LIMIT ?2";

const FOR_EXPORT: &str = "SELECT patient, code, time_ns, severity FROM alert ORDER BY no";

const COUNTS: &str = "
    SELECT count(*), count(*) FILTER (WHERE severity = 1), count(*) FILTER (WHERE severity = 2),
           count(*) FILTER (WHERE severity = 3), count(*) FILTER (WHERE severity = 4)
    FROM alert";

/// The condition is the one of the index `alert_urgent`, so only urgent rows are counted through.
const COUNT_URGENT: &str = "SELECT count(*) FROM alert WHERE severity = 4 AND late = 0";

/// Whose alerts are stored, and who says so.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The patient they are about.
    pub patient: PatientId,
    /// The clinic that raised them.
    pub author: SiteId,
    /// The device that sent the readings.
    pub device: &'a DeviceName,
    /// The version of the rules that judged them.
    pub rules_version: u16,
}

/// An alert as it is kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its place in the order of storing; the next page begins below the last one.
    pub no: AlertNo,
    /// The patient it is about.
    pub patient: PatientId,
    /// The clinic that raised it.
    pub author: SiteId,
    /// The device that sent the reading.
    pub device: DeviceName,
    /// The version of the rules that judged it.
    pub rules_version: u16,
    /// The reading that raised it.
    pub reading: ReadingKey,
    /// The alert. The device's own count is not kept; it is part of the reading's key.
    pub alert: Alert,
    /// When this node stored it.
    pub stored_at: Timestamp,
}

/// An alert's place in the order in which this node stored them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertNo(i64);

impl AlertNo {
    /// Above every alert: where the first page begins.
    pub const NEWEST: Self = Self(i64::MAX);

    /// Takes a number that came back from a page.
    #[must_use]
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// The number, for a link to the next page.
    #[must_use]
    pub const fn raw(self) -> i64 {
        self.0
    }
}

/// What an export says about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The patient it is about.
    pub patient: PatientId,
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
    /// All of them.
    pub all: u64,
    /// With severity low.
    pub low: u64,
    /// With severity medium.
    pub medium: u64,
    /// With severity high.
    pub high: u64,
    /// With severity critical, late ones included.
    pub critical: u64,
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

/// Stores an alert unless it is already here, and answers whether it was new.
///
/// # Errors
///
/// [`StoreError`] as the database reports it; nothing is stored then.
pub fn insert(
    conn: &Connection,
    origin: Origin<'_>,
    alert: &Alert,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = conn.prepare_cached(INSERT_ALERT)?.execute(params![
        alert.reading_key(origin.device, origin.patient).bytes(),
        alert.raised.rule.number(),
        origin.rules_version,
        origin.patient.bytes(),
        origin.author.bytes(),
        origin.device.as_str(),
        alert.code.number(),
        alert.unit.as_str(),
        alert.time.nanos(),
        alert.value.to_string(),
        alert.raised.severity.number(),
        alert.raised.direction.number(),
        alert.late,
        now.nanos(),
    ])?;
    Ok(rows == 1)
}

/// Stores what a batch raised for `patient` at clinic `author`, and answers how many were new.
///
/// # Errors
///
/// [`StoreError`] as the database reports it; the caller's savepoint takes back what was stored.
pub fn record(
    conn: &Connection,
    patient: PatientId,
    author: SiteId,
    raised: &AlertsRaised,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let (device, rules_version) = (&raised.device, raised.rules_version);
    let origin = Origin { patient, author, device, rules_version };
    let mut fresh = 0;
    for alert in &raised.alerts {
        fresh += usize::from(insert(conn, origin, alert, now)?);
    }
    Ok(fresh)
}

/// Takes in the payload of an entry that `author` signed in the alerts stream of `patient`, and
/// answers the alerts and how many were new.
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
) -> Result<(AlertsRaised, usize), ApplyError> {
    let raised = AlertsRaised::from_bytes(payload)?;
    let fresh = record(conn, patient, author, &raised, now)?;
    Ok((raised, fresh))
}

/// A page of alerts, the last stored first, below `before` ([`AlertNo::NEWEST`] for the first page).
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn list(conn: &Connection, before: AlertNo, limit: u32) -> Result<Vec<Kept>, StoreError> {
    let mut statement = conn.prepare_cached(NEWEST)?;
    read_all(statement.query(params![before.0, limit])?)
}

/// A page of one patient's alerts, as [`list`].
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn list_of(
    conn: &Connection,
    patient: PatientId,
    before: AlertNo,
    limit: u32,
) -> Result<Vec<Kept>, StoreError> {
    let mut statement = conn.prepare_cached(NEWEST_OF_PATIENT)?;
    read_all(statement.query(params![before.0, limit, patient.bytes()])?)
}

fn read_all(mut rows: rusqlite::Rows<'_>) -> Result<Vec<Kept>, StoreError> {
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        kept.push(read(row)?);
    }
    Ok(kept)
}

const DAMAGED: StoreError = StoreError::Damaged { what: "alert" };

fn read(row: &Row<'_>) -> Result<Kept, StoreError> {
    let text = |column| row.get_ref(column).ok().and_then(|value| value.as_str().ok());
    let raised = Raised {
        rule: RuleNo::from_number(row.get(1)?),
        severity: Severity::from_number(row.get(10)?).ok_or(DAMAGED)?,
        direction: Direction::from_number(row.get(11)?).ok_or(DAMAGED)?,
    };
    let alert = Alert {
        raised,
        code: LoincCode::from_number(row.get(6)?).ok_or(DAMAGED)?,
        unit: text(7).and_then(|unit| UnitText::new(unit).ok()).ok_or(DAMAGED)?,
        time: Timestamp::from_nanos(row.get(8)?),
        value: text(9).and_then(|value| SentValue::parse(value).ok()).ok_or(DAMAGED)?,
        sequence: None,
        late: row.get(12)?,
    };
    Ok(Kept {
        no: AlertNo(row.get(0)?),
        rules_version: row.get(2)?,
        patient: PatientId::from_bytes(row.get(3)?),
        author: SiteId::from_bytes(row.get(4)?),
        device: text(5).and_then(|name| name.parse().ok()).ok_or(DAMAGED)?,
        reading: ReadingKey::from_bytes(row.get(14)?),
        alert,
        stored_at: Timestamp::from_nanos(row.get(13)?),
    })
}

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
    let mut statement = conn.prepare_cached(FOR_EXPORT).map_err(StoreError::from)?;
    let mut rows = statement.query([]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        each(read_line(row)?)?;
    }
    Ok(())
}

fn read_line(row: &Row<'_>) -> Result<Line, StoreError> {
    Ok(Line {
        patient: PatientId::from_bytes(row.get(0)?),
        code: LoincCode::from_number(row.get(1)?).ok_or(DAMAGED)?,
        time: Timestamp::from_nanos(row.get(2)?),
        severity: Severity::from_number(row.get(3)?).ok_or(DAMAGED)?,
    })
}

/// How many alerts are kept, looked at one by one: for a command, not for every page.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn counts(conn: &Connection) -> Result<Counts, StoreError> {
    let number = |row: &Row<'_>, column: usize| row.get(column).map(i64::unsigned_abs);
    Ok(conn.prepare_cached(COUNTS)?.query_row([], |row| {
        Ok(Counts {
            all: number(row, 0)?,
            low: number(row, 1)?,
            medium: number(row, 2)?,
            high: number(row, 3)?,
            critical: number(row, 4)?,
        })
    })?)
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

    fn all(conn: &Connection) -> Vec<Kept> {
        list(conn, AlertNo::NEWEST, 100).unwrap()
    }

    #[test]
    fn what_is_stored_comes_back_newest_first() {
        let conn = database();
        assert_eq!(record(&conn, patient(1), author(), &plain(), now()).unwrap(), 3);
        let kept = all(&conn);
        let mut expected = plain().alerts;
        expected.reverse();
        expected.iter_mut().for_each(|alert| alert.sequence = None);
        let alerts: Vec<_> = kept.iter().map(|kept| kept.alert.clone()).collect();
        assert_eq!(alerts, expected);
        let first = &kept[0];
        assert_eq!((first.patient, first.author), (patient(1), author()));
        assert_eq!((&first.device, first.rules_version), (&plain().device, 1));
        assert_eq!(first.stored_at, now());
        let key = plain().alerts[2].reading_key(&plain().device, patient(1));
        assert_eq!(first.reading, key);
    }

    #[test]
    fn the_same_alert_is_stored_once_whichever_way_it_comes() {
        let conn = database();
        record(&conn, patient(1), author(), &plain(), now()).unwrap();
        assert_eq!(record(&conn, patient(1), author(), &plain(), now()).unwrap(), 0);
        let applied = apply(&conn, patient(1), author(), &plain().to_bytes(), now()).unwrap();
        assert_eq!(applied, (plain(), 0));
        assert_eq!(all(&conn).len(), 3);
    }

    #[test]
    fn another_reading_rule_or_version_is_another_alert() {
        let conn = database();
        let fact = plain();
        record(&conn, patient(1), author(), &fact, now()).unwrap();
        let fresh = |change: &dyn Fn(&mut AlertsRaised)| {
            let mut fact = fact.clone();
            fact.alerts.truncate(1);
            change(&mut fact);
            record(&conn, patient(1), author(), &fact, now()).unwrap()
        };
        assert_eq!(fresh(&|_| ()), 0);
        assert_eq!(fresh(&|fact| fact.rules_version = 2), 1);
        assert_eq!(fresh(&|fact| fact.alerts[0].raised.rule = RuleNo::from_number(8)), 1);
        assert_eq!(fresh(&|fact| fact.alerts[0].sequence = Some(6)), 1);
        assert_eq!(fresh(&|fact| fact.device = "ward-07-mon".parse().unwrap()), 1);
        assert_eq!(fresh(&|fact| fact.alerts[0].late = true), 0);
        assert_eq!(record(&conn, patient(2), author(), &fact, now()).unwrap(), 3);
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let conn = database();
        record(&conn, patient(1), author(), &plain(), now()).unwrap();
        record(&conn, patient(2), author(), &plain(), now()).unwrap();
        let whole = all(&conn);
        let first = list(&conn, AlertNo::NEWEST, 4).unwrap();
        let second = list(&conn, first[3].no, 4).unwrap();
        assert_eq!((first.len(), second.len()), (4, 2));
        assert_eq!([first, second].concat(), whole);
        let of_first = list_of(&conn, patient(1), AlertNo::NEWEST, 100).unwrap();
        assert_eq!(of_first, whole[3..]);
        assert_eq!(list_of(&conn, patient(1), of_first[0].no, 1).unwrap(), of_first[1..2]);
    }

    #[test]
    fn counts_and_export_lines_cover_every_alert() {
        let conn = database();
        assert_eq!(counts(&conn).unwrap(), Counts::default());
        record(&conn, patient(1), author(), &plain(), now()).unwrap();
        let mut late = plain();
        late.device = "ward-07-mon".parse().unwrap();
        late.alerts.iter_mut().for_each(|alert| alert.late = true);
        record(&conn, patient(2), author(), &late, now()).unwrap();
        let expected = Counts { all: 6, low: 0, medium: 2, high: 2, critical: 2 };
        assert_eq!(counts(&conn).unwrap(), expected);
        assert_eq!(open_critical(&conn).unwrap(), 1);
        let mut lines = Vec::new();
        let collected: Result<(), StoreError> = for_each(&conn, |line| {
            lines.push(line);
            Ok(())
        });
        collected.unwrap();
        let expected = Line {
            patient: patient(1),
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
        assert_eq!(counts(&conn).unwrap().all, 0);
    }

    #[test]
    fn open_critical_alerts_are_counted_through_their_index() {
        let conn = database();
        let plan: String = conn
            .query_row(&format!("EXPLAIN QUERY PLAN {COUNT_URGENT}"), [], |row| row.get(3))
            .unwrap();
        assert!(plan.contains("alert_urgent"), "{plan}");
    }
}
