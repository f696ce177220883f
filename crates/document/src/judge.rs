//! Judges a change by the past it names, and by nothing else.
//!
//! The verdict must not depend on what else a replica happens to hold, or two replicas that
//! received the same changes in different order would disagree for ever. So every rule here looks
//! only at the changes that the author had seen: they are the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, ChangeHash, ROOT, ReadDoc as _};

use crate::gate::{Checked, Operation};
use crate::{ActorSeed, ChangeId, Refused};

/// What the document already knows about a change that came through the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is in the document already.
    Known,
    /// It fits.
    Fits,
}

/// Whether `change` can follow the changes that it names.
pub(crate) fn judge(doc: &Automerge, change: &Checked) -> Result<Verdict, Refused> {
    let history = History::of(doc);
    if history.last_op.contains_key(&change.id) {
        return Ok(Verdict::Known);
    }
    let own_last = history.last_seq.get(&change.author).copied().unwrap_or(0);
    if change.seq <= own_last {
        return Err(Refused::Forked);
    }
    let mut past_last_op = 0;
    for dependency in &change.dependencies {
        let last_op = history.last_op.get(dependency);
        past_last_op = past_last_op.max(*last_op.ok_or(Refused::MissingDependencies(change.id))?);
    }
    if change.seq > own_last + 1 {
        return Err(Refused::MissingDependencies(change.id));
    }
    // A number far ahead would leave no numbers for those who edit later.
    if change.start_op != past_last_op + 1 {
        return Err(Refused::Inconsistent("its operations are numbered wrongly"));
    }
    let past: Vec<ChangeHash> = change.dependencies.iter().map(|id| id.to_automerge()).collect();
    if own_last > 0 && !names_own_last(doc, &past, change.author) {
        return Err(Refused::Inconsistent("its author's own last change is not in its past"));
    }
    for operation in &change.operations {
        check_replaced(doc, &past, operation)?;
    }
    Ok(Verdict::Fits)
}

/// What is asked of the changes in a document, read in one pass.
struct History {
    last_op: BTreeMap<ChangeId, u64>,
    last_seq: BTreeMap<ActorSeed, u64>,
}

impl History {
    fn of(doc: &Automerge) -> Self {
        let (mut last_op, mut last_seq) = (BTreeMap::new(), BTreeMap::new());
        for change in doc.get_changes_meta(&[]) {
            last_op.insert(ChangeId::from_bytes(change.hash.0), change.max_op);
            if let Some(actor) = ActorSeed::from_automerge(&change.actor) {
                let seq: &mut u64 = last_seq.entry(actor).or_default();
                *seq = change.seq.max(*seq);
            }
        }
        Self { last_op, last_seq }
    }
}

/// Every author builds on its own changes, so none of them may be outside the named past.
fn names_own_last(doc: &Automerge, past: &[ChangeHash], author: ActorSeed) -> bool {
    let author = author.to_automerge();
    doc.get_changes_meta(past).iter().all(|unseen| *unseen.actor != author)
}

/// A new value takes the place of all values its author saw; clearing takes away some of them
/// (keeping the winner of a conflict is written as clearing the others).
fn check_replaced(
    doc: &Automerge,
    past: &[ChangeHash],
    operation: &Operation,
) -> Result<(), Refused> {
    let seen = seen_values(doc, past, &operation.field)?;
    let fits = match operation.value {
        Some(_) => operation.replaced == seen,
        None => !operation.replaced.is_empty() && operation.replaced.is_subset(&seen),
    };
    if fits { Ok(()) } else { Err(Refused::Inconsistent("it replaces what it cannot have seen")) }
}

fn seen_values(
    doc: &Automerge,
    past: &[ChangeHash],
    field: &str,
) -> Result<BTreeSet<(u64, ActorSeed)>, Refused> {
    if past.is_empty() {
        return Ok(BTreeSet::new());
    }
    let values = doc.get_all_at(ROOT, field, past).map_err(|_| Refused::Engine)?;
    let named = values.into_iter().map(|(_, id)| match id {
        automerge::ObjId::Id(number, actor, _) => {
            ActorSeed::from_automerge(&actor).map(|actor| (number, actor))
        }
        automerge::ObjId::Root => None,
    });
    named.collect::<Option<_>>().ok_or(Refused::Engine)
}
