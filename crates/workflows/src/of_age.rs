//! When a patient comes of age follows from the record's birth date.

use consent::grantor::OF_AGE_YEARS;
use store::{Connection, StoreError};
use vocab::PatientId;

/// Tells the consent room what the record says now.
pub(crate) fn note_of_age(conn: &Connection, patient: PatientId) -> Result<(), StoreError> {
    let record = patients::store::get(conn, patient)?;
    let born = record.as_ref().and_then(|record| record.birth_date.as_ref());
    let of_age = born.and_then(|date| date.reveal().earliest_age(OF_AGE_YEARS));
    consent::store::note_of_age(conn, patient, of_age)?;
    Ok(())
}
