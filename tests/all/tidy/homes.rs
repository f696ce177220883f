//! Rules 3 and 5: libraries that have one home each, and the clock that has one reader.

use super::house::{House, Package};
use super::source::{Source, words};

/// A library, where it may be used, and why not elsewhere.
struct Home {
    library: &'static str,
    /// The name in code.
    in_code: &'static str,
    may_depend: fn(&Package) -> bool,
    may_name: fn(&Package, &Source) -> bool,
    rule: &'static str,
}

const HOMES: [Home; 8] = [
    Home {
        library: "tokio",
        in_code: "tokio",
        may_depend: |package| package.floor() >= Some(4),
        may_name: |package, _| package.floor() >= Some(4),
        rule: "tokio is used from floor 4 up; rules and tables do not wait",
    },
    Home {
        library: "automerge",
        in_code: "automerge",
        may_depend: |package| package.name() == "document",
        may_name: |package, _| package.name() == "document",
        rule: "only document knows automerge",
    },
    Home {
        library: "quinn",
        in_code: "quinn",
        may_depend: is_transport,
        may_name: |package, _| is_transport(package),
        rule: "only transport knows quinn",
    },
    Home {
        library: "quinn-proto",
        in_code: "quinn_proto",
        may_depend: is_transport,
        may_name: |package, _| is_transport(package),
        rule: "only transport knows quinn",
    },
    Home {
        library: "rustls",
        in_code: "rustls",
        may_depend: is_transport,
        may_name: |package, _| is_transport(package),
        rule: "only transport knows rustls",
    },
    Home {
        library: "tokio-rustls",
        in_code: "tokio_rustls",
        may_depend: is_transport,
        may_name: |package, _| is_transport(package),
        rule: "only transport knows rustls",
    },
    Home {
        library: "axum",
        in_code: "axum",
        may_depend: has_http_door,
        may_name: |package, _| has_http_door(package),
        rule: "axum is used by web, api, pages and the programs",
    },
    Home {
        library: "rusqlite",
        in_code: "rusqlite",
        may_depend: |package| {
            package.name() == "store" || package.rust().any(|file| file.is_or_is_below("store"))
        },
        may_name: |package, file| package.name() == "store" || file.is_or_is_below("store"),
        rule: "rusqlite is used in the crate store and in files named store.rs",
    },
];

fn is_transport(package: &Package) -> bool {
    package.name() == "transport"
}

fn has_http_door(package: &Package) -> bool {
    ["web", "api", "pages", "edge-node", "hub", "bench", "tests"].contains(&package.name())
}

/// Where outside `host` a file may switch the lint on clocks and randomness off: it shows or
/// measures time for a person, and nothing it decides depends on it.
fn may_read_clock(package: &Package, file: &Source) -> bool {
    let measures = package.folder.starts_with("tools/") || file.path.contains("/examples/");
    package.name() == "host" || measures || package.folder == "tests"
}

fn rule(house: &House) -> Vec<String> {
    let mut said = Vec::new();
    for package in &house.packages {
        for home in &HOMES {
            if package.used().contains(&home.library) && !(home.may_depend)(package) {
                said.push(format!("{} depends on {}: {}", package.name(), home.library, home.rule));
            }
            for file in package.rust().filter(|file| !(home.may_name)(package, file)) {
                let found = words(file.product(), home.in_code).find(|at| is_path(file, *at, home));
                said.extend(found.map(|at| format!("{}: {}", file.place(at), home.rule)));
            }
        }
        for file in package.rust().filter(|file| !may_read_clock(package, file)) {
            let found = words(file.product(), "disallowed_methods").next();
            said.extend(found.map(|at| {
                format!("{}: only host reads clocks and draws randomness", file.place(at))
            }));
        }
    }
    said
}

/// `use tokio…` or `tokio::…`, not a variable of that name.
fn is_path(file: &Source, at: usize, home: &Home) -> bool {
    let code = file.product();
    let after = code[at + home.in_code.len()..].trim_start();
    let before = code[..at].trim_end();
    after.starts_with("::") && !before.ends_with("::") || before.ends_with("use")
}

/// The methods that clippy forbids must still be listed.
fn listed(clippy: &str) -> Vec<String> {
    [
        "std::time::SystemTime::now",
        "std::time::Instant::now",
        "uuid::Uuid::new_v4",
        "uuid::Uuid::now_v7",
        "getrandom::fill",
        "std::thread::sleep",
    ]
    .iter()
    .filter(|method| !clippy.contains(&format!("path = \"{method}\"")))
    .map(|method| format!("clippy.toml no longer forbids {method}"))
    .collect()
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn libraries_and_the_clock_have_one_home() {
        check(rule);
        let complaints = listed(include_str!("../../../clippy.toml"));
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    #[test]
    fn a_library_away_from_home_is_found() {
        check_finds(rule, &House::planted("vitals", 2, &["tokio"]), "from floor 4 up");
        check_finds(rule, &House::planted("patients", 2, &["automerge"]), "only document");
        check_finds(rule, &House::planted("host", 4, &["rustls"]), "only transport");
        check_finds(rule, &House::planted("host", 4, &["axum"]), "axum is used by web");
        check_finds(rule, &House::planted("vitals", 2, &["rusqlite"]), "files named store.rs");

        let vitals = || House::planted("vitals", 2, &[]);
        let rows = "use rusqlite::Row;";
        check_finds(rule, &vitals().with_file("src/kind.rs", rows), "src/kind.rs:1");
        check_allows(rule, &vitals().with_file("src/store.rs", rows));
        check_allows(rule, &vitals().with_file("src/store/tail.rs", rows));
        check_allows(
            rule,
            &vitals().with_file("src/kind.rs", "//! Not rusqlite::Row.\nlet tokio = 1;"),
        );
    }

    #[test]
    fn a_second_reader_of_the_clock_is_found() {
        let text = "#[expect(clippy::disallowed_methods, reason = \"planted\")]";
        let planted = |name| House::planted(name, 4, &[]).with_file("src/a.rs", text);
        check_finds(rule, &planted("api"), "only host reads clocks");
        check_allows(rule, &planted("host"));
        assert_eq!(listed("path = \"getrandom::fill\"").len(), 5);
    }
}
