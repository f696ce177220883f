//! Rule 9: ARCHITECTURE.md names every package and no other, and every test file is declared.

use std::collections::BTreeSet;

use super::house::House;

/// Packages that stand in ARCHITECTURE.md as `crates/name` or by their name; both in backticks.
fn rule(house: &House) -> Vec<String> {
    let Some(text) = &house.architecture else {
        eprintln!("skipped: there is no ARCHITECTURE.md yet");
        return Vec::new();
    };
    let named: BTreeSet<&str> = in_backticks(text).collect();
    let missing = house.packages.iter().filter(|package| {
        !named.contains(package.name()) && !named.contains(package.folder.as_str())
    });
    let mut said: Vec<String> = missing
        .map(|package| format!("ARCHITECTURE.md does not name `{}`", package.name()))
        .collect();
    let folders: BTreeSet<&str> = house.packages.iter().map(|p| p.folder.as_str()).collect();
    let strays = named.iter().filter(|name| {
        let path = name.strip_suffix('/').unwrap_or(name);
        let one_below = ["crates/", "tools/"]
            .iter()
            .any(|group| path.strip_prefix(group).is_some_and(is_crate_name));
        one_below && !folders.contains(path)
    });
    said.extend(strays.map(|name| format!("ARCHITECTURE.md names `{name}`, which does not exist")));
    said
}

fn is_crate_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_".contains(&byte))
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Files in `tests/all` that `main.rs` does not declare: their tests would never run.
fn forgotten(house: &House) -> Vec<String> {
    let Some(package) = house.package("tests") else { return Vec::new() };
    let text_of =
        |path: &str| package.rust().find(|file| file.path == path).map(|file| file.code.clone());
    package
        .rust()
        .filter(|file| !file.path.ends_with("/main.rs") && !file.path.ends_with("/lib.rs"))
        .filter_map(|file| {
            let (folder, name) = file.path.rsplit_once('/')?;
            let module = name.strip_suffix(".rs")?;
            // `a/b.rs` is declared in `a.rs`, or in the root of its target.
            let parents =
                [format!("{folder}.rs"), format!("{folder}/main.rs"), format!("{folder}/lib.rs")];
            let declared = parents.iter().filter_map(|path| text_of(path)).any(|code| {
                code.lines().any(|line| line.trim_end().ends_with(&format!("mod {module};")))
            });
            (!declared).then(|| format!("{} is declared nowhere and never runs", file.path))
        })
        .collect()
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn the_architecture_names_what_there_is() {
        check(rule);
    }

    #[test]
    fn every_test_file_runs() {
        check(forgotten);
    }

    #[test]
    fn a_forgotten_and_an_invented_crate_are_found() {
        let written = |text: &str| House {
            architecture: Some(text.to_owned()),
            ..House::planted("vitals", 2, &[]).with("alerts", 2, &[])
        };
        check_allows(
            rule,
            &written("`vitals` and `crates/alerts`, not `crates/alerts/src/rule.rs`"),
        );
        check_finds(rule, &written("`vitals`"), "does not name `alerts`");
        check_finds(rule, &written("`vitals` `alerts` `crates/wards`"), "names `crates/wards`");
    }

    #[test]
    fn a_forgotten_test_file_is_found() {
        let tests = || {
            let mut house = House::planted("tests", 5, &[]);
            house.packages[0].folder = "tests".to_owned();
            house.with_file("all/main.rs", "mod tidy;")
        };
        check_allows(forgotten, &tests().with_file("all/tidy.rs", ""));
        check_finds(forgotten, &tests().with_file("all/leaks.rs", ""), "all/leaks.rs");
        let below = tests().with_file("all/tidy.rs", "mod sql;").with_file("all/tidy/sql.rs", "");
        check_allows(forgotten, &below);
        check_finds(forgotten, &below.with_file("all/tidy/old.rs", ""), "tidy/old.rs");
    }
}
