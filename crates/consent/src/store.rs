//! Where consent events are kept: one row each, never changed, never deleted.

use rusqlite::{OptionalExtension as _, Row, params};
use store::{Connection, Room, StoreError};
use vocab::{FactKind, PatientId, SiteId, Timestamp};

use crate::fact::{BadFact, ConsentEvent};
use crate::grant::Grant;
use crate::revoke::Revoke;
use crate::state::ConsentState;

/// The tables of this room.
pub const ROOM: Room = Room {
    name: "consent",
    scripts: &[
        ("V1__event", include_str!("../migrations/001_event.sql")),
        ("V2__of_age", include_str!("../migrations/002_of_age.sql")),
        ("V3__emergency", include_str!("../migrations/003_emergency.sql")),
    ],
};

/// The id is the hash of the bytes: the same event twice is one row.
const INSERT_EVENT: &str = "
    INSERT INTO consent_event (id, patient, kind, author, stored_at_ns, bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (id) DO NOTHING";

const FORGET: &str = "DELETE FROM consent_event WHERE patient = ?1";
const FORGET_GRANT: &str = "DELETE FROM consent_event WHERE id = ?1 AND kind = ?2";
const EVENTS_OF_PATIENT: &str = "
    SELECT kind, author, stored_at_ns, bytes FROM consent_event
    WHERE patient = ?1 ORDER BY stored_at_ns DESC, id";

const PATIENTS: &str = "SELECT DISTINCT patient FROM consent_event ORDER BY patient";

const COUNTS: &str = "
    SELECT count(*) FILTER (WHERE kind = ?1), count(*) FILTER (WHERE kind = ?2)
    FROM consent_event";

const HAS_EVENT: &str = "SELECT 1 FROM consent_event WHERE id = ?1";

const OF_AGE: &str = "SELECT at FROM of_age WHERE patient = ?1";
const SET_OF_AGE: &str = "
    INSERT INTO of_age (patient, at) VALUES (?1, ?2)
    ON CONFLICT (patient) DO UPDATE SET at = excluded.at";
const NO_AGE: &str = "DELETE FROM of_age WHERE patient = ?1";

/// An event as it is kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What was allowed or taken back.
    pub event: ConsentEvent,
    /// The clinic that took it down and signed it.
    pub author: SiteId,
    /// When this node stored it.
    pub stored_at: Timestamp,
}

/// How many events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Grants.
    pub grants: u64,
    /// Revocations.
    pub revokes: u64,
}

/// Why an entry of a consent stream was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The payload is no consent event; its author is at fault.
    #[error("the entry holds no consent event")]
    Fact(#[from] BadFact),
    /// The event is about another patient than its stream; its author is at fault.
    #[error("the consent event is about another patient than its stream")]
    OtherPatient,
    /// The database refused; trying again may succeed.
    #[error("storing a consent event")]
    Store(#[from] StoreError),
}

/// Keeps a grant taken down by clinic `author` and answers whether it was new.
///
/// # Errors
///
/// [`StoreError`] as the database reports it; nothing is stored then.
pub fn record_grant(
    conn: &Connection,
    grant: Grant,
    author: SiteId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    insert(conn, &ConsentEvent::Grant(grant), author, now)
}

/// Keeps a revocation taken down by clinic `author` and answers whether it was new.
///
/// # Errors
///
/// [`StoreError`] as the database reports it; nothing is stored then.
pub fn record_revoke(
    conn: &Connection,
    revoke: Revoke,
    author: SiteId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    insert(conn, &ConsentEvent::Revoke(revoke), author, now)
}

/// Takes in the payload of an entry that `author` signed in the consent stream of `patient`, and
/// answers the event and whether it was new.
///
/// # Errors
///
/// [`ApplyError`] says whose fault it is.
pub fn apply(
    conn: &Connection,
    patient: PatientId,
    author: SiteId,
    kind: FactKind,
    payload: &[u8],
    now: Timestamp,
) -> Result<(ConsentEvent, bool), ApplyError> {
    let event = ConsentEvent::from_bytes(kind, payload)?;
    if event.patient() != patient {
        return Err(ApplyError::OtherPatient);
    }
    let fresh = insert(conn, &event, author, now)?;
    Ok((event, fresh))
}

fn insert(
    conn: &Connection,
    event: &ConsentEvent,
    author: SiteId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows = conn.prepare_cached(INSERT_EVENT)?.execute(params![
        event.id_bytes(),
        event.patient().bytes(),
        event.kind().number(),
        author.bytes(),
        now.nanos(),
        event.to_bytes(),
    ])?;
    Ok(rows == 1)
}

/// Forgets everything that a patient allowed and took back: it is erased by order. Nothing is allowed
/// then.
///
/// # Errors
///
/// The database's.
pub fn forget(conn: &Connection, patient: PatientId) -> Result<(), StoreError> {
    conn.prepare_cached(FORGET)?.execute([patient.bytes()])?;
    Ok(())
}

/// Forgets one grant. A revocation is never forgotten alone: what it took back would hold again.
///
/// # Errors
///
/// The database's.
pub fn forget_grant(conn: &Connection, event: &ConsentEvent) -> Result<(), StoreError> {
    conn.prepare_cached(FORGET_GRANT)?
        .execute(params![event.id_bytes(), FactKind::ConsentGrant.number()])?;
    Ok(())
}

/// What the events kept about `patient` amount to; a patient never heard of allowed nothing.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a kept event does not read back: then nothing may be released.
pub fn state_of(conn: &Connection, patient: PatientId) -> Result<ConsentState, StoreError> {
    let kept = list(conn, patient)?;
    let of_age = of_age(conn, patient)?;
    let state = ConsentState::from_events(patient, kept.into_iter().map(|kept| kept.event));
    Ok(state.coming_of_age(of_age))
}

/// When a patient comes of age, if that is known.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn of_age(conn: &Connection, patient: PatientId) -> Result<Option<Timestamp>, StoreError> {
    let at = conn.prepare_cached(OF_AGE)?.query_row([patient.bytes()], |row| row.get(0));
    Ok(at.optional()?.map(Timestamp::from_millis))
}

/// Notes when a patient comes of age, by the birth date in the record; `None` if nobody knows.
/// Answers whether that is news.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn note_of_age(
    conn: &Connection,
    patient: PatientId,
    of_age: Option<Timestamp>,
) -> Result<bool, StoreError> {
    if self::of_age(conn, patient)? == of_age {
        return Ok(false);
    }
    match of_age {
        Some(at) => {
            conn.prepare_cached(SET_OF_AGE)?.execute(params![patient.bytes(), at.millis()])?
        }
        None => conn.prepare_cached(NO_AGE)?.execute([patient.bytes()])?,
    };
    Ok(true)
}

/// Every event about `patient`, the last stored first.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a kept event does not read back.
pub fn list(conn: &Connection, patient: PatientId) -> Result<Vec<Kept>, StoreError> {
    let mut statement = conn.prepare_cached(EVENTS_OF_PATIENT)?;
    let mut rows = statement.query([patient.bytes()])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        kept.push(read(row)?);
    }
    Ok(kept)
}

fn read(row: &Row<'_>) -> Result<Kept, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { what: "consent event" };
    let kind = FactKind::from_number(row.get(0)?).ok_or(DAMAGED)?;
    let bytes = row.get_ref(3)?.as_blob().map_err(|_| DAMAGED)?;
    Ok(Kept {
        event: ConsentEvent::from_bytes(kind, bytes).map_err(|_| DAMAGED)?,
        author: SiteId::from_bytes(row.get(1)?),
        stored_at: Timestamp::from_nanos(row.get(2)?),
    })
}

/// Every patient about whom an event is kept, by id; for building all states at a start.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn patients(conn: &Connection) -> Result<Vec<PatientId>, StoreError> {
    let mut statement = conn.prepare_cached(PATIENTS)?;
    let ids = statement.query_map([], |row| row.get(0).map(PatientId::from_bytes))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Whether this very event is kept.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn has(conn: &Connection, event: &ConsentEvent) -> Result<bool, StoreError> {
    let found =
        conn.prepare_cached(HAS_EVENT)?.query_row([event.id_bytes()], |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// How many events are kept, for the status page.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn counts(conn: &Connection) -> Result<Counts, StoreError> {
    let kinds = [FactKind::ConsentGrant.number(), FactKind::ConsentRevoke.number()];
    let (grants, revokes): (i64, i64) =
        conn.prepare_cached(COUNTS)?.query_row(kinds, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Counts { grants: grants.unsigned_abs(), revokes: revokes.unsigned_abs() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ask, Decision, Denial, RevokeScope, RevokeTerms, decide, grant, revoke};

    fn database() -> Connection {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[ROOM]).unwrap();
        conn
    }

    fn patient() -> PatientId {
        grant::tests::plain().patient
    }

    fn author() -> SiteId {
        SiteId::from_bytes([8; 16])
    }

    fn now(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn plain_grant() -> Grant {
        Grant::new(grant::tests::plain()).unwrap()
    }

    fn plain_revoke() -> Revoke {
        let scope = RevokeScope::Grants([plain_grant().id()].into());
        Revoke::new(RevokeTerms { scope, ..revoke::tests::plain() }).unwrap()
    }

    #[test]
    fn an_event_is_kept_once_and_its_first_arrival_stands() {
        let conn = database();
        assert!(record_grant(&conn, plain_grant(), author(), now(1)).unwrap());
        let later = SiteId::from_bytes([9; 16]);
        assert!(!record_grant(&conn, plain_grant(), later, now(2)).unwrap());
        assert!(record_revoke(&conn, plain_revoke(), later, now(3)).unwrap());
        let kept = list(&conn, patient()).unwrap();
        let expected = [
            Kept { event: ConsentEvent::Revoke(plain_revoke()), author: later, stored_at: now(3) },
            Kept { event: ConsentEvent::Grant(plain_grant()), author: author(), stored_at: now(1) },
        ];
        assert_eq!(kept, expected);
        assert_eq!(counts(&conn).unwrap(), Counts { grants: 1, revokes: 1 });
        assert_eq!(patients(&conn).unwrap(), [patient()]);
        assert!(has(&conn, &ConsentEvent::Grant(plain_grant())).unwrap());
    }

    #[test]
    fn what_was_kept_decides() {
        let conn = database();
        let ask = Ask {
            recipient: SiteId::from_bytes([2; 16]),
            compartment: vocab::Compartment::Vitals,
            purpose: vocab::Purpose::Treatment,
            action: crate::scope::Action::Replicate,
            at: now(10),
            author_site: None,
        };
        let answer = || decide(&state_of(&conn, patient()).unwrap(), &ask);
        assert_eq!(answer(), Decision::Deny { because: Denial::NeverGranted });
        record_grant(&conn, plain_grant(), author(), now(1)).unwrap();
        assert!(answer().is_permit());
        record_revoke(&conn, plain_revoke(), author(), now(2)).unwrap();
        let pair = (plain_grant().id(), plain_revoke().id());
        assert_eq!(answer(), Decision::Deny { because: Denial::Withdrawn(vec![pair]) });
        let stranger = PatientId::from_bytes([5; 16]);
        assert_eq!(state_of(&conn, stranger).unwrap(), ConsentState::new(stranger));
    }

    #[test]
    fn an_entry_counts_only_in_the_stream_of_its_patient() {
        let conn = database();
        let event = ConsentEvent::Grant(plain_grant());
        let apply_to =
            |patient, kind, bytes: &[u8]| apply(&conn, patient, author(), kind, bytes, now(1));
        let stranger = PatientId::from_bytes([5; 16]);
        let bytes = event.to_bytes();
        assert!(matches!(apply_to(stranger, event.kind(), &bytes), Err(ApplyError::OtherPatient)));
        assert!(matches!(apply_to(patient(), event.kind(), &bytes[1..]), Err(ApplyError::Fact(_))));
        assert_eq!(counts(&conn).unwrap(), Counts { grants: 0, revokes: 0 });
        assert_eq!(apply_to(patient(), event.kind(), &bytes).unwrap(), (event.clone(), true));
        assert_eq!(apply_to(patient(), event.kind(), &bytes).unwrap(), (event, false));
    }

    #[test]
    fn the_birth_date_counts_as_it_is_now() {
        let conn = database();
        let of_age = |at: Option<i64>| at.map(Timestamp::from_millis);
        let known = || state_of(&conn, patient()).unwrap().of_age();
        assert_eq!(known(), None);
        for (at, news) in [(Some(7), true), (Some(7), false), (Some(8), true), (None, true)] {
            assert_eq!(note_of_age(&conn, patient(), of_age(at)).unwrap(), news);
            assert_eq!(known(), of_age(at));
        }
        assert!(!note_of_age(&conn, patient(), None).unwrap());
    }

    #[test]
    fn a_damaged_event_is_reported_and_releases_nothing() {
        let conn = database();
        record_grant(&conn, plain_grant(), author(), now(1)).unwrap();
        conn.execute_batch("UPDATE consent_event SET bytes = x'01'").unwrap();
        let state = state_of(&conn, patient());
        assert!(matches!(state, Err(StoreError::Damaged { what: "consent event" })));
    }
}
