//! Patients from the command line.

use std::collections::BTreeMap;
use std::sync::Arc;

use host::control::{Answer, Refusal};
use patients::patient::BadForm;
use patients::store::ListPage;
use patients::{BirthDate, NewPatient, PatientEdit, PatientForm, PersonName, Phone, Sex};
use serde::{Deserialize, Serialize};
use store::Connection;
use vocab::{Compartment, PatientId, Sensitive, SiteId};
use workflows::WorkflowError;
use workflows::edit_patient::edit_patient;
use workflows::register_patient::register_patient;

use super::export::pieces;
use crate::node::Node;

/// Patients read from the database at once for a list.
const LIST_ROWS: u32 = 500;

/// A patient as typed or as a row of a file.
#[derive(Clone, Serialize, Deserialize)]
pub struct PatientRow {
    /// The clinic's own number.
    pub patient_ref: String,
    /// The name.
    #[serde(default)]
    pub name: String,
    /// `1984-03-02`, `1984-03` or `1984`; empty if unknown.
    #[serde(default)]
    pub birth_date: String,
    /// `female`, `male`, `other` or `unknown`.
    #[serde(default)]
    pub sex: String,
    /// A phone number, or nothing.
    #[serde(default)]
    pub phone: String,
}

impl std::fmt::Debug for PatientRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PatientRow([redacted])")
    }
}

/// Registers patients, all or none.
pub(super) async fn add(node: &Node, rows: Vec<PatientRow>) -> Result<Answer, Refusal> {
    let now = node.clock.now();
    let mut fresh = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let form = PatientForm {
            name: &row.name,
            birth_date: &row.birth_date,
            sex: &row.sex,
            phone: &row.phone,
            patient_ref: &row.patient_ref,
        };
        let new = NewPatient::parse(form, now)
            .map_err(|bad| refused_row(number + 1, rows.len(), &bad))?;
        fresh.push((PatientId::from_uuid(node.random.uuid(now)), new));
    }
    let count = fresh.len();
    node.writer
        .write(move |conn, state| {
            fresh
                .iter()
                .try_for_each(|(id, new)| register_patient(conn, &mut state.0, now, *id, new))
        })
        .await
        .map_err(Refusal::because)?;
    node.outbox_grew.notify_one();
    Ok(Answer::from(super::counted("registered", count, "patient")))
}

/// What is wrong with each field that is.
fn refused_row(number: usize, of: usize, bad: &BadForm) -> Refusal {
    let fields: Vec<String> = bad.0.iter().map(ToString::to_string).collect();
    let place = if of > 1 { format!("row {number}: ") } else { String::new() };
    Refusal::new(format!("{place}{}", fields.join("; ")))
}

/// Changes what the row names.
pub(super) async fn edit(node: &Node, row: PatientRow) -> Result<Answer, Refusal> {
    let now = node.clock.now();
    let edits = edits(&row, now)?;
    let site = node.own_site()?;
    let changed = node
        .writer
        .write(move |conn, state| {
            let id = patients::store::resolve(conn, site, &row.patient_ref)?
                .ok_or(WorkflowError::UnknownPatient)?;
            edit_patient(conn, &mut state.0, now, id, &edits)
        })
        .await
        .map_err(Refusal::because)?;
    node.outbox_grew.notify_one();
    let text = if changed { "changed\n" } else { "nothing to change\n" };
    Ok(Answer::from(text.to_owned()))
}

fn edits(row: &PatientRow, now: vocab::Timestamp) -> Result<Vec<PatientEdit>, Refusal> {
    let mut edits = Vec::new();
    if !row.name.is_empty() {
        let name = PersonName::parse(&row.name).map_err(Refusal::because)?;
        edits.push(PatientEdit::Name(Sensitive::new(name)));
    }
    if !row.birth_date.is_empty() {
        let date = BirthDate::parse(&row.birth_date).and_then(|date| date.not_after(now));
        edits.push(PatientEdit::BirthDate(Some(Sensitive::new(date.map_err(Refusal::because)?))));
    }
    if !row.sex.is_empty() {
        edits.push(PatientEdit::Sex(Sensitive::new(
            Sex::parse(&row.sex).map_err(Refusal::because)?,
        )));
    }
    if !row.phone.is_empty() {
        let phone = Phone::parse(&row.phone).map_err(Refusal::because)?;
        edits.push(PatientEdit::Phone(Some(Sensitive::new(phone))));
    }
    Ok(edits)
}

/// The patients as CSV, in the order of their registration, without those whose record is locked.
pub(super) fn list(node: &Node) -> Result<Answer, Refusal> {
    let (site, time) = (node.own_site()?, Arc::clone(&node.time));
    Ok(pieces(node, move |conn, out| {
        let locks = time.locks(conn, site)?;
        out.row([
            "patient_id",
            "patient_ref",
            "numbered_by",
            "name",
            "birth_date",
            "sex",
            "phone",
            "conflicts",
        ])?;
        let mut after = None;
        let mut names = BTreeMap::new();
        loop {
            let page = patients::store::list(conn, site, ListPage { after, rows: LIST_ROWS })?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            let is_open = |id| locks.of_part(id, Compartment::Identity).is_none();
            for patient in page.iter().filter(|patient| is_open(patient.id)) {
                let number = patient.number.as_ref();
                let numbered_by = number.map_or("", |(_, by)| {
                    names.entry(*by).or_insert_with(|| name_of(conn, *by)).as_str()
                });
                out.row([
                    patient.id.to_string().as_str(),
                    number.map_or("", |(number, _)| number.as_str()),
                    numbered_by,
                    patient.name.as_ref().map_or("", |name| name.reveal().as_str()),
                    &text(patient.birth_date.as_ref()),
                    patient.sex.reveal().code(),
                    patient.phone.as_ref().map_or("", |phone| phone.reveal().as_str()),
                    &patient.conflicts.to_string(),
                ])?;
            }
        }
    }))
}

/// The name of a clinic; its id while the directory does not know it.
fn name_of(conn: &Connection, site: SiteId) -> String {
    let name = directory::store::sites::site_name(conn, site).ok().flatten();
    name.map_or_else(|| site.to_string(), |name| name.to_string())
}

fn text<T: ToString>(value: Option<&Sensitive<T>>) -> String {
    value.map(|value| value.reveal().to_string()).unwrap_or_default()
}
