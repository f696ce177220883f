//! Every number has its test.

use std::fs;
use std::path::Path;

/// Invariants in the sync design.
const COUNT: usize = 30;

/// That of a part that is not built yet: patients that are one person.
const NOT_BUILT: [usize; 1] = [25];

#[test]
fn every_invariant_has_a_row_and_a_test_with_its_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = fs::read_to_string(root.join("tests/README.md")).unwrap();
    let places = [
        "tests/all/erasure.rs",
        "tests/all/invariants.rs",
        "tests/all/invariants/clocks.rs",
        "tests/all/invariants/copies.rs",
        "tests/all/invariants/hub.rs",
        "tests/all/invariants/traffic.rs",
        "crates/transport/src/config.rs",
        "crates/transport/tests/links/frames.rs",
    ];
    let code: String = places.map(|place| fs::read_to_string(root.join(place)).unwrap()).concat();
    let complaints = complaints(&table, &code);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn complaints(table: &str, code: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for number in 1..=COUNT {
        let name = format!("invariant_{number:02}_");
        let row = table.lines().find(|line| line.starts_with(&format!("| I{number} |")));
        let tested = code.contains(&format!("fn {name}"));
        match row {
            None => complaints.push(format!("invariant {number} has no row in the table")),
            Some(_) if NOT_BUILT.contains(&number) && !tested => {}
            Some(_) if !tested => complaints.push(format!("invariant {number} has no test")),
            Some(row) if !row.contains(&format!("`{name}")) => {
                complaints.push(format!("the row of invariant {number} does not name its test"));
            }
            Some(_) => {}
        }
    }
    complaints
}

#[test]
fn a_number_without_a_row_or_a_test_is_found() {
    let rows = |without: usize| -> String {
        let rows = (1..=COUNT).filter(|number| *number != without);
        rows.map(|number| format!("| I{number} | x | `invariant_{number:02}_x` |\n")).collect()
    };
    let code = |without: usize| -> String {
        let tests = (1..=COUNT).filter(|number| *number != without);
        tests.map(|number| format!("fn invariant_{number:02}_x() {{}}\n")).collect()
    };
    assert_eq!(complaints(&rows(0), &code(0)), [""; 0]);
    assert_eq!(complaints(&rows(7), &code(0)), ["invariant 7 has no row in the table"]);
    assert_eq!(complaints(&rows(0), &code(7)), ["invariant 7 has no test"]);
    assert_eq!(complaints(&rows(0), &code(25)), [""; 0], "not built yet");
    let unnamed = rows(7) + "| I7 | x | elsewhere |\n";
    assert_eq!(complaints(&unnamed, &code(0)), ["the row of invariant 7 does not name its test"]);
}
