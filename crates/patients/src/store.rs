//! The patients that are known here, and how to find one.

use ::store::{Connection, Room, StoreError};
use document::{ActorSeed, ChangeId, Document};
use rusqlite::{OptionalExtension as _, Row, params};
use vocab::{PatientId, PatientRef, Sensitive, SiteId};

use crate::patient::parse_uuid;
use crate::record::Author;
use crate::{BirthDate, Patient, PersonName, Phone, Sex, record_doc};

/// The tables of this room.
pub const ROOM: Room = Room {
    name: "patients",
    scripts: &[("V1__patient", include_str!("../migrations/001_patient.sql"))],
};

/// Most patients on one page. Source: limits of the HTTP boundary, response rows.
pub const PAGE_ROWS_MAX: u32 = 500;

const EXISTS: &str = "SELECT 1 FROM patient WHERE id = ?1";

const COUNT: &str = "SELECT count(*) FROM patient";

const DOCUMENT: &str = "SELECT saved FROM patient_document WHERE patient = ?1";

const PUT_DOCUMENT: &str = "
    INSERT INTO patient_document (patient, saved) VALUES (?1, ?2)
    ON CONFLICT (patient) DO UPDATE SET saved = excluded.saved";

const PUT_PATIENT: &str = "
    INSERT INTO patient (id, name, birth_date, sex, phone, conflicts)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, birth_date = excluded.birth_date, sex = excluded.sex,
        phone = excluded.phone, conflicts = excluded.conflicts";

const DELETE_REFS: &str = "DELETE FROM patient_ref WHERE patient = ?1";

/// A number can stand twice in one conflict, when both sides wrote the same; the shown one counts.
const INSERT_REF: &str = "
    INSERT INTO patient_ref (site, ref, patient, shown) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (site, ref, patient) DO UPDATE SET shown = max(shown, excluded.shown)";

const PATIENTS_WITH_REF: &str =
    "SELECT patient FROM patient_ref WHERE site = ?1 AND ref = ?2 ORDER BY patient LIMIT 2";

/// The preferred clinic's number first, then any other, always the same one.
const REF_OF: &str = "
    SELECT ref, site FROM patient_ref WHERE patient = ?1 AND shown = 1
    ORDER BY site != ?2, site LIMIT 1";

const LIST: &str = "
    SELECT id, name, birth_date, sex, phone, conflicts, number.ref, number.site
    FROM patient LEFT JOIN patient_ref AS number
        ON number.patient = id AND (number.site, number.ref) = (
            SELECT site, ref FROM patient_ref WHERE patient = id AND shown = 1
            ORDER BY site != ?1, site LIMIT 1)
    WHERE id > ?2 ORDER BY id LIMIT ?3";

const CLASHES: &str = "
    SELECT site, ref, patient FROM patient_ref AS outer
    WHERE EXISTS (
        SELECT 1 FROM patient_ref AS inner
        WHERE inner.site = outer.site AND inner.ref = outer.ref AND inner.patient != outer.patient)
    ORDER BY site, ref, patient LIMIT ?1";

const HELD: &str = "
    SELECT change_id, actor, site, payload FROM patient_pending
    WHERE patient = ?1 ORDER BY change_id";

const HELD_COUNT: &str = "SELECT count(*) FROM patient_pending WHERE patient = ?1";

const INSERT_HELD: &str = "
    INSERT INTO patient_pending (patient, change_id, actor, site, payload)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (patient, change_id) DO NOTHING";

const DELETE_HELD: &str = "DELETE FROM patient_pending WHERE patient = ?1 AND change_id = ?2";

const FORGET: [&str; 4] = [
    "DELETE FROM patient WHERE id = ?1",
    "DELETE FROM patient_ref WHERE patient = ?1",
    "DELETE FROM patient_document WHERE patient = ?1",
    "DELETE FROM patient_pending WHERE patient = ?1",
];

/// A patient in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The same at every clinic.
    pub id: PatientId,
    /// The name, unless somebody cleared it.
    pub name: Option<Sensitive<PersonName>>,
    /// The birth date, if known.
    pub birth_date: Option<Sensitive<BirthDate>>,
    /// The sex.
    pub sex: Sensitive<Sex>,
    /// The phone number, if there is one.
    pub phone: Option<Sensitive<Phone>>,
    /// The number at the clinic that was asked for, else at another, and which clinic that is.
    pub number: Option<(PatientRef, SiteId)>,
    /// How many fields a person has to settle.
    pub conflicts: u32,
}

/// Which part of the list: patients after `after`, at most `rows` and [`PAGE_ROWS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// The last patient of the page before.
    pub after: Option<PatientId>,
    /// How many at most.
    pub rows: u32,
}

/// The patient that `text` means at `site`: the clinic's own number, or a UUID with hyphens.
///
/// `None` when nobody is meant, and when a number means two patients: nobody guesses which.
///
/// # Errors
///
/// [`StoreError`].
pub fn resolve(
    conn: &Connection,
    site: SiteId,
    text: &str,
) -> Result<Option<PatientId>, StoreError> {
    if let Some(id) = parse_uuid(text) {
        return Ok(exists(conn, id)?.then_some(id));
    }
    let Ok(number) = text.parse::<PatientRef>() else { return Ok(None) };
    match patients_with_ref(conn, site, &number)?.as_slice() {
        [only] => Ok(Some(*only)),
        _ => Ok(None),
    }
}

/// The number to print for a patient: that of `site` if it has given one, else another clinic's,
/// always the same. `None` for a patient who is not known here.
///
/// # Errors
///
/// [`StoreError`].
pub fn ref_of(
    conn: &Connection,
    site: SiteId,
    id: PatientId,
) -> Result<Option<PatientRef>, StoreError> {
    Ok(number_of(conn, site, id)?.map(|(number, _)| number))
}

/// The number of a patient as [`ref_of`], and which clinic's it is.
///
/// # Errors
///
/// [`StoreError`].
pub fn number_of(
    conn: &Connection,
    site: SiteId,
    id: PatientId,
) -> Result<Option<(PatientRef, SiteId)>, StoreError> {
    let found: Option<(String, [u8; 16])> = conn
        .prepare_cached(REF_OF)?
        .query_row(params![id.bytes(), site.bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found
        .map(|(text, by)| Ok((text.parse().map_err(|_| DAMAGED)?, SiteId::from_bytes(by))))
        .transpose()
}

/// Whether a patient is known here.
///
/// # Errors
///
/// [`StoreError`].
pub fn exists(conn: &Connection, id: PatientId) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(EXISTS)?.exists(params![id.bytes()])?)
}

/// One patient with every number and every conflict.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the stored document does not load.
pub fn get(conn: &Connection, id: PatientId) -> Result<Option<Patient>, StoreError> {
    let Some(saved) = document(conn, id)? else { return Ok(None) };
    let nobody = ActorSeed::new([0; ActorSeed::BYTES]);
    let doc = Document::load(&saved, nobody).map_err(|_| DAMAGED)?;
    Ok(Some(record_doc::read(id, &doc)))
}

/// How many patients are known here.
///
/// # Errors
///
/// [`StoreError`].
pub fn count(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Patients in the order of their registration, with their numbers at `site`.
///
/// # Errors
///
/// [`StoreError`].
pub fn list(conn: &Connection, site: SiteId, page: ListPage) -> Result<Vec<Listed>, StoreError> {
    let after = page.after.map_or([0; 16], PatientId::bytes);
    let rows = page.rows.min(PAGE_ROWS_MAX);
    let mut statement = conn.prepare_cached(LIST)?;
    let listed = statement.query_map(params![site.bytes(), after, rows], read_listed)?;
    listed.map(|row| row?).collect()
}

fn read_listed(row: &Row<'_>) -> rusqlite::Result<Result<Listed, StoreError>> {
    let (name, date): (String, String) = (row.get(1)?, row.get(2)?);
    let (sex, phone): (String, String) = (row.get(3)?, row.get(4)?);
    let number: Option<String> = row.get(6)?;
    let numbered_by: Option<[u8; 16]> = row.get(7)?;
    let (id, conflicts) = (PatientId::from_bytes(row.get(0)?), row.get(5)?);
    let read = || {
        Some(Listed {
            id,
            name: if_any(&name, |text| PersonName::check(text).ok())?,
            birth_date: if_any(&date, |text| BirthDate::parse(text).ok())?,
            sex: Sensitive::new(Sex::parse(&sex).ok()?),
            phone: if_any(&phone, |text| Phone::parse(text).ok())?,
            number: match (number, numbered_by) {
                (Some(number), Some(site)) => {
                    Some((number.parse().ok()?, SiteId::from_bytes(site)))
                }
                _ => None,
            },
            conflicts,
        })
    };
    Ok(read().ok_or(DAMAGED))
}

/// `Some(None)` for empty text, `None` for text that does not read back.
fn if_any<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<Sensitive<T>>> {
    if text.is_empty() { Some(None) } else { read(text).map(|value| Some(Sensitive::new(value))) }
}

/// Numbers that mean two patients or more, with the patients, at most `rows_max` rows.
///
/// # Errors
///
/// [`StoreError`].
pub fn clashes(
    conn: &Connection,
    rows_max: u32,
) -> Result<Vec<(SiteId, PatientRef, PatientId)>, StoreError> {
    let mut statement = conn.prepare_cached(CLASHES)?;
    let rows = statement.query_map(params![rows_max], |row| {
        let number: String = row.get(1)?;
        Ok((SiteId::from_bytes(row.get(0)?), number, PatientId::from_bytes(row.get(2)?)))
    })?;
    rows.map(|row| {
        let (site, number, patient) = row?;
        Ok((site, number.parse().map_err(|_| DAMAGED)?, patient))
    })
    .collect()
}

/// The patients that a clinic's number means; two are as many as matter.
pub(crate) fn patients_with_ref(
    conn: &Connection,
    site: SiteId,
    number: &PatientRef,
) -> Result<Vec<PatientId>, StoreError> {
    let mut statement = conn.prepare_cached(PATIENTS_WITH_REF)?;
    let found = statement.query_map(params![site.bytes(), number.as_str()], |row| {
        row.get(0).map(PatientId::from_bytes)
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(crate) fn document(conn: &Connection, id: PatientId) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = conn.prepare_cached(DOCUMENT)?;
    Ok(statement.query_row(params![id.bytes()], |row| row.get(0)).optional()?)
}

pub(crate) fn put_document(
    conn: &Connection,
    id: PatientId,
    saved: &[u8],
) -> Result<(), StoreError> {
    conn.prepare_cached(PUT_DOCUMENT)?.execute(params![id.bytes(), saved])?;
    Ok(())
}

pub(crate) fn put_patient(
    conn: &Connection,
    patient: &Patient,
    refs: &[(SiteId, PatientRef, bool)],
) -> Result<(), StoreError> {
    let id = patient.id.bytes();
    let date = patient.birth_date.as_ref().map(|date| date.reveal().to_string());
    conn.prepare_cached(PUT_PATIENT)?.execute(params![
        id,
        patient.name.as_ref().map_or("", |name| name.reveal().as_str()),
        date.unwrap_or_default(),
        patient.sex.reveal().code(),
        patient.phone.as_ref().map_or("", |phone| phone.reveal().as_str()),
        u32::try_from(patient.conflicts.len()).unwrap_or(u32::MAX),
    ])?;
    conn.prepare_cached(DELETE_REFS)?.execute(params![id])?;
    let mut insert = conn.prepare_cached(INSERT_REF)?;
    for (site, number, shown) in refs {
        insert.execute(params![site.bytes(), number.as_str(), id, shown])?;
    }
    Ok(())
}

/// A change that waits for what it builds on.
pub(crate) struct Held {
    pub(crate) change: ChangeId,
    pub(crate) author: Author,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn held(conn: &Connection, id: PatientId) -> Result<Vec<Held>, StoreError> {
    let mut statement = conn.prepare_cached(HELD)?;
    let rows = statement.query_map(params![id.bytes()], |row| {
        let author =
            Author { actor: ActorSeed::new(row.get(1)?), site: SiteId::from_bytes(row.get(2)?) };
        Ok(Held { change: ChangeId::from_bytes(row.get(0)?), author, payload: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn held_count(conn: &Connection, id: PatientId) -> Result<usize, StoreError> {
    let mut statement = conn.prepare_cached(HELD_COUNT)?;
    let count: i64 = statement.query_row(params![id.bytes()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(crate) fn insert_held(conn: &Connection, id: PatientId, held: &Held) -> Result<(), StoreError> {
    conn.prepare_cached(INSERT_HELD)?.execute(params![
        id.bytes(),
        held.change.bytes(),
        held.author.actor.bytes(),
        held.author.site.bytes(),
        held.payload,
    ])?;
    Ok(())
}

pub(crate) fn delete_held(
    conn: &Connection,
    id: PatientId,
    change: ChangeId,
) -> Result<(), StoreError> {
    conn.prepare_cached(DELETE_HELD)?.execute(params![id.bytes(), change.bytes()])?;
    Ok(())
}

/// Removes everything that is known about a patient here.
pub(crate) fn forget(conn: &Connection, id: PatientId) -> Result<(), StoreError> {
    for sql in FORGET {
        conn.prepare_cached(sql)?.execute(params![id.bytes()])?;
    }
    Ok(())
}

const DAMAGED: StoreError = StoreError::Damaged { what: "patient" };
