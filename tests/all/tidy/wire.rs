//! Rule 7: what goes out of the program has types of its own.

use super::house::{House, Package};
use super::source::{Source, words};

/// A place where values may be made serialisable, and why.
type Place = (fn(&Package, &Source) -> bool, &'static str);

const PLACES: [Place; 7] = [
    (|_, file| file.is_or_is_below("wire"), "wire forms"),
    (|_, file| file.is_or_is_below("fact"), "the wire forms of a room's facts"),
    (|package, _| package.name() == "sync-protocol", "it is all wire"),
    (|package, _| package.name() == "vocab", "words stand in every wire form as they are"),
    (|package, _| ["web", "api"].contains(&package.name()), "bodies of requests and answers"),
    (|_, file| file.is_or_is_below("config"), "settings, written by init and read at start"),
    (
        |_, file| file.is_or_is_below("commands") || file.file_name().ends_with("_body.rs"),
        "questions to a running program and its answers, reports for scripts",
    ),
];

fn rule(house: &House) -> Vec<String> {
    let mut said = Vec::new();
    for package in &house.packages {
        for file in package.rust().filter(|file| !PLACES.iter().any(|(is, _)| is(package, file))) {
            let found = words(file.product(), "Serialize").find(|at| is_made(file.product(), *at));
            said.extend(found.map(|at| {
                format!(
                    "{}: Serialize ties what is stored or sent to a type of the domain; give it \
                     a wire form, in a file of PLACES",
                    file.place(at)
                )
            }));
        }
    }
    said
}

/// In a derive, or implemented by hand; not in a bound or an import.
fn is_made(code: &str, at: usize) -> bool {
    let line_start =
        code[..at].rfind("derive(").is_some_and(|derive| !code[derive..at].contains(')'));
    line_start || code[at..].starts_with("Serialize for ")
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn wire_forms_are_types_of_their_own() {
        check(rule);
    }

    #[test]
    fn a_domain_type_that_can_be_sent_is_found() {
        let planted = |path, text| House::planted("vitals", 2, &[]).with_file(path, text);
        let derived = "#[derive(Clone,\n    serde::Serialize)]\nstruct A;";
        check_finds(rule, &planted("src/reading.rs", derived), "src/reading.rs:2");
        check_finds(rule, &planted("src/reading.rs", "impl Serialize for A {}"), "wire form");
        check_allows(rule, &planted("src/fact.rs", derived));
        check_allows(rule, &planted("src/fact/segment.rs", derived));
        check_allows(rule, &planted("src/commands.rs", derived));
        check_allows(rule, &planted("src/status_body.rs", derived));
        check_allows(
            rule,
            &planted("src/reading.rs", "use serde::Serialize;\nfn f(a: &impl Serialize)"),
        );
        check_allows(rule, &planted("src/reading.rs", "#[derive(Deserialize)]\nstruct A;"));
    }
}
