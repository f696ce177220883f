//! Who the patient is: name, birth date, sex, phone, and the number each clinic knows them by.
//!
//! The truth is one small document per patient that every clinic with consent may edit; it merges
//! field by field (`document`). The tables here are a projection of those documents, rebuilt from
//! the same changes in any order. What arrives as text is parsed once into types of this crate;
//! what arrives as a change from another clinic is checked by the same rules before it is merged.

pub mod birth_date;
pub mod name;
pub mod patient;
pub mod phone;
pub mod record;
pub mod record_doc;
pub mod sex;
pub mod store;

pub use birth_date::BirthDate;
pub use name::PersonName;
pub use patient::{Field, NewPatient, Patient, PatientEdit, PatientForm};
pub use phone::Phone;
pub use record::{Author, apply_change, edit, register};
pub use sex::Sex;
