//! Rules 6 and 8: one use case per file, and names that say something.

use super::house::House;
use super::source::words;

const EMPTY_NAMES: [&str; 10] = [
    "mod.rs",
    "util.rs",
    "utils.rs",
    "helper.rs",
    "helpers.rs",
    "common.rs",
    "misc.rs",
    "shared.rs",
    "types.rs",
    "stuff.rs",
];

/// Marks of unfinished work; the first two are put together so that this file does not hold them.
fn unfinished() -> [(String, &'static str); 5] {
    [
        (["TO", "DO"].concat(), "say it in an issue"),
        (["X", "XX"].concat(), "say it in an issue"),
        ("//! placeholder".to_owned(), "a file opens by saying what it is"),
        ("todo!(".to_owned(), "nothing is left to be done"),
        ("unimplemented!(".to_owned(), "nothing is left to be done"),
    ]
}

fn rule(house: &House) -> Vec<String> {
    let mut said = Vec::new();
    for package in &house.packages {
        for file in package.rust() {
            let name = file.file_name();
            if EMPTY_NAMES.contains(&name) {
                said.push(format!("{}: the name says nothing; name the idea", file.path));
            }
            let is_use_case = package.name() == "workflows" && name != "lib.rs";
            let functions = public_functions(file.product());
            if is_use_case && functions > 1 {
                said.push(format!(
                    "{}: {functions} public functions; a use case has one",
                    file.path
                ));
            }
            if file.path.contains("/src/") && !file.text.starts_with("//!") {
                said.push(format!("{}: a file opens by saying what it is (//! …)", file.path));
            }
        }
        for file in &package.files {
            // In code only where it is a call, so that a compile-fail example may use it.
            for (mark, advice) in unfinished() {
                let text = if mark.ends_with('(') { file.product() } else { &file.text };
                let found = words(text, mark.trim_end_matches("!("))
                    .find(|at| text[*at..].starts_with(&mark));
                let own = file.path.ends_with("tidy/shape.rs");
                said.extend(
                    found.filter(|_| !own).map(|at| format!("{}: {mark} {advice}", file.place(at))),
                );
            }
        }
    }
    said
}

/// Functions of the module itself; methods are indented.
fn public_functions(code: &str) -> usize {
    let starts = ["pub fn ", "pub async fn ", "pub const fn "];
    code.lines().filter(|line| starts.iter().any(|start| line.starts_with(start))).count()
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn files_are_one_idea_each_and_finished() {
        check(rule);
    }

    #[test]
    fn a_file_of_no_idea_or_of_two_is_found() {
        let planted = |name, path, text| House::planted(name, 3, &[]).with_file(path, text);
        check_finds(rule, &planted("vitals", "src/kind/mod.rs", "//! A."), "name says nothing");
        check_finds(rule, &planted("vitals", "src/kind.rs", "fn a() {}"), "opens by saying");
        let two = "//! A.\npub fn a() {}\npub fn b() {}\n";
        check_finds(rule, &planted("workflows", "src/admit.rs", two), "2 public functions");
        let one =
            "//! A.\npub struct A;\nimpl A {\n    pub fn b() {}\n}\npub fn a() {}\nfn c() {}\n";
        check_allows(rule, &planted("workflows", "src/admit.rs", one));
        check_allows(rule, &planted("vitals", "src/kind.rs", two));
    }

    #[test]
    fn unfinished_work_is_found() {
        for (mark, _) in unfinished() {
            let text = format!("//! A.\nfn a() {{ {mark} }}\n");
            let house = House::planted("vitals", 2, &[]).with_file("src/kind.rs", &text);
            check_finds(rule, &house, "src/kind.rs:2");
        }
        let example = "//! A.\n/// ```compile_fail\n/// let a: A = todo!();\n/// ```\nfn a() {}";
        check_allows(rule, &House::planted("vitals", 2, &[]).with_file("src/kind.rs", example));
    }
}
