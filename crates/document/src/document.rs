//! A record whose fields several sites edit.

use std::collections::BTreeMap;
use std::fmt;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{Automerge, ROOT, ReadDoc as _};

use crate::contain::contained;
use crate::edit::{Edit, EditError};
use crate::judge::{Verdict, judge};
use crate::{
    ActorSeed, ChangeId, FieldChange, RAW_BYTES_MAX, Refused, Value, Written, gate, payload,
};

/// A change that an edit made, ready to be signed and sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// What later changes call it.
    pub id: ChangeId,
    /// The bytes that travel, see [`payload`].
    pub payload: Vec<u8>,
}

impl fmt::Debug for Change {
    /// Never the bytes: they are about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({:?}, {} bytes)", self.id, self.payload.len())
    }
}

/// What became of a change from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is part of the document now.
    Fresh(ChangeId),
    /// It was part of the document before; nothing changed.
    AlreadyKnown(ChangeId),
}

/// Saved bytes that do not give a document. The document is rebuilt from its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a saved document does not load")]
pub struct LoadError;

/// A flat record of named fields, see the crate's header.
///
/// Reading never fails and never touches automerge: the fields are read once, whenever the document
/// changes.
#[derive(Clone)]
pub struct Document {
    inner: Automerge,
    fields: Fields,
}

impl fmt::Debug for Document {
    /// Never a value: most are about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

/// The winner first, then the other values in conflict with it.
type Fields = BTreeMap<String, Vec<Written>>;

/// Whether a payload is the first change of a document: one that names no change before it. Of a
/// payload that is refused nothing is said.
#[must_use]
pub fn begins_document(payload: &[u8]) -> bool {
    let first = |chunk: &[u8]| gate::check(chunk).is_ok_and(|one| one.dependencies.is_empty());
    payload::unpack(payload).is_ok_and(|chunk| first(&chunk))
}

impl Document {
    /// An empty document, to be edited as `actor`.
    #[must_use]
    pub fn new(actor: ActorSeed) -> Self {
        let inner = Automerge::new().with_actor(actor.to_automerge());
        Self { inner, fields: Fields::new() }
    }

    /// Reads what [`save`](Self::save) wrote, to be edited as `actor`.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when the bytes are damaged or were never a document of ours.
    pub fn load(saved: &[u8], actor: ActorSeed) -> Result<Self, LoadError> {
        contained(|| {
            let inner = Automerge::load(saved).ok()?.with_actor(actor.to_automerge());
            let fields = read_fields(&inner)?;
            Some(Self { inner, fields })
        })
        .ok()
        .flatten()
        .ok_or(LoadError)
    }

    /// The document with its whole history, for this machine's own disk; never sent.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.inner.save()
    }

    /// The changes that no other change builds on, in rising order. Two replicas with equal heads
    /// hold the same changes.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeId> {
        self.inner.get_heads().into_iter().map(|hash| ChangeId::from_bytes(hash.0)).collect()
    }

    /// The value of `field`; of several in conflict, the one that every replica shows.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)?.first().map(|written| &written.value)
    }

    /// All values of a field that several authors set without seeing each other's, the shown one
    /// first; empty when there is no conflict.
    #[must_use]
    pub fn conflicts(&self, field: &str) -> &[Written] {
        match self.fields.get(field) {
            Some(values) if values.len() > 1 => values,
            _ => &[],
        }
    }

    /// Every field that has a value, by name, with its shown value.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields
            .iter()
            .filter_map(|(field, values)| Some((field.as_str(), &values.first()?.value)))
    }

    /// Makes one edit; `None` when nothing would change.
    ///
    /// The change is to be stored and sent: a document that was edited without that has a past
    /// which nobody else can follow.
    ///
    /// # Errors
    ///
    /// [`EditError`] when a field or value is outside the limits.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Edit)) -> Result<Option<Change>, EditError> {
        let mut collected = Edit::default();
        edit(&mut collected);
        collected.check()?;
        let mut copy = self.inner.clone();
        let (inner, fields, chunk) = contained(move || {
            let chunk = commit(&mut copy, &collected)?;
            let fields = read_fields(&copy)?;
            Some((copy, fields, chunk))
        })
        .map_err(|_| EditError::Engine)?
        .ok_or(EditError::Engine)?;
        let Some(chunk) = chunk else { return Ok(None) };
        if chunk.len() > RAW_BYTES_MAX {
            return Err(EditError::TooLarge);
        }
        // What others would refuse must not leave this machine.
        let checked = gate::check(&chunk).map_err(|_| EditError::Engine)?;
        *self = Self { inner, fields };
        Ok(Some(Change { id: checked.id, payload: payload::pack(&chunk) }))
    }

    /// Applies a change from elsewhere.
    ///
    /// `author` is the actor of whoever signed the payload; a change that names another is refused.
    /// `allowed` sees every field the change writes and says whether this author may write it so.
    /// Its answer must not depend on the document, only on the change and its author.
    ///
    /// # Errors
    ///
    /// [`Refused`]; the document is unchanged and usable, whatever the bytes were.
    pub fn apply(
        &mut self,
        payload: &[u8],
        author: ActorSeed,
        allowed: impl Fn(FieldChange<'_>) -> bool,
    ) -> Result<Applied, Refused> {
        let chunk = payload::unpack(payload)?;
        let change = gate::check(&chunk)?;
        if change.author != author {
            return Err(Refused::WrongAuthor);
        }
        if !change.operations.iter().all(|operation| allowed(operation.shown())) {
            return Err(Refused::FieldNotAllowed);
        }
        let verdict =
            contained(|| judge(&self.inner, &change)).map_err(|_| Refused::Panicked)??;
        if verdict == Verdict::Known {
            return Ok(Applied::AlreadyKnown(change.id));
        }
        *self = self.with_change(&chunk)?;
        Ok(Applied::Fresh(change.id))
    }

    /// A copy with the change applied, that was saved and loaded again: a change that can be
    /// applied but not stored must not become part of a document. Nothing is checked here.
    fn with_change(&self, chunk: &[u8]) -> Result<Self, Refused> {
        let mut copy = self.inner.clone();
        let actor = self.inner.get_actor().clone();
        contained(move || {
            let change = automerge::Change::try_from(chunk).ok()?;
            let hash = change.hash();
            copy.apply_changes([change]).ok()?;
            // Loading recomputes the hash of every change from what was stored.
            let inner = Automerge::load(&copy.save()).ok()?.with_actor(actor);
            inner.get_change_meta_by_hash(&hash)?;
            let fields = read_fields(&inner)?;
            Some(Self { inner, fields })
        })
        .map_err(|_| Refused::Panicked)?
        .ok_or(Refused::Engine)
    }
}

/// Writes the edit as one change; gives its uncompressed chunk, or an inner `None` for no change.
fn commit(doc: &mut Automerge, edit: &Edit) -> Option<Option<Vec<u8>>> {
    let mut transaction = doc.transaction();
    for (field, value) in &edit.fields {
        match value {
            Some(value) => transaction.put(ROOT, field.as_str(), value.to_automerge()).ok()?,
            None => transaction.delete(ROOT, field.as_str()).ok()?,
        }
    }
    let (hash, _) = transaction.commit_with(CommitOptions::default());
    let Some(hash) = hash else { return Some(None) };
    // `Change::bytes` would deflate above 256 bytes; `raw_bytes` never does.
    Some(Some(doc.get_change_by_hash(&hash)?.raw_bytes().to_vec()))
}

/// `None` when a field holds what no document of ours holds.
fn read_fields(doc: &Automerge) -> Option<Fields> {
    let mut fields = Fields::new();
    for field in doc.keys(ROOT) {
        // automerge lists the values in rising order of their operations; the highest wins.
        let mut values = Vec::new();
        for (value, id) in doc.get_all(ROOT, field.as_str()).ok()?.into_iter().rev() {
            let automerge::ObjId::Id(_, actor, _) = id else { return None };
            let author = ActorSeed::from_automerge(&actor)?;
            values.push(Written { value: Value::from_automerge(&value)?, author });
        }
        fields.insert(field, values);
    }
    Some(fields)
}

#[cfg(test)]
mod tests;
