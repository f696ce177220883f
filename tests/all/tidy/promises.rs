//! Tests that documents name exist: a table of controls is worth what its tests are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::house::House;

/// Documents that name tests, from the root.
const DOCUMENTS: [&str; 2] = ["SECURITY.md", "tests/README.md"];

/// A word in backticks that can only be the name of a test: our tests are sentences.
const WORDS_MIN: usize = 4;

fn rule(house: &House, name: &str, text: &str) -> Vec<String> {
    let functions: BTreeSet<&str> = house
        .packages
        .iter()
        .flat_map(|package| package.rust())
        .flat_map(|file| file.code.split("fn ").skip(1))
        .map(|rest| rest.split(|letter| !is_of_name(letter)).next().unwrap_or_default())
        .collect();
    let missing = named(text).into_iter().filter(|test| !functions.contains(test));
    missing.map(|test| format!("{name} names the test {test}, which does not exist")).collect()
}

fn named(text: &str) -> BTreeSet<&str> {
    let words = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let last = words.map(|word| word.rsplit("::").next().unwrap_or_default());
    last.filter(|word| word.chars().all(is_of_name) && word.split('_').count() >= WORDS_MIN)
        .collect()
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
}

mod tests {
    use super::*;

    #[test]
    fn every_test_that_a_document_names_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let house = House::read();
        let mut count = 0;
        for name in DOCUMENTS {
            let text = fs::read_to_string(root.join(name)).unwrap();
            count += named(&text).len();
            let complaints = rule(&house, name, &text);
            assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
        }
        assert!(count > 50, "{count} names");
    }

    #[test]
    fn a_test_that_does_not_exist_is_found() {
        let house = House::planted("vitals", 2, &[])
            .with_file("src/kind.rs", "mod tests { fn what_is_known_is_read() {} }");
        let of = |text| rule(&house, "SECURITY.md", text);
        assert_eq!(of("`what_is_known_is_read`, `kind::tests::what_is_known_is_read`"), [""; 0]);
        assert_eq!(of("`edge_status` and `cargo test`"), [""; 0], "other words are not meant");
        let said = of("| a | `what_is_known_is_kept` |");
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("what_is_known_is_kept"), "{said:?}");
    }
}
