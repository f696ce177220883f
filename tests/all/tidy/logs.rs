//! Half of rule 10: a log message is a plain sentence; values go into fields, whose names are on
//! the list that `host::logging` lets through, and the crates that log are on its list too.

use std::collections::BTreeSet;

use super::house::House;
use super::source::Source;

const LEVELS: [&str; 5] = ["trace!(", "debug!(", "info!(", "warn!(", "error!("];

fn rule(house: &House) -> Vec<String> {
    let mut said = Vec::new();
    for file in house.packages.iter().flat_map(|package| package.rust()) {
        for (from, to) in calls(file) {
            let inside = file.product_literals().filter(|(at, _)| (from..to).contains(at));
            said.extend(inside.filter(|(_, text)| text.contains('{')).map(|(at, _)| {
                format!("{}: a value inside a log message; put it in a field", file.place(at))
            }));
        }
    }
    said
}

/// Names that the log would redact, and crates that it would not hear.
fn unlisted(house: &House) -> Vec<String> {
    let Some(host) = house.package("host") else { return Vec::new() };
    let list = |path: &str| -> BTreeSet<&str> {
        let file = host.rust().find(|file| file.path.ends_with(path));
        file.into_iter().flat_map(|file| file.product_literals().map(|(_, text)| text)).collect()
    };
    let (fields, crates) = (list("src/logging/fields.rs"), list("src/logging.rs"));
    let mut said = Vec::new();
    for package in &house.packages {
        let in_code = package.name().replace('-', "_");
        if package.used().contains(&"tracing") && !crates.contains(in_code.as_str()) {
            said.push(format!("host::logging does not hear {in_code}; add it to OURS"));
        }
        for file in package.rust() {
            for (from, to) in calls(file) {
                let names = field_names(&file.product()[from..to]);
                said.extend(names.filter(|name| !fields.contains(name)).map(|name| {
                    format!("{}: the log redacts {name}; add it to FIELDS", file.place(from))
                }));
            }
        }
    }
    said
}

/// The names in `count = 3, %reason, ?kind, "a sentence"`.
fn field_names(arguments: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    let at_top = move |at: char| {
        match at {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at == ',' && depth == 0
    };
    arguments.split(at_top).filter_map(|argument| {
        let name = argument.split('=').next().unwrap_or_default();
        let name = name.trim().trim_start_matches(['%', '?']);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
    })
}

/// Where the arguments of each log macro are.
fn calls(file: &Source) -> Vec<(usize, usize)> {
    let code = file.product();
    let starts = LEVELS.iter().flat_map(|level| {
        code.match_indices(level)
            .filter(|(at, _)| {
                let before = code[..*at].chars().next_back();
                !before.is_some_and(|before| before.is_ascii_alphanumeric() || before == '_')
            })
            .map(|(at, text)| at + text.len())
    });
    starts.map(|from| (from, from + arguments_length(&code[from..]))).collect()
}

fn arguments_length(code: &str) -> usize {
    let mut depth = 1_u32;
    code.bytes()
        .position(|byte| {
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            depth == 0
        })
        .unwrap_or(code.len())
}

mod tests {
    use super::*;
    use crate::tidy::{check, check_allows, check_finds};

    #[test]
    fn messages_hold_no_values() {
        check(rule);
    }

    #[test]
    fn the_log_lets_through_what_is_recorded() {
        check(unlisted);
    }

    #[test]
    fn a_field_or_a_crate_that_the_log_does_not_know_is_found() {
        let host = House::planted("host", 4, &["tracing"])
            .with_file("src/logging/fields.rs", "[\"count\", \"reason\"]")
            .with_file("src/logging.rs", "[\"host\", \"edge_node\"]");
        let house = host.with("edge-node", 5, &["tracing"]);
        let known = "info!(count = f(a, b), %reason, \"stored, at last\");";
        check_allows(unlisted, &house);
        let house = house.with_file("src/a.rs", known);
        check_allows(unlisted, &house);
        let house = house.with_file("src/b.rs", "info!(?name, \"stored\");");
        check_finds(unlisted, &house, "src/b.rs:1: the log redacts name");
        let host = House::planted("host", 4, &[]).with("hub", 5, &["tracing"]);
        check_finds(unlisted, &host, "does not hear hub");
    }

    #[test]
    fn a_value_in_a_message_is_found() {
        let planted = |text| House::planted("host", 4, &[]).with_file("src/a.rs", text);
        check_finds(rule, &planted("tracing::warn!(\"no room for {name}\");"), "src/a.rs:1");
        check_finds(
            rule,
            &planted("info!(\n    count = f(1),\n    \"stored {}\", x);"),
            "src/a.rs:3",
        );
        check_allows(rule, &planted("tracing::info!(count, \"stored\");\nlet a = \"{x}\";"));
        check_allows(rule, &planted("my_info!(\"{x}\");"));
    }
}
