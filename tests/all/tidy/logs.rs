//! Half of rule 10: a log message is a plain sentence; values go into fields, whose names are on
//! the list that `host::logging` lets through.

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
