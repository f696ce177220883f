//! Which document field holds which part of an identity, and who may write it.
//!
//! | field | value |
//! |---|---|
//! | `name`, `birth_date`, `sex`, `phone` | text, as the types of this crate write it |
//! | `ref/<site>` | the number at that clinic, written by that clinic only |
//! | anything else | from a newer version; kept and passed on, not shown |

use document::{Document, Edit, FieldChange, Value};
use vocab::{PatientId, PatientRef, Sensitive, SiteId};

use crate::patient::{Conflict, parse_ref};
use crate::{BirthDate, Field, NewPatient, Patient, PatientEdit, PersonName, Phone, Sex};

const NAME: &str = "name";
const BIRTH_DATE: &str = "birth_date";
const SEX: &str = "sex";
const PHONE: &str = "phone";
const REF_PREFIX: &str = "ref/";

/// Fields with one value for everybody, in the order in which they are shown.
const SHARED: [(&str, Field); 4] =
    [(NAME, Field::Name), (BIRTH_DATE, Field::BirthDate), (SEX, Field::Sex), (PHONE, Field::Phone)];

/// Writes a registration at `site` into an empty document's first edit.
pub(crate) fn write_new(edit: &mut Edit, new: &NewPatient, site: SiteId) {
    write(edit, &PatientEdit::Name(new.name.clone()), site);
    if new.birth_date.is_some() {
        write(edit, &PatientEdit::BirthDate(new.birth_date.clone()), site);
    }
    write(edit, &PatientEdit::Sex(new.sex.clone()), site);
    if new.phone.is_some() {
        write(edit, &PatientEdit::Phone(new.phone.clone()), site);
    }
    write(edit, &PatientEdit::Ref(new.patient_ref.clone()), site);
}

/// Writes one change made at `site`.
pub(crate) fn write(edit: &mut Edit, change: &PatientEdit, site: SiteId) {
    match change {
        PatientEdit::Name(name) => edit.set(NAME, name.reveal().as_str()),
        PatientEdit::BirthDate(Some(date)) => edit.set(BIRTH_DATE, date.reveal().to_string()),
        PatientEdit::BirthDate(None) => edit.clear(BIRTH_DATE),
        PatientEdit::Sex(sex) => edit.set(SEX, sex.reveal().code()),
        PatientEdit::Phone(Some(phone)) => edit.set(PHONE, phone.reveal().as_str()),
        PatientEdit::Phone(None) => edit.clear(PHONE),
        PatientEdit::Ref(number) => edit.set(&ref_field(site), number.as_str()),
    }
}

fn ref_field(site: SiteId) -> String {
    format!("{REF_PREFIX}{site}")
}

/// Whether a clinic may write a field so. Clearing is allowed wherever setting is: settling a
/// conflict is written as clearing the values that lost.
pub(crate) fn allowed(change: FieldChange<'_>, site: SiteId) -> bool {
    if change.field.starts_with(REF_PREFIX) && change.field != ref_field(site) {
        return false;
    }
    let Some(value) = change.value else { return true };
    let text = value.as_text();
    match change.field {
        NAME => text.is_some_and(|text| PersonName::check(text).is_ok()),
        BIRTH_DATE => text.is_some_and(|text| BirthDate::parse(text).is_ok()),
        SEX => text.is_some_and(|text| Sex::parse(text).is_ok()),
        PHONE => text.is_some_and(|text| read_phone(text).is_some()),
        field if field.starts_with(REF_PREFIX) => text.is_some_and(|text| read_ref(text).is_some()),
        _ => true,
    }
}

/// The identity that a document shows.
pub(crate) fn read(id: PatientId, doc: &Document) -> Patient {
    let text = |field| doc.get(field).and_then(Value::as_text);
    Patient {
        id,
        name: text(NAME).and_then(|t| PersonName::check(t).ok()).map(Sensitive::new),
        birth_date: text(BIRTH_DATE).and_then(|t| BirthDate::parse(t).ok()).map(Sensitive::new),
        sex: Sensitive::new(text(SEX).and_then(|t| Sex::parse(t).ok()).unwrap_or_default()),
        phone: text(PHONE).and_then(read_phone).map(Sensitive::new),
        refs: all_refs(doc)
            .into_iter()
            .filter(|(.., shown)| *shown)
            .map(|(s, r, _)| (s, r))
            .collect(),
        conflicts: conflicts(doc),
    }
}

/// Every number that any clinic gave, also those in conflict, each with whether it is the shown one.
pub(crate) fn all_refs(doc: &Document) -> Vec<(SiteId, PatientRef, bool)> {
    let mut refs = Vec::new();
    for (field, shown) in doc.fields() {
        let site = field.strip_prefix(REF_PREFIX).and_then(|site| site.parse::<SiteId>().ok());
        let Some(site) = site else { continue };
        refs.extend(shown.as_text().and_then(read_ref).map(|number| (site, number, true)));
        for other in doc.conflicts(field).iter().skip(1) {
            let number = other.value.as_text().and_then(read_ref);
            refs.extend(number.map(|number| (site, number, false)));
        }
    }
    refs
}

fn conflicts(doc: &Document) -> Vec<Conflict> {
    let refs = doc.fields().map(|(field, _)| field).filter(|field| field.starts_with(REF_PREFIX));
    SHARED
        .into_iter()
        .chain(refs.map(|field| (field, Field::Ref)))
        .filter_map(|(name, field)| {
            let mut values: Vec<Sensitive<String>> = Vec::new();
            for written in doc.conflicts(name) {
                let text = Sensitive::new(written.value.as_text()?.to_owned());
                if !values.contains(&text) {
                    values.push(text);
                }
            }
            // Two clinics that wrote the same value have nothing to settle.
            (values.len() > 1).then_some(Conflict { field, values })
        })
        .collect()
}

/// In documents a phone number stands in the one form that [`Phone`] writes.
fn read_phone(text: &str) -> Option<Phone> {
    Phone::parse(text).ok().filter(|phone| phone.as_str() == text)
}

fn read_ref(text: &str) -> Option<PatientRef> {
    parse_ref(text).ok().filter(|number| number.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(n: u8) -> SiteId {
        SiteId::from_bytes([n; 16])
    }

    #[track_caller]
    fn check(field: &str, value: Option<&str>, expected: bool) {
        let value = value.map(Value::from);
        let change = FieldChange { field, value: value.as_ref() };
        assert_eq!(allowed(change, site(1)), expected, "{field}");
    }

    #[test]
    fn a_clinic_writes_good_values_and_its_own_number_only() {
        check("name", Some("Asha"), true);
        check("name", Some(""), false);
        check("name", Some("\u{202e}ahsA"), false);
        check("birth_date", Some("1984"), true);
        check("birth_date", Some("84"), false);
        check("sex", Some("female"), true);
        check("sex", Some("F"), false);
        check("phone", Some("+919876543210"), true);
        check("phone", Some("+91 98765 43210"), false);
        check(&ref_field(site(1)), Some("mrn-7"), true);
        check(&ref_field(site(1)), Some("mrn 7"), false);
        check(&ref_field(site(1)), None, true);
        check(&ref_field(site(2)), Some("mrn-7"), false);
        check(&ref_field(site(2)), None, false);
        check("ref/", Some("mrn-7"), false);
        check("address", Some("from a newer version"), true);
    }
}
