//! Documents and changes that an earlier version wrote are read for ever.
//!
//! The files in `golden/` are never changed. When the merge engine is updated, this test says
//! whether stored records and entries still mean the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use document::{ActorSeed, Applied, Document, Value};

const FIRST: &[u8] = include_bytes!("../golden/1-first.payload");
const OURS: &[u8] = include_bytes!("../golden/1-ours.payload");
const THEIRS: &[u8] = include_bytes!("../golden/1-theirs.payload");
const SAVED: &[u8] = include_bytes!("../golden/1-saved.automerge");

const CLINIC_A: ActorSeed = ActorSeed::new([1; 16]);
const CLINIC_B: ActorSeed = ActorSeed::new([2; 16]);

fn write() -> [Vec<u8>; 4] {
    let mut here = Document::new(CLINIC_A);
    let edit = here.edit(|edit| {
        edit.set("name", "Asha Devi");
        edit.set("birth_date", "1984-03-02");
        edit.set("children", -2);
        edit.set("note", "A long note, so that it is compressed on the way. ".repeat(12));
    });
    let first = edit.unwrap().unwrap();
    let mut there = Document::new(CLINIC_B);
    there.apply(&first.payload, CLINIC_A, |_| true).unwrap();
    let edit = here.edit(|edit| {
        edit.set("name", "Asha D.");
        edit.clear("birth_date");
    });
    let ours = edit.unwrap().unwrap();
    let edit = there.edit(|edit| {
        edit.set("name", "Asha Rao");
        edit.set("phone", "+9198765");
    });
    let theirs = edit.unwrap().unwrap();
    here.apply(&theirs.payload, CLINIC_B, |_| true).unwrap();
    [first.payload, ours.payload, theirs.payload, here.save()]
}

#[test]
fn a_stored_document_shows_what_it_showed() {
    check(&Document::load(SAVED, CLINIC_A).unwrap());
}

#[test]
fn stored_changes_give_the_stored_document() {
    let mut doc = Document::new(CLINIC_A);
    for (payload, author) in [(FIRST, CLINIC_A), (THEIRS, CLINIC_B), (OURS, CLINIC_A)] {
        let applied = doc.apply(payload, author, |_| true).unwrap();
        assert!(matches!(applied, Applied::Fresh(_)));
    }
    check(&doc);
    assert_eq!(doc.heads(), Document::load(SAVED, CLINIC_A).unwrap().heads());
}

/// Two versions of the program that make different bytes of one edit would still merge, but a
/// difference that nobody meant is worth knowing. Compression may differ, the chunks may not.
#[test]
fn the_same_edits_still_give_the_same_changes() {
    let [first, ours, theirs, _] = write();
    for (now, then) in [(first, FIRST), (ours, OURS), (theirs, THEIRS)] {
        let unpack = |payload| document::payload::unpack(payload).unwrap().into_owned();
        assert_eq!(unpack(&now), unpack(then));
    }
}

#[track_caller]
fn check(doc: &Document) {
    let text = |field| doc.get(field).and_then(Value::as_text);
    // The later operation wins: clinic A's change clears the birth date first, then sets the name.
    assert_eq!(text("name"), Some("Asha D."));
    assert_eq!(text("birth_date"), None);
    assert_eq!(text("phone"), Some("+9198765"));
    assert_eq!(text("note").map(str::len), Some(600));
    assert_eq!(doc.get("children").and_then(Value::as_int), Some(-2));
    let names: Vec<_> =
        doc.conflicts("name").iter().map(|w| (w.value.as_text(), w.author)).collect();
    assert_eq!(names, [(Some("Asha D."), CLINIC_A), (Some("Asha Rao"), CLINIC_B)]);
}
