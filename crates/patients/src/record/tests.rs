//! Registering, editing, merging; two clinics and a hub, each with a database of its own.

use proptest::prelude::*;
use vocab::{PatientRef, Sensitive, Timestamp};

use super::*;
use crate::patient::Conflict;
use crate::store::{ListPage, clashes, count, exists, get, list, ref_of, resolve};
use crate::{Field, Patient, PatientForm, PersonName, Phone};

fn database() -> Connection {
    let mut conn = ::store::open_in_memory().unwrap();
    ::store::migrate(&mut conn, &[store::ROOM]).unwrap();
    conn
}

fn author(n: u8) -> Author {
    Author { actor: ActorSeed::new([n; 16]), site: site(n) }
}

fn site(n: u8) -> SiteId {
    SiteId::from_bytes([n; 16])
}

fn patient(n: u8) -> PatientId {
    PatientId::from_bytes([n; 16])
}

fn form(name: &str, number: &str) -> NewPatient {
    let form = PatientForm { name, patient_ref: number, ..PatientForm::default() };
    NewPatient::parse(form, Timestamp::default()).unwrap()
}

fn named(name: &str) -> PatientEdit {
    PatientEdit::Name(Sensitive::new(PersonName::parse(name).unwrap()))
}

fn phoned(number: &str) -> PatientEdit {
    PatientEdit::Phone(Some(Sensitive::new(Phone::parse(number).unwrap())))
}

fn number(text: &str) -> PatientRef {
    text.parse().unwrap()
}

fn name_of(patient: &Patient) -> &str {
    patient.name.as_ref().map_or("", |name| name.reveal().as_str())
}

/// Two clinics that both know patient 1, registered as `Asha`, `mrn-7` at clinic 1.
fn two_clinics() -> (Connection, Connection, Change) {
    let (here, there) = (database(), database());
    let change = register(&here, patient(1), &form("Asha", "mrn-7"), author(1)).unwrap();
    let outcome = apply_change(&there, patient(1), &change.payload, author(1)).unwrap();
    assert_eq!(outcome, MERGED);
    (here, there, change)
}

const MERGED: Outcome = Outcome::Merged { released: 0, refused: Vec::new() };

fn send(change: &Change, from: u8, to: &Connection) {
    assert_eq!(apply_change(to, patient(1), &change.payload, author(from)).unwrap(), MERGED);
}

#[test]
fn a_registered_patient_is_found_by_number_and_by_uuid() {
    let (here, there, _) = two_clinics();
    for conn in [&here, &there] {
        assert_eq!(resolve(conn, site(1), "mrn-7").unwrap(), Some(patient(1)));
        assert_eq!(resolve(conn, site(2), "mrn-7").unwrap(), None, "another clinic's number");
        assert_eq!(resolve(conn, site(1), &patient(1).to_string()).unwrap(), Some(patient(1)));
        assert_eq!(resolve(conn, site(1), &patient(9).to_string()).unwrap(), None);
        assert_eq!(resolve(conn, site(1), "mrn-8").unwrap(), None);
        assert_eq!(resolve(conn, site(1), "no number").unwrap(), None);
        assert_eq!(ref_of(conn, site(1), patient(1)).unwrap(), Some(number("mrn-7")));
        assert_eq!(ref_of(conn, site(2), patient(1)).unwrap(), Some(number("mrn-7")));
        assert_eq!(ref_of(conn, site(1), patient(9)).unwrap(), None);
        assert_eq!((count(conn).unwrap(), exists(conn, patient(1)).unwrap()), (1, true));
    }
}

#[test]
fn a_number_and_a_patient_are_registered_once() {
    let (here, ..) = two_clinics();
    let again = register(&here, patient(1), &form("Asha", "mrn-8"), author(1));
    assert!(matches!(again, Err(RecordError::Exists)));
    let taken = register(&here, patient(2), &form("Ravi", "mrn-7"), author(1));
    assert!(matches!(taken, Err(RecordError::RefTaken)));
    register(&here, patient(2), &form("Ravi", "mrn-8"), author(1)).unwrap();
    let taken = edit(&here, patient(2), &[PatientEdit::Ref(number("mrn-7"))], author(1));
    assert!(matches!(taken, Err(RecordError::RefTaken)));
    let unknown = edit(&here, patient(3), &[named("Ravi")], author(1));
    assert!(matches!(unknown, Err(RecordError::Unknown)));
    assert_eq!(count(&here).unwrap(), 2);
}

#[test]
fn two_clinics_that_edit_different_fields_keep_both() {
    let (here, there, _) = two_clinics();
    let name = edit(&here, patient(1), &[named("Asha Devi")], author(1)).unwrap().unwrap();
    let edits = [phoned("+91 98765"), PatientEdit::Ref(number("B-1"))];
    let other = edit(&there, patient(1), &edits, author(2)).unwrap().unwrap();
    send(&name, 1, &there);
    send(&other, 2, &here);
    let (a, b) =
        (get(&here, patient(1)).unwrap().unwrap(), get(&there, patient(1)).unwrap().unwrap());
    assert_eq!(a, b);
    assert_eq!(name_of(&a), "Asha Devi");
    assert_eq!(a.phone, Some(Sensitive::new(Phone::parse("+9198765").unwrap())));
    assert_eq!(a.refs, [(site(1), number("mrn-7")), (site(2), number("B-1"))]);
    assert!(a.conflicts.is_empty());
    assert_eq!(ref_of(&here, site(2), patient(1)).unwrap(), Some(number("B-1")));
}

#[test]
fn two_clinics_that_edit_one_field_see_both_values_until_one_settles_it() {
    let (here, there, _) = two_clinics();
    let ours = edit(&here, patient(1), &[named("Asha D.")], author(1)).unwrap().unwrap();
    let theirs = edit(&there, patient(1), &[named("Asha Devi")], author(2)).unwrap().unwrap();
    send(&ours, 1, &there);
    send(&theirs, 2, &here);
    let values = ["Asha Devi", "Asha D."].map(|name| Sensitive::new(name.to_owned())).to_vec();
    for conn in [&here, &there] {
        let shown = get(conn, patient(1)).unwrap().unwrap();
        assert_eq!(name_of(&shown), "Asha Devi");
        assert_eq!(shown.conflicts, [Conflict { field: Field::Name, values: values.clone() }]);
        let page = ListPage { after: None, rows: 10 };
        assert_eq!(list(conn, site(1), page).unwrap()[0].conflicts, 1);
    }
    let choice = edit(&here, patient(1), &[named("Asha Devi")], author(1)).unwrap().unwrap();
    send(&choice, 1, &there);
    for conn in [&here, &there] {
        let shown = get(conn, patient(1)).unwrap().unwrap();
        assert_eq!((name_of(&shown), shown.conflicts.len()), ("Asha Devi", 0));
    }
}

#[test]
fn changes_that_overtake_each_other_wait_for_their_past() {
    let (here, there, first) = two_clinics();
    let second = edit(&here, patient(1), &[named("Asha D.")], author(1)).unwrap().unwrap();
    let third = edit(&here, patient(1), &[named("Asha Devi")], author(1)).unwrap().unwrap();
    let hub = database();
    for (change, expected) in [
        (&third, Outcome::Held),
        (&third, Outcome::Held),
        (&second, Outcome::Held),
        (&first, Outcome::Merged { released: 2, refused: Vec::new() }),
        (&second, Outcome::AlreadyKnown),
    ] {
        let outcome = apply_change(&hub, patient(1), &change.payload, author(1)).unwrap();
        assert_eq!(outcome, expected);
    }
    assert_eq!(name_of(&get(&hub, patient(1)).unwrap().unwrap()), "Asha Devi");
    assert_eq!(store::held_count(&hub, patient(1)).unwrap(), 0);
    drop(there);
}

#[test]
fn a_held_change_that_turns_out_bad_is_handed_back() {
    let (here, _, first) = two_clinics();
    let second = edit(&here, patient(1), &[named("Asha D.")], author(1)).unwrap().unwrap();
    // Another change of actor 1 with the number of the second: only one of them can be true.
    let copy = database();
    apply_change(&copy, patient(1), &first.payload, author(1)).unwrap();
    let forked = edit(&copy, patient(1), &[named("Asha X")], author(1)).unwrap().unwrap();
    let hub = database();
    for change in [&second, &forked] {
        let outcome = apply_change(&hub, patient(1), &change.payload, author(1)).unwrap();
        assert_eq!(outcome, Outcome::Held);
    }
    let loser = second.id.max(forked.id);
    let outcome = apply_change(&hub, patient(1), &first.payload, author(1)).unwrap();
    let expected = Outcome::Merged { released: 1, refused: vec![(loser, Refused::Forked)] };
    assert_eq!(outcome, expected);
}

#[test]
fn no_clinic_writes_another_ones_number() {
    let (here, there, _) = two_clinics();
    // Clinic 2 signs a change that gives clinic 1's number to its own patient.
    let forger = Author { actor: author(2).actor, site: site(1) };
    let stolen = edit(&there, patient(1), &[PatientEdit::Ref(number("mrn-1"))], forger);
    let stolen = stolen.unwrap().unwrap();
    let refused = apply_change(&here, patient(1), &stolen.payload, author(2)).unwrap_err();
    assert!(matches!(refused, ApplyError::Refused(Refused::FieldNotAllowed)));
    assert_eq!(resolve(&here, site(1), "mrn-7").unwrap(), Some(patient(1)));
    let refused = apply_change(&here, patient(1), b"no change", author(2)).unwrap_err();
    assert!(matches!(refused, ApplyError::Refused(_)));
}

#[test]
fn a_number_that_means_two_patients_means_nobody_until_settled() {
    let (here, ..) = two_clinics();
    let copy = database();
    let second = register(&copy, patient(2), &form("Ravi", "mrn-7"), author(1)).unwrap();
    assert_eq!(apply_change(&here, patient(2), &second.payload, author(1)).unwrap(), MERGED);
    assert_eq!(resolve(&here, site(1), "mrn-7").unwrap(), None);
    let both = [1, 2].map(|n| (site(1), number("mrn-7"), patient(n)));
    assert_eq!(clashes(&here, 10).unwrap(), both);
    edit(&here, patient(2), &[PatientEdit::Ref(number("mrn-8"))], author(1)).unwrap().unwrap();
    assert_eq!(resolve(&here, site(1), "mrn-7").unwrap(), Some(patient(1)));
    assert_eq!(clashes(&here, 10).unwrap(), []);
}

#[test]
fn held_changes_are_limited() {
    let (here, _, first) = two_clinics();
    let mut changes = Vec::new();
    for n in 0..=HELD_MAX {
        let name = named(&format!("Asha {n}"));
        changes.extend(edit(&here, patient(1), &[name], author(1)).unwrap());
    }
    let hub = database();
    for change in changes.iter().take(HELD_MAX) {
        let outcome = apply_change(&hub, patient(1), &change.payload, author(1)).unwrap();
        assert_eq!(outcome, Outcome::Held);
    }
    let last = changes.last().unwrap();
    let refused = apply_change(&hub, patient(1), &last.payload, author(1)).unwrap_err();
    assert!(matches!(refused, ApplyError::TooManyHeld));
    drop(first);
}

#[test]
fn a_damaged_document_is_rebuilt_from_its_changes() {
    let (here, _, first) = two_clinics();
    let second = edit(&here, patient(1), &[named("Asha Devi")], author(1)).unwrap().unwrap();
    let before = get(&here, patient(1)).unwrap();
    store::put_document(&here, patient(1), b"damaged").unwrap();
    assert!(matches!(get(&here, patient(1)), Err(StoreError::Damaged { .. })));
    let damaged = apply_change(&here, patient(1), &second.payload, author(1)).unwrap_err();
    assert!(matches!(damaged, ApplyError::Damaged));
    let changes = [&second, &first].map(|change| (author(1), change.payload.as_slice()));
    assert!(rebuild(&here, patient(1), changes).unwrap().is_empty());
    assert_eq!(get(&here, patient(1)).unwrap(), before);
}

#[test]
fn a_list_is_walked_page_by_page() {
    let conn = database();
    for n in 1..=5 {
        register(&conn, patient(n), &form("Asha", &format!("mrn-{n}")), author(1)).unwrap();
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = list(&conn, site(1), ListPage { after, rows: 2 }).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|listed| listed.number.unwrap().0));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5].map(|n| number(&format!("mrn-{n}"))));
}

#[test]
fn a_list_shows_the_own_number_before_that_of_another_clinic() {
    let (here, there, _) = two_clinics();
    let shown = |conn: &Connection, at: u8| {
        let page = ListPage { after: None, rows: 9 };
        list(conn, site(at), page).unwrap().remove(0).number
    };
    let first = shown(&here, 1).unwrap();
    assert_eq!(first.1, site(1));
    assert_eq!(shown(&there, 2), Some(first.clone()));
    edit(&there, patient(1), &[PatientEdit::Ref(number("south-1"))], author(2)).unwrap();
    assert_eq!(shown(&there, 2), Some((number("south-1"), site(2))));
    assert_eq!(shown(&there, 1), Some(first));
}

/// One step of a history: which clinic edits what, and whom it hears from before.
type Step = (u8, u8, Option<u8>);

/// Plays a history at three clinics; gives every change with its author.
fn play(steps: &[Step]) -> Vec<(Change, Author)> {
    let clinics = [database(), database(), database()];
    let first = register(&clinics[0], patient(1), &form("Asha", "mrn-7"), author(1)).unwrap();
    for conn in &clinics[1..] {
        send(&first, 1, conn);
    }
    let mut sent = vec![(first, author(1))];
    for &(clinic, what, hears) in steps {
        let conn = &clinics[usize::from(clinic)];
        if let Some(from) = hears {
            for (change, by) in sent.iter().filter(|(_, by)| by.site == site(from + 1)) {
                apply_change(conn, patient(1), &change.payload, *by).unwrap();
            }
        }
        let by = author(clinic + 1);
        let what = match what {
            0 | 1 => named(&format!("Asha {what}")),
            2 | 3 => phoned(&format!("1234{what}")),
            4 => PatientEdit::Phone(None),
            _ => PatientEdit::Ref(number(&format!("{clinic}-{what}"))),
        };
        let change = edit(conn, patient(1), &[what], by).unwrap();
        sent.extend(change.map(|change| (change, by)));
    }
    sent
}

/// Everything the tables show about the patient.
fn shown(conn: &Connection) -> (Patient, Vec<store::Listed>, Vec<Option<PatientId>>) {
    let numbers =
        (0..3).flat_map(|clinic| (5..7).map(move |what| (clinic, format!("{clinic}-{what}"))));
    let resolved = numbers.map(|(clinic, text)| resolve(conn, site(clinic + 1), &text).unwrap());
    (
        get(conn, patient(1)).unwrap().unwrap(),
        list(conn, site(1), ListPage { after: None, rows: 9 }).unwrap(),
        resolved.collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the order and however often: the same rows, and nothing left waiting.
    #[test]
    fn replicas_converge(
        steps in prop::collection::vec((0_u8..3, 0_u8..7, prop::option::of(0_u8..3)), 1..10),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let sent = play(&steps);
        let mut shuffled: Vec<_> = sent.iter().collect();
        for (at, index) in order.iter().enumerate() {
            let (a, b) = (at % sent.len(), index.index(sent.len()));
            shuffled.swap(a, b);
            shuffled.push(&sent[b]);
        }
        let (straight, hub) = (database(), database());
        for (change, by) in &sent {
            apply_change(&straight, patient(1), &change.payload, *by).unwrap();
        }
        for (change, by) in shuffled {
            apply_change(&hub, patient(1), &change.payload, *by).unwrap();
        }
        prop_assert_eq!(store::held_count(&hub, patient(1)).unwrap(), 0);
        prop_assert_eq!(shown(&straight), shown(&hub));
        let changes = sent.iter().rev().map(|(change, by)| (*by, change.payload.as_slice()));
        prop_assert!(rebuild(&straight, patient(1), changes).unwrap().is_empty());
        prop_assert_eq!(shown(&straight), shown(&hub));
    }
}
