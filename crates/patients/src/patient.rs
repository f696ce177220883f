//! A patient's identity, as it is entered, edited and shown.

use std::fmt;

use vocab::{PatientId, PatientRef, Sensitive, SiteId, Timestamp};

use crate::birth_date::BadBirthDate;
use crate::name::BadName;
use crate::phone::BadPhone;
use crate::sex::BadSex;
use crate::{BirthDate, PersonName, Phone, Sex};

/// A part of the identity, for naming what is wrong or in conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The name.
    Name,
    /// The birth date.
    BirthDate,
    /// The sex.
    Sex,
    /// The phone number.
    Phone,
    /// The number that a clinic knows the patient by.
    Ref,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::Phone => "phone",
            Self::Ref => "patient_ref",
        })
    }
}

/// A registration as it was typed. Empty text stands for "not known" where that is allowed.
#[derive(Clone, Copy, Default)]
pub struct PatientForm<'a> {
    /// Required.
    pub name: &'a str,
    /// `1984-03-02`, `1984-03`, `1984` or empty.
    pub birth_date: &'a str,
    /// A FHIR administrative-gender code or empty.
    pub sex: &'a str,
    /// A phone number or empty.
    pub phone: &'a str,
    /// The clinic's own number for the patient. Required.
    pub patient_ref: &'a str,
}

/// What is wrong with one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// See [`BadName`].
    #[error(transparent)]
    Name(#[from] BadName),
    /// See [`BadBirthDate`].
    #[error(transparent)]
    BirthDate(#[from] BadBirthDate),
    /// See [`BadSex`].
    #[error(transparent)]
    Sex(#[from] BadSex),
    /// See [`BadPhone`].
    #[error(transparent)]
    Phone(#[from] BadPhone),
    /// No short plain name, or one that could be taken for a patient's UUID.
    #[error("a patient number has 1 to 64 letters, digits, '.', '_' and '-', and is no UUID")]
    Ref,
}

impl BadField {
    /// Which field it is.
    #[must_use]
    pub const fn field(self) -> Field {
        match self {
            Self::Name(_) => Field::Name,
            Self::BirthDate(_) => Field::BirthDate,
            Self::Sex(_) => Field::Sex,
            Self::Phone(_) => Field::Phone,
            Self::Ref => Field::Ref,
        }
    }
}

/// Everything that is wrong with a form, in the order of its fields; at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of the fields cannot be read, the first is {}", .0.len(), first_field(.0))]
pub struct BadForm(pub Vec<BadField>);

fn first_field(bad: &[BadField]) -> Field {
    bad.first().map_or(Field::Name, |bad| bad.field())
}

/// A registration whose every field was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPatient {
    /// The name.
    pub name: Sensitive<PersonName>,
    /// The birth date, if known.
    pub birth_date: Option<Sensitive<BirthDate>>,
    /// The sex.
    pub sex: Sensitive<Sex>,
    /// The phone number, if there is one.
    pub phone: Option<Sensitive<Phone>>,
    /// The clinic's own number.
    pub patient_ref: PatientRef,
}

impl NewPatient {
    /// Reads a form that was filled in at `now`.
    ///
    /// # Errors
    ///
    /// [`BadForm`] names every field that cannot be read.
    pub fn parse(form: PatientForm<'_>, now: Timestamp) -> Result<Self, BadForm> {
        let mut bad = Vec::new();
        let name = keep(PersonName::parse(form.name), &mut bad);
        let date = |text: &str| BirthDate::parse(text).and_then(|date| date.not_after(now));
        let birth_date = keep(if_given(form.birth_date, date), &mut bad);
        let sex = keep(if_given(form.sex, Sex::parse), &mut bad);
        let phone = keep(if_given(form.phone, Phone::parse), &mut bad);
        let patient_ref = keep(parse_ref(form.patient_ref), &mut bad);
        match (name, birth_date, sex, phone, patient_ref) {
            (Some(name), Some(birth_date), Some(sex), Some(phone), Some(patient_ref)) => Ok(Self {
                name: Sensitive::new(name),
                birth_date: birth_date.map(Sensitive::new),
                sex: Sensitive::new(sex.unwrap_or_default()),
                phone: phone.map(Sensitive::new),
                patient_ref,
            }),
            _ => Err(BadForm(bad)),
        }
    }
}

fn keep<T, E: Into<BadField>>(read: Result<T, E>, bad: &mut Vec<BadField>) -> Option<T> {
    read.map_err(|error| bad.push(error.into())).ok()
}

fn if_given<T, E>(text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, E> {
    match text.trim() {
        "" => Ok(None),
        text => read(text).map(Some),
    }
}

/// Reads a clinic's own number for a patient.
///
/// # Errors
///
/// [`BadField::Ref`].
pub fn parse_ref(text: &str) -> Result<PatientRef, BadField> {
    match text.trim().parse() {
        Ok(number) if parse_uuid(text.trim()).is_none() => Ok(number),
        _ => Err(BadField::Ref),
    }
}

/// A patient's UUID in its usual form with hyphens. Other spellings of a UUID are left to be a
/// clinic's own numbers: 32 hexadecimal digits are one in some systems.
pub(crate) fn parse_uuid(text: &str) -> Option<PatientId> {
    const HYPHENATED: usize = 36;
    if text.len() == HYPHENATED { text.parse().ok() } else { None }
}

/// One change to an identity. Everything not named stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatientEdit {
    /// Another name.
    Name(Sensitive<PersonName>),
    /// Another birth date, or none.
    BirthDate(Option<Sensitive<BirthDate>>),
    /// Another sex.
    Sex(Sensitive<Sex>),
    /// Another phone number, or none.
    Phone(Option<Sensitive<Phone>>),
    /// Another number at the clinic that edits. A clinic never changes another's number.
    Ref(PatientRef),
}

/// An identity as every clinic shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    /// The same at every clinic.
    pub id: PatientId,
    /// The name; none only when somebody cleared it.
    pub name: Option<Sensitive<PersonName>>,
    /// The birth date, if known.
    pub birth_date: Option<Sensitive<BirthDate>>,
    /// The sex.
    pub sex: Sensitive<Sex>,
    /// The phone number, if there is one.
    pub phone: Option<Sensitive<Phone>>,
    /// The number at each clinic that has given one, by clinic.
    pub refs: Vec<(SiteId, PatientRef)>,
    /// Fields that two clinics set without seeing each other's value, for a person to settle.
    pub conflicts: Vec<Conflict>,
}

/// A field with several values; setting it to any value settles it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which field.
    pub field: Field,
    /// The values as text, the shown one first.
    pub values: Vec<Sensitive<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: PatientForm<'_> = PatientForm {
        name: "Asha Devi",
        birth_date: "1984-03-02",
        sex: "female",
        phone: "+91 98765 43210",
        patient_ref: "mrn-1881",
    };

    fn parse(form: PatientForm<'_>) -> Result<NewPatient, BadForm> {
        NewPatient::parse(form, "2026-06-12T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_full_form_and_a_sparse_one_are_read() {
        let full = parse(GOOD).unwrap();
        assert_eq!(full.name.reveal().as_str(), "Asha Devi");
        assert_eq!(*full.sex.reveal(), Sex::Female);
        let sparse = PatientForm { name: "Asha", patient_ref: "7", ..PatientForm::default() };
        let sparse = parse(sparse).unwrap();
        assert_eq!(*sparse.sex.reveal(), Sex::Unknown);
        assert!(sparse.birth_date.is_none() && sparse.phone.is_none());
    }

    #[test]
    fn every_bad_field_is_named_and_none_is_quoted() {
        let bad = PatientForm {
            name: "\u{202e}planted",
            birth_date: "2027-01-01",
            sex: "planted",
            phone: "planted",
            patient_ref: "planted planted",
        };
        let error = parse(bad).unwrap_err();
        let fields: Vec<Field> = error.0.iter().map(|bad| bad.field()).collect();
        assert_eq!(fields, [Field::Name, Field::BirthDate, Field::Sex, Field::Phone, Field::Ref]);
        assert!(!format!("{error} {error:?} {:?}", parse(GOOD)).contains("planted"));
        let name = PersonName::parse("planted").unwrap();
        let phone = Phone::parse("98765").unwrap();
        let date = BirthDate::parse("1984").unwrap();
        let shown = format!("{:?} {name:?} {phone:?} {date:?}", parse(GOOD));
        for value in ["Asha", "planted", "98765", "1984"] {
            assert!(!shown.contains(value), "{value}");
        }
        let other = parse(PatientForm { sex: "F", ..GOOD }).unwrap_err();
        assert_eq!(other.to_string(), "1 of the fields cannot be read, the first is sex");
    }

    #[test]
    fn a_patient_number_is_never_taken_for_a_uuid() {
        let uuid = "0199a1b2-0000-7000-8000-000000000001";
        assert_eq!(parse_ref(uuid), Err(BadField::Ref));
        assert!(parse_ref("0199a1b2000070008000000000000001").is_ok());
        assert!(parse_uuid(uuid).is_some());
        assert!(parse_uuid("0199a1b2000070008000000000000001").is_none());
    }
}
