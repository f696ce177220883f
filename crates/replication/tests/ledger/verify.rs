//! Whatever is changed in what is held, the check of everything finds it.

use replication::ledger::{VerifyError, WrongEntry};

use crate::edge::Edge;

/// A clinic with three entries of its own in a stream, of which the hub has two, and two of another
/// clinic's.
fn clinic() -> Edge {
    let (mut north, mut south) = (Edge::new(1), Edge::new(2));
    (0..2).for_each(|_| north.write());
    (0..2).for_each(|_| south.write());
    let own = north.outbox();
    let held = [&own[..], &south.outbox()[..]].concat();
    north.acknowledge(&own, &own);
    north.apply(&held, 2);
    north.write();
    north
}

fn verify(clinic: &Edge) -> Result<u64, VerifyError> {
    let me = clinic.author.node();
    replication::edge::verify(&clinic.conn, &me, &mut |_| {}).map(|checked| checked.entries)
}

#[test]
fn what_nobody_touched_holds() {
    assert_eq!(verify(&clinic()).unwrap(), 5);
}

#[test]
fn any_change_to_an_entry_is_found_and_named() {
    for column in ["sprev", "epoch", "hlc", "kind", "schema", "actor", "flags", "payload_len"] {
        check_entry(&format!("UPDATE entry SET {column} = {}", other(column)), "header");
    }
    check_entry("UPDATE entry SET commitment = zeroblob(32)", "header");
    check_entry("UPDATE entry SET id = randomblob(32)", "header");
    check_entry("UPDATE entry SET signature = randomblob(64)", "not signed");
    check_entry("UPDATE entry SET payload = CAST('another' AS BLOB)", "committed");
    check_entry("UPDATE entry SET sseq = 9", "header");
    check_entry("UPDATE entry SET idx = 9", "positions");
}

/// A value that no entry here has in this column.
fn other(column: &str) -> &'static str {
    match column {
        "sprev" => "randomblob(32)",
        "actor" => "randomblob(16)",
        _ => "77",
    }
}

#[track_caller]
fn check_entry(change: &str, named: &str) {
    for no in 1..=5 {
        let clinic = clinic();
        clinic.conn.execute_batch(&format!("{change} WHERE no = {no}")).unwrap();
        let error = verify(&clinic).unwrap_err();
        let VerifyError::Entry { id, ref wrong, .. } = error else { panic!("{change}: {error}") };
        // A position that is missing shows at the next one, or at this one.
        if !matches!(wrong, WrongEntry::Position | WrongEntry::Link) {
            let held: Vec<u8> = clinic
                .conn
                .query_row(&format!("SELECT id FROM entry WHERE no = {no}"), [], |row| row.get(0))
                .unwrap();
            assert_eq!(id.0.as_slice(), held, "{change}: {error}");
        }
        assert!(error.to_string().contains(named), "{change} of {no}: {error}");
    }
}

#[test]
fn a_missing_entry_and_a_wrong_record_are_found() {
    for (change, named) in [
        ("PRAGMA foreign_keys = OFF; DELETE FROM entry WHERE no = 2", "positions before it"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM entry WHERE no = 5", "count and sum"),
        ("PRAGMA foreign_keys = OFF; UPDATE entry SET stream = 99 WHERE no = 5", "no stream"),
        ("UPDATE stream SET count = 6", "count and sum"),
        ("UPDATE stream SET sum = zeroblob(32)", "count and sum"),
        ("UPDATE chain SET sseq = 2 WHERE no = 1", "its last entry are not"),
        ("UPDATE chain SET head = zeroblob(32) WHERE no = 2", "its last entry are not"),
        ("UPDATE chain SET count = 7 WHERE no = 2", "its last entry are not"),
        ("UPDATE chain SET key = randomblob(32) WHERE no = 2", ""),
        ("UPDATE subscription SET foreign_count = 1", "sum of what others wrote"),
        ("UPDATE subscription SET foreign_sum = zeroblob(32)", "sum of what others wrote"),
        ("UPDATE feed SET count = 3", "sum over all streams"),
        ("DELETE FROM outbox WHERE oseq = 3", "order of sending"),
        ("UPDATE start SET head = 4", "order of sending"),
        ("UPDATE outbox SET entry = 1 WHERE oseq = 3", "order of sending"),
        ("UPDATE feed SET received = 3", "not all of them"),
        ("UPDATE outbox SET state = 1 WHERE oseq = 3", "not all of them"),
    ] {
        let clinic = clinic();
        clinic.conn.execute_batch(change).unwrap();
        match verify(&clinic) {
            // The key of a chain salts what has no salt of its own; here everything has.
            Ok(_) => assert!(change.contains("SET key"), "{change} was not found"),
            Err(error) => assert!(error.to_string().contains(named), "{change}: {error}"),
        }
    }
}
