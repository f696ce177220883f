//! What happens to a patient's document: registered, edited, merged, rebuilt.
//!
//! Each function runs inside the caller's savepoint and changes the document, its projection and
//! the held changes together. A change that one of them makes is to be stored as an entry in the
//! same transaction.

use ::store::{Connection, StoreError};
use document::{ActorSeed, Applied, Change, ChangeId, Document, Refused};
use vocab::{PatientId, SiteId};

use crate::store::{self, Held};
use crate::{NewPatient, PatientEdit, record_doc};

/// Changes of one patient that are held for what they build on. Changes overtake each other by a
/// few; a thousand held ones mean that their past is never coming.
pub const HELD_MAX: usize = 1_000;

/// Who wrote a change: the actor of the signer's node and epoch, and the clinic it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    /// The first 16 bytes of `blake3("actor", node key, epoch)`.
    pub actor: ActorSeed,
    /// The clinic by the node's certificate.
    pub site: SiteId,
}

/// Why a registration or an edit was not made; nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A patient with this id is here already.
    #[error("the patient is registered already")]
    Exists,
    /// No patient with this id is known here.
    #[error("no such patient is known here")]
    Unknown,
    /// Another patient has this number at this clinic.
    #[error("the number is taken by another patient")]
    RefTaken,
    /// The merge engine did not take the edit.
    #[error("editing the patient's record")]
    Edit(#[from] document::EditError),
    /// The stored document does not load: [`rebuild`] it from its entries.
    #[error("the patient's stored record is damaged")]
    Damaged,
    /// The database refused; trying again may succeed.
    #[error("storing the patient's record")]
    Store(#[from] StoreError),
}

/// Why a change from elsewhere was not applied; nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// It is at fault itself: quarantine it.
    #[error("the change of a patient's record is refused")]
    Refused(#[from] Refused),
    /// [`HELD_MAX`] changes of this patient are held already: quarantine it.
    #[error("too many changes of this patient wait for what they build on")]
    TooManyHeld,
    /// The stored document does not load: [`rebuild`] it from its entries.
    #[error("the patient's stored record is damaged")]
    Damaged,
    /// The database refused; trying again may succeed.
    #[error("storing a change of a patient's record")]
    Store(#[from] StoreError),
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is merged, and with it `released` changes that were held for it. Held changes that turned
    /// out to be at fault are in `refused`: quarantine their entries.
    Merged {
        /// Held changes that are merged now as well.
        released: usize,
        /// Held changes that are dropped, with the reason.
        refused: Vec<(ChangeId, Refused)>,
    },
    /// It was merged before.
    AlreadyKnown,
    /// It is kept until what it builds on arrives.
    Held,
}

/// Registers a patient at `author`'s clinic; gives the change to be signed and sent.
///
/// # Errors
///
/// [`RecordError::Exists`], [`RecordError::RefTaken`].
pub fn register(
    conn: &Connection,
    id: PatientId,
    new: &NewPatient,
    author: Author,
) -> Result<Change, RecordError> {
    if store::exists(conn, id)? {
        return Err(RecordError::Exists);
    }
    check_ref_free(conn, author.site, &new.patient_ref, id)?;
    let mut doc = Document::new(author.actor);
    let change = doc.edit(|edit| record_doc::write_new(edit, new, author.site))?;
    save(conn, id, &doc)?;
    change.ok_or(RecordError::Exists)
}

/// Edits a patient field by field; `None` when nothing changes.
///
/// # Errors
///
/// [`RecordError::Unknown`], [`RecordError::RefTaken`].
pub fn edit(
    conn: &Connection,
    id: PatientId,
    edits: &[PatientEdit],
    author: Author,
) -> Result<Option<Change>, RecordError> {
    for edit in edits {
        if let PatientEdit::Ref(number) = edit {
            check_ref_free(conn, author.site, number, id)?;
        }
    }
    let saved = store::document(conn, id)?.ok_or(RecordError::Unknown)?;
    let mut doc = Document::load(&saved, author.actor).map_err(|_| RecordError::Damaged)?;
    let change = doc.edit(|all| {
        edits.iter().for_each(|edit| record_doc::write(all, edit, author.site));
    })?;
    if change.is_some() {
        save(conn, id, &doc)?;
    }
    Ok(change)
}

fn check_ref_free(
    conn: &Connection,
    site: SiteId,
    number: &vocab::PatientRef,
    id: PatientId,
) -> Result<(), RecordError> {
    let taken = store::patients_with_ref(conn, site, number)?.into_iter().any(|other| other != id);
    if taken { Err(RecordError::RefTaken) } else { Ok(()) }
}

/// Merges a change that `author` signed. The patient need not be known before.
///
/// # Errors
///
/// [`ApplyError::Refused`] and [`ApplyError::TooManyHeld`] are the change's fault and final.
pub fn apply_change(
    conn: &Connection,
    id: PatientId,
    payload: &[u8],
    author: Author,
) -> Result<Outcome, ApplyError> {
    let mut doc = match store::document(conn, id)? {
        Some(saved) => Document::load(&saved, READER).map_err(|_| ApplyError::Damaged)?,
        None => Document::new(READER),
    };
    match merge(&mut doc, payload, author) {
        Ok(Applied::Fresh(_)) => {}
        Ok(Applied::AlreadyKnown(_)) => return Ok(Outcome::AlreadyKnown),
        Err(Refused::MissingDependencies(change)) => {
            return hold(conn, id, change, payload, author);
        }
        Err(refused) => return Err(refused.into()),
    }
    let outcome = release_held(conn, id, &mut doc)?;
    save(conn, id, &doc)?;
    Ok(outcome)
}

/// Documents that are only merged into are opened as nobody.
const READER: ActorSeed = ActorSeed::new([0; ActorSeed::BYTES]);

fn merge(doc: &mut Document, payload: &[u8], author: Author) -> Result<Applied, Refused> {
    doc.apply(payload, author.actor, |change| record_doc::allowed(change, author.site))
}

fn hold(
    conn: &Connection,
    id: PatientId,
    change: ChangeId,
    payload: &[u8],
    author: Author,
) -> Result<Outcome, ApplyError> {
    if store::held_count(conn, id)? >= HELD_MAX {
        return Err(ApplyError::TooManyHeld);
    }
    store::insert_held(conn, id, &Held { change, author, payload: payload.to_vec() })?;
    Ok(Outcome::Held)
}

/// Tries the held changes of a patient until none of them goes in any more.
fn release_held(
    conn: &Connection,
    id: PatientId,
    doc: &mut Document,
) -> Result<Outcome, StoreError> {
    let (mut released, mut refused) = (0, Vec::new());
    let mut waiting = store::held(conn, id)?;
    loop {
        let before = waiting.len();
        let mut still_waiting = Vec::new();
        for held in waiting {
            match merge(doc, &held.payload, held.author) {
                Err(Refused::MissingDependencies(_)) => {
                    still_waiting.push(held);
                    continue;
                }
                Ok(Applied::Fresh(_)) => released += 1,
                Ok(Applied::AlreadyKnown(_)) => {}
                Err(why) => refused.push((held.change, why)),
            }
            store::delete_held(conn, id, held.change)?;
        }
        waiting = still_waiting;
        if waiting.is_empty() || waiting.len() == before {
            return Ok(Outcome::Merged { released, refused });
        }
    }
}

/// Makes a patient's document and rows anew from the stored changes, in any order.
///
/// Gives the changes that are refused, with their place in `changes`; they were refused before too,
/// unless the rules have changed since.
///
/// # Errors
///
/// [`StoreError`].
pub fn rebuild<'a>(
    conn: &Connection,
    id: PatientId,
    changes: impl IntoIterator<Item = (Author, &'a [u8])>,
) -> Result<Vec<(usize, ApplyError)>, StoreError> {
    store::forget(conn, id)?;
    let mut refused = Vec::new();
    for (place, (author, payload)) in changes.into_iter().enumerate() {
        match apply_change(conn, id, payload, author) {
            Ok(_) => {}
            Err(ApplyError::Store(error)) => return Err(error),
            Err(error) => refused.push((place, error)),
        }
    }
    Ok(refused)
}

fn save(conn: &Connection, id: PatientId, doc: &Document) -> Result<(), StoreError> {
    store::put_document(conn, id, &doc.save())?;
    let refs = record_doc::all_refs(doc);
    store::put_patient(conn, &record_doc::read(id, doc), &refs)
}

#[cfg(test)]
mod tests;
