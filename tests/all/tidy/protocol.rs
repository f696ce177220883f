//! Rule 2: `sync-protocol` moves entries; it has no clock, randomness, async, file, socket, and no
//! word of medicine.

use super::house::{House, Package};
use super::source::words;

/// What it may be built from.
const ALLOWED: [&str; 8] = [
    "blake3",
    "ed25519-dalek",
    "postcard",
    "serde",
    "serde_bytes",
    "subtle",
    "thiserror",
    "zeroize",
];

/// Ways out of pure computation.
const WAYS_OUT: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "std::io",
    "SystemTime",
    "Instant::now",
    "async fn",
];

/// Beginnings of words that would say what the entries are about.
const MEDICINE: [&str; 22] = [
    "allerg", "blood", "clinic", "consent", "diagnos", "disease", "doctor", "fhir", "glucose",
    "health", "hospital", "loinc", "medic", "nurse", "oximet", "patient", "pharma", "prescri",
    "pulse", "symptom", "therap", "vitals",
];

fn rule(house: &House) -> Vec<String> {
    house.package("sync-protocol").map(complaints).unwrap_or_default()
}

fn complaints(package: &Package) -> Vec<String> {
    let mut said: Vec<String> = package
        .used()
        .into_iter()
        .filter(|name| !ALLOWED.contains(name))
        .map(|name| format!("sync-protocol depends on {name}, which is not on its list"))
        .collect();
    for file in package.rust() {
        for way in WAYS_OUT {
            said.extend(words(file.product(), way).map(|at| {
                format!("{}: {way} in sync-protocol, which is pure computation", file.place(at))
            }));
        }
        let text = file.text.to_ascii_lowercase();
        for word in MEDICINE {
            said.extend(
                text.match_indices(word).filter(|(at, _)| starts_word(&text, *at)).map(
                    |(at, _)| format!("{}: the word {word}… in sync-protocol", file.place(at)),
                ),
            );
        }
    }
    said
}

fn starts_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|before: char| before.is_ascii_alphabetic())
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn the_protocol_is_pure_and_knows_nothing_of_medicine() {
        check(rule);
    }

    #[test]
    fn a_way_out_a_dependency_and_a_word_are_found() {
        let protocol =
            |text| House::planted("sync-protocol", 1, &["blake3"]).with_file("src/entry.rs", text);
        check_allows(rule, &protocol("//! Impatient readers may skip this.\nfn f() {}"));
        check_finds(rule, &protocol("use std::fs;"), "src/entry.rs:1: std::fs");
        check_finds(
            rule,
            &protocol("pub struct\nPatientStream;"),
            "src/entry.rs:2: the word patient",
        );
        check_finds(rule, &House::planted("sync-protocol", 1, &["tokio"]), "depends on tokio");
        check_finds(rule, &House::planted("sync-protocol", 1, &["vocab"]), "depends on vocab");
    }
}
