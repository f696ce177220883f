//! What edits give, how they merge, and what is refused.

use automerge::transaction::Transactable as _;
use automerge::{ExpandedChange, ObjType, ScalarValue};
use proptest::prelude::*;

use super::*;

const ANYTHING: fn(FieldChange<'_>) -> bool = |_| true;

fn actor(n: u8) -> ActorSeed {
    ActorSeed::new([n; 16])
}

fn set(doc: &mut Document, field: &str, value: &str) -> Change {
    doc.edit(|edit| edit.set(field, value)).unwrap().unwrap()
}

fn text<'a>(doc: &'a Document, field: &str) -> Option<&'a str> {
    doc.get(field)?.as_text()
}

/// Two replicas that both hold `name = Asha`, written by actor 1.
fn two_replicas() -> (Document, Document) {
    let (mut here, mut there) = (Document::new(actor(1)), Document::new(actor(2)));
    let first = set(&mut here, "name", "Asha");
    assert_eq!(there.apply(&first.payload, actor(1), ANYTHING), Ok(Applied::Fresh(first.id)));
    (here, there)
}

#[test]
fn an_edit_is_read_back_and_an_empty_one_is_no_change() {
    let mut doc = Document::new(actor(1));
    let change = doc.edit(|edit| {
        edit.set("name", "Asha");
        edit.set("children", 2);
    });
    assert!(change.unwrap().is_some());
    assert_eq!(text(&doc, "name"), Some("Asha"));
    assert_eq!(doc.get("children").and_then(Value::as_int), Some(2));
    assert_eq!(doc.edit(|edit| edit.set("name", "Asha")), Ok(None));
    assert_eq!(doc.edit(|edit| edit.clear("phone")), Ok(None));
    assert!(doc.edit(|edit| edit.clear("name")).unwrap().is_some());
    assert_eq!(doc.get("name"), None);
    assert_eq!(doc.fields().count(), 1);
}

#[test]
fn a_saved_document_goes_on_where_it_was() {
    let (here, _) = two_replicas();
    let mut again = Document::load(&here.save(), actor(1)).unwrap();
    assert_eq!(again.heads(), here.heads());
    set(&mut again, "name", "Asha Devi");
    assert_eq!(text(&again, "name"), Some("Asha Devi"));
    assert_eq!(Document::load(b"not a document", actor(1)).unwrap_err(), LoadError);
}

#[test]
fn two_sites_that_edit_different_fields_keep_both() {
    let (mut here, mut there) = two_replicas();
    let name = set(&mut here, "name", "Asha Devi");
    let phone = set(&mut there, "phone", "+91 98");
    here.apply(&phone.payload, actor(2), ANYTHING).unwrap();
    there.apply(&name.payload, actor(1), ANYTHING).unwrap();
    for doc in [&here, &there] {
        assert_eq!(text(doc, "name"), Some("Asha Devi"));
        assert_eq!(text(doc, "phone"), Some("+91 98"));
        assert!(doc.conflicts("name").is_empty());
    }
    assert_eq!(here.heads(), there.heads());
}

#[test]
fn two_sites_that_edit_one_field_see_the_same_conflict() {
    let (mut here, mut there) = two_replicas();
    let ours = set(&mut here, "name", "Asha D.");
    let theirs = set(&mut there, "name", "Asha Devi");
    here.apply(&theirs.payload, actor(2), ANYTHING).unwrap();
    there.apply(&ours.payload, actor(1), ANYTHING).unwrap();
    assert_eq!(here.conflicts("name"), there.conflicts("name"));
    let authors: Vec<ActorSeed> = here.conflicts("name").iter().map(|w| w.author).collect();
    assert_eq!(authors, [actor(2), actor(1)], "the higher actor wins a tie");
    assert_eq!(text(&here, "name"), Some("Asha Devi"));
}

#[test]
fn choosing_either_value_ends_a_conflict_everywhere() {
    for chosen in ["Asha D.", "Asha Devi", "Asha Devi Rao"] {
        let (mut here, mut there) = two_replicas();
        let ours = set(&mut here, "name", "Asha D.");
        let theirs = set(&mut there, "name", "Asha Devi");
        here.apply(&theirs.payload, actor(2), ANYTHING).unwrap();
        there.apply(&ours.payload, actor(1), ANYTHING).unwrap();
        let choice = set(&mut here, "name", chosen);
        there.apply(&choice.payload, actor(1), ANYTHING).unwrap();
        for doc in [&here, &there] {
            assert_eq!(text(doc, "name"), Some(chosen));
            assert!(doc.conflicts("name").is_empty(), "{chosen}");
        }
    }
}

#[test]
fn a_change_before_its_past_waits_and_a_repeat_changes_nothing() {
    let (mut here, mut there) = two_replicas();
    let second = set(&mut here, "name", "Asha D.");
    let third = set(&mut here, "name", "Asha Devi");
    assert_eq!(
        there.apply(&third.payload, actor(1), ANYTHING),
        Err(Refused::MissingDependencies(third.id))
    );
    there.apply(&second.payload, actor(1), ANYTHING).unwrap();
    there.apply(&third.payload, actor(1), ANYTHING).unwrap();
    for change in [&second, &third] {
        assert_eq!(
            there.apply(&change.payload, actor(1), ANYTHING),
            Ok(Applied::AlreadyKnown(change.id))
        );
    }
    assert_eq!(here.heads(), there.heads());
}

#[test]
fn who_signed_and_what_they_may_write_is_checked() {
    let (mut here, mut there) = two_replicas();
    let change = set(&mut here, "ref/1", "mrn-7");
    let before = there.heads();
    assert_eq!(there.apply(&change.payload, actor(3), ANYTHING), Err(Refused::WrongAuthor));
    let not_refs = |change: FieldChange<'_>| !change.field.starts_with("ref/");
    assert_eq!(there.apply(&change.payload, actor(1), not_refs), Err(Refused::FieldNotAllowed));
    assert_eq!(there.heads(), before);
    there.apply(&change.payload, actor(1), ANYTHING).unwrap();
}

#[test]
fn debug_output_holds_nothing_of_a_value() {
    let mut doc = Document::new(actor(1));
    let mut shown = String::new();
    let change = doc.edit(|edit| {
        edit.set("name", "planted");
        shown = format!("{edit:?}");
    });
    shown += &format!("{change:?} {doc:?} {:?}", doc.fields);
    assert!(!shown.contains("planted") && !shown.contains("112, 108, 97"), "{shown}");
}

#[test]
fn the_limits_of_an_edit_are_met_and_not_passed() {
    let mut doc = Document::new(actor(1));
    let long = "x".repeat(crate::TEXT_BYTES_MAX);
    assert!(doc.edit(|e| e.set("note", long.as_str())).is_ok());
    assert_eq!(doc.edit(|e| e.set("note", format!("{long}x"))), Err(EditError::TextTooLong));
    let name = "f".repeat(crate::FIELD_BYTES_MAX);
    assert!(doc.edit(|e| e.set(&name, 1)).is_ok());
    for bad in [format!("{name}f").as_str(), "", "Name", "n me", "näme"] {
        assert_eq!(doc.edit(|e| e.set(bad, 1)), Err(EditError::BadField), "{bad:?}");
    }
    let fields = |count: usize| (0..count).map(|n| format!("f{n}"));
    let mut edit_of =
        |count| doc.edit(|e| fields(count).for_each(|f| e.set(&f, i64::try_from(count).unwrap())));
    assert!(edit_of(crate::OPERATIONS_MAX).is_ok());
    assert_eq!(edit_of(crate::OPERATIONS_MAX + 1), Err(EditError::TooLarge));
}

/// A change that automerge itself makes, with everything our documents do without.
fn foreign(make: impl FnOnce(&mut automerge::transaction::Transaction<'_>)) -> automerge::Change {
    let mut doc = Automerge::new().with_actor(actor(2).to_automerge());
    let mut transaction = doc.transaction();
    make(&mut transaction);
    let hash = transaction.commit().0.unwrap();
    doc.get_change_by_hash(&hash).unwrap()
}

#[track_caller]
fn check_refused(mut change: automerge::Change, expected: &str) {
    let mut doc = Document::new(actor(1));
    for chunk in [change.raw_bytes().to_vec(), change.bytes().to_vec()] {
        let refused = doc.apply(&payload::pack(&chunk), actor(2), ANYTHING).unwrap_err();
        assert_eq!(refused.word(), expected, "{refused:?}");
    }
    assert_eq!(doc.heads(), []);
    set(&mut doc, "name", "still usable");
}

#[test]
fn what_our_documents_do_not_have_is_refused() {
    let word = "forbidden_operation";
    check_refused(foreign(|t| drop(t.put_object(ROOT, "a", ObjType::List))), word);
    check_refused(foreign(|t| drop(t.put_object(ROOT, "a", ObjType::Map))), word);
    check_refused(foreign(|t| t.put(ROOT, "a", ScalarValue::counter(1)).unwrap()), word);
    check_refused(foreign(|t| t.put(ROOT, "a", 1.5).unwrap()), word);
    check_refused(foreign(|t| t.put(ROOT, "a", true).unwrap()), word);
    check_refused(foreign(|t| t.put(ROOT, "Ä", 1).unwrap()), word);
    let nested = foreign(|t| {
        let inner = t.put_object(ROOT, "a", ObjType::Map).unwrap();
        t.put(&inner, "b", 1).unwrap();
    });
    check_refused(nested, word);
    let mut deflated = foreign(|t| t.put(ROOT, "a", "x".repeat(400)).unwrap());
    let mut doc = Document::new(actor(1));
    let chunk = deflated.bytes().to_vec();
    let refused = doc.apply(&payload::pack(&chunk), actor(2), ANYTHING);
    assert_eq!(refused, Err(Refused::ForbiddenForm("a compressed change")));
    let saved = doc.apply(&payload::pack(&doc.save()), actor(2), ANYTHING);
    assert_eq!(saved, Err(Refused::ForbiddenForm("a whole document")));
}

#[test]
fn the_operation_limit_is_met_and_not_passed() {
    let of = |count: usize| {
        foreign(|t| (0..count).for_each(|n| t.put(ROOT, format!("f{n:05}"), 1).unwrap()))
    };
    let apply = |change: &automerge::Change| {
        let payload = payload::pack(change.raw_bytes());
        Document::new(actor(1)).apply(&payload, actor(2), ANYTHING)
    };
    assert!(matches!(apply(&of(crate::OPERATIONS_MAX)), Ok(Applied::Fresh(_))));
    let refused = apply(&of(crate::OPERATIONS_MAX + 1));
    assert_eq!(refused, Err(Refused::TooMany("operations")));
}

/// A well-formed change by actor 2 that lies about one thing.
#[track_caller]
fn check_lie(lie: impl FnOnce(&mut ExpandedChange), expected: &str) {
    let (mut here, mut there) = two_replicas();
    let honest = set(&mut there, "name", "Asha Devi");
    let chunk = payload::unpack(&honest.payload).unwrap();
    let mut expanded = automerge::Change::try_from(&*chunk).unwrap().decode();
    lie(&mut expanded);
    let lying = automerge::Change::from(expanded);
    let payload = payload::pack(lying.raw_bytes());
    let refused = here.apply(&payload, actor(2), ANYTHING).unwrap_err();
    assert_eq!(refused.word(), expected, "{refused:?}");
    here.apply(&honest.payload, actor(2), ANYTHING).unwrap();
    assert_eq!(text(&here, "name"), Some("Asha Devi"));
}

#[test]
fn a_change_that_does_not_fit_its_past_is_refused() {
    check_lie(|c| c.start_op = 4_000_000_000.try_into().unwrap(), "inconsistent");
    check_lie(|c| c.start_op = 1.try_into().unwrap(), "inconsistent");
    check_lie(|c| c.operations[0].pred = Vec::new().into(), "inconsistent");
    check_lie(|c| c.deps.clear(), "inconsistent");
    check_lie(|c| c.seq = 2, "missing_dependencies");
    check_lie(|c| c.deps = vec![automerge::ChangeHash([7; 32])], "missing_dependencies");
    check_lie(|c| c.actor_id = actor(1).to_automerge(), "wrong_author");
    check_lie(|c| c.time = 1, "forbidden_form");
    check_lie(|c| c.message = Some("planted".into()), "forbidden_form");
    check_lie(|c| c.extra_bytes = vec![1], "forbidden_form");
    check_lie(|c| c.operations.push(c.operations[0].clone()), "malformed");
    check_lie(|c| c.operations.clear(), "malformed");
}

#[test]
fn a_change_that_leaves_out_its_authors_last_one_is_refused() {
    let (mut here, mut there) = two_replicas();
    let past = here.heads();
    let phone = set(&mut there, "phone", "1");
    here.apply(&phone.payload, actor(2), ANYTHING).unwrap();
    let name = set(&mut there, "name", "Asha Devi");
    let chunk = payload::unpack(&name.payload).unwrap();
    let mut expanded = automerge::Change::try_from(&*chunk).unwrap().decode();
    expanded.deps = past.into_iter().map(ChangeId::to_automerge).collect();
    expanded.start_op = 2.try_into().unwrap();
    let lying = payload::pack(automerge::Change::from(expanded).raw_bytes());
    let refused = here.apply(&lying, actor(2), ANYTHING);
    let why = "its author's own last change is not in its past";
    assert_eq!(refused, Err(Refused::Inconsistent(why)));
    here.apply(&name.payload, actor(2), ANYTHING).unwrap();
}

#[test]
fn a_second_change_with_one_number_is_a_fork() {
    let (mut here, there) = two_replicas();
    let (mut copy_a, mut copy_b) = (there.clone(), there);
    let a = set(&mut copy_a, "phone", "1");
    let b = set(&mut copy_b, "phone", "2");
    here.apply(&a.payload, actor(2), ANYTHING).unwrap();
    assert_eq!(here.apply(&b.payload, actor(2), ANYTHING), Err(Refused::Forked));
}

/// One step of a history: who edits which field, and whom they hear from before.
type Step = (usize, usize, u8, Option<usize>);

/// Replays a history among three replicas; gives every change with its author.
fn replay(steps: &[Step]) -> (Vec<Document>, Vec<(Change, ActorSeed)>) {
    let mut docs: Vec<Document> = (1..=3).map(|n| Document::new(actor(n))).collect();
    let mut sent: Vec<(Change, ActorSeed)> = Vec::new();
    for &(who, field, value, hears) in steps {
        let author = actor(u8::try_from(who + 1).unwrap());
        if let Some(from) = hears {
            let heard = actor(u8::try_from(from + 1).unwrap());
            for (change, by) in sent.iter().filter(|(_, by)| *by == heard) {
                // What that replica built on may be missing here; then it waits.
                let _ = docs[who].apply(&change.payload, *by, ANYTHING);
            }
        }
        let edit = docs[who].edit(|edit| match value {
            0 => edit.clear(["name", "phone"][field]),
            _ => edit.set(["name", "phone"][field], format!("value {value}")),
        });
        sent.extend(edit.unwrap().map(|change| (change, author)));
    }
    (docs, sent)
}

/// Delivers until nothing waits; everything must go in.
fn deliver(doc: &mut Document, mut queue: Vec<&(Change, ActorSeed)>) {
    while !queue.is_empty() {
        let before = queue.len();
        queue.retain(|(change, by)| match doc.apply(&change.payload, *by, ANYTHING) {
            Ok(_) => false,
            Err(Refused::MissingDependencies(_)) => true,
            Err(other) => panic!("an honest change was refused: {other:?}"),
        });
        assert!(queue.len() < before, "no progress");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Replicas that hold the same changes agree, whatever the order and however often, and what
    /// they saved gives the same again.
    #[test]
    fn replicas_converge(
        steps in prop::collection::vec((0_usize..3, 0_usize..2, 0_u8..4, prop::option::of(0_usize..3)), 1..14),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let (mut docs, sent) = replay(&steps);
        for doc in &mut docs {
            deliver(doc, sent.iter().collect());
        }
        let mut late = Document::new(actor(9));
        let mut shuffled: Vec<_> = sent.iter().collect();
        for (at, index) in order.iter().enumerate().filter(|_| !sent.is_empty()) {
            let (a, b) = (at % sent.len(), index.index(sent.len()));
            shuffled.swap(a, b);
            shuffled.push(&sent[b]);
        }
        deliver(&mut late, shuffled);
        let reloaded = Document::load(&late.save(), actor(9)).unwrap();
        for doc in docs.iter().chain([&reloaded]) {
            prop_assert_eq!(doc.heads(), late.heads());
            prop_assert_eq!(&doc.fields, &late.fields);
        }
    }
}

/// Past the gate, as if it were not there: inputs that were found to panic inside automerge.
#[test]
fn a_panic_inside_automerge_is_contained() {
    let mut doc = Document::new(actor(1));
    doc.edit(|edit| {
        edit.set("name", "base");
        edit.set("count", 7);
    })
    .unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile");
    let mut contained = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("panic-") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let chunk = payload::unpack(&bytes).unwrap();
        let refused = doc.with_change(&chunk).unwrap_err();
        assert_eq!(refused, Refused::Panicked, "{}", path.display());
        contained += 1;
    }
    assert!(contained >= 5, "the corpus is there");
    set(&mut doc, "name", "still usable");
    assert!(Document::load(&doc.save(), actor(1)).is_ok());
}
